/** Reads how long a service wants to be left alone (RFC 9110 §10.2.3). */
import { headerValue } from "../engine/model/request.js";

const TOO_MANY_REQUESTS = 429;
const SERVICE_UNAVAILABLE = 503;
/** Longer texts are neither seconds nor a date. */
const MAX_LENGTH = 40;

/** Milliseconds; 0: it does not say, or nothing that can be understood. */
export function retryAfterMs(status: number, headers: readonly string[]): number {
  if (status !== SERVICE_UNAVAILABLE && status !== TOO_MANY_REQUESTS) return 0;
  const value = headerValue(headers, "retry-after")?.trim() ?? "";
  if (/^[0-9]{1,10}$/.test(value)) return Number(value) * 1000;
  if (value.length > MAX_LENGTH || !/^[A-Z][a-z]+,? .*GMT$/.test(value)) return 0;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - Date.now());
}
