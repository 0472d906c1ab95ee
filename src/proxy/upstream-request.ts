/** The head of one attempt, derived from the exchange's request after its filters have run. */
import type { RequestHead } from "../engine/model/request.js";
import type { UpstreamRequest } from "./ports.js";

/** Methods for which an absent body is better said aloud (RFC 9110 §8.6). */
const EXPECTS_BODY: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/** RFC 9110 §9.2.2: repeating these has the effect of sending them once. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

export function upstreamRequest(head: RequestHead, isFresh: boolean): UpstreamRequest {
  return {
    method: head.method,
    target: head.query === undefined ? head.path : `${head.path}?${head.query}`,
    authority: head.authority,
    headers: head.headers,
    bodyLength: head.bodyLength,
    hasZeroLength: head.bodyLength === 0 && (head.hasZeroLength || EXPECTS_BODY.has(head.method)),
    isFresh,
  };
}

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}
