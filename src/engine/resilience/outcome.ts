/** What an attempt says about its endpoint. Not everything that fails is its fault. */
import type { AttemptResult } from "../model/endpoint.js";
import { ERRORS, type ErrorCode } from "../model/errors.js";

/** `gatewayError`: 502, 503, 504, or no answer at all; every gateway error is a 5xx too. */
export type Outcome = "success" | "serverError" | "gatewayError";

const LOWEST_SERVER_ERROR = 500;
const BAD_GATEWAY = 502;
const GATEWAY_TIMEOUT = 504;

/** Null: it says nothing. */
export function outcomeOf({ status, code }: Pick<AttemptResult, "status" | "code">): Outcome | null {
  if (code !== "") return isEndpointsFault(code) ? "gatewayError" : null;
  if (status < LOWEST_SERVER_ERROR) return "success";
  return status >= BAD_GATEWAY && status <= GATEWAY_TIMEOUT ? "gatewayError" : "serverError";
}

/** Not: a connection closed in peace, a stream refused unseen, a queue of ours that is full, what the client did. */
function isEndpointsFault(code: ErrorCode): boolean {
  if (code === "upstream-stale" || code === "upstream-refused" || code === "upstream-overflow") return false;
  return ERRORS[code].origin === "upstream";
}
