/**
 * Which failures a route wants repeated and which requests bear it. Whether there is another endpoint and whether the
 * budget allows it are asked elsewhere; nothing here counts.
 */
import type { ErrorCode } from "../model/errors.js";
import type { RetryConditions } from "../model/snapshot.js";

/** No status below is ever retried: one comparison spares every good answer the rest. */
export const LOWEST_RETRIED_STATUS = 500;

/** RFC 9110 §9.2.2: repeating these has the effect of sending them once. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/** The service has not acted on the request, although it may have been sent: repeating it is safe for every method. */
export function isUnprocessed(code: ErrorCode): boolean {
  return code === "upstream-refused";
}

/** Another attempt takes nothing out of the budget: nobody was reached, so it is no more load on services than the first one was. */
export function isFree(code: ErrorCode | ""): boolean {
  return code === "connect-failed";
}

/** `code`: how an attempt ended that has not answered. */
export function retriesError(conditions: RetryConditions, code: ErrorCode): boolean {
  switch (code) {
    case "connect-failed":
    case "connect-timeout":
    case "upstream-tls-failed":
    case "upstream-refused":
      return conditions.connectFailure;
    case "upstream-reset":
    case "upstream-closed":
    case "upstream-stale":
      return conditions.reset;
    case "upstream-timeout":
      return conditions.timeout;
    case "upstream-protocol":
      return conditions.malformed;
    default:
      return false;
  }
}

export function retriesStatus(conditions: RetryConditions, status: number): boolean {
  return conditions.statuses.includes(status);
}
