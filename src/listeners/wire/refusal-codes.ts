/** What a refusal of the HTTP/1 codec is called in the one table of errors. */
import type { ErrorCode } from "../../engine/model/errors.js";
import type { Refusal } from "../../wire/http1/refusal.js";
import { statusOf } from "../../wire/http1/refusal-status.js";

const CODES: Readonly<Record<ReturnType<typeof statusOf>, ErrorCode>> = {
  400: "bad-request",
  413: "body-too-large",
  414: "target-too-long",
  417: "expectation-failed",
  431: "headers-too-large",
  501: "method-not-supported",
  502: "bad-request",
  505: "version-not-supported",
};

export function codeOf(refusal: Refusal): ErrorCode {
  return refusal === "unknown-transfer-coding" ? "coding-not-supported" : CODES[statusOf(refusal)];
}

/** For the caller and the log. */
export function detailOf(refusal: Refusal): string {
  return refusal.replaceAll("-", " ");
}
