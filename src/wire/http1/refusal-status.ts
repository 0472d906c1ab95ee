/**
 * What a listener answers when it refuses a request, for every reason (RFC 9110 §15.5, RFC 9112). The connection closes
 * after each of these answers: where the refused message ends is not known, or not believed.
 */
import type { Refusal } from "./refusal.js";

export type RefusalStatus = 400 | 413 | 414 | 417 | 431 | 501 | 502 | 505;

const STATUSES: Readonly<Record<Refusal, RefusalStatus>> = Object.freeze({
  "bare-cr": 400,
  "bare-lf": 400,
  "control-byte": 400,
  "obs-fold": 400,
  "missing-colon": 400,
  "empty-field-name": 400,
  "space-before-colon": 400,
  "bad-field-name": 400,
  "head-too-large": 431,
  "too-many-fields": 431,
  "bad-request-line": 400,
  "request-line-too-large": 414,
  "too-many-empty-lines": 400,
  "bad-method": 400,
  // RFC 9112 §3: longer than any method that is implemented.
  "method-too-long": 501,
  "unsupported-version": 505,
  "bad-target": 400,
  "fragment-in-target": 400,
  "userinfo-in-target": 400,
  "unsupported-scheme": 400,
  "missing-host": 400,
  "repeated-host": 400,
  "bad-host": 400,
  "unsupported-expectation": 417,
  "bad-connection": 400,
  "bad-upgrade": 400,
  "too-many-connection-options": 431,
  "bad-content-length": 400,
  "repeated-content-length": 400,
  "bad-transfer-encoding": 400,
  // RFC 9112 §6.1.
  "unknown-transfer-coding": 501,
  "repeated-transfer-encoding": 400,
  "length-and-coding": 400,
  "coding-in-http-1.0": 400,
  "body-without-right": 400,
  "bad-chunk-size": 400,
  "bad-chunk-extension": 400,
  "chunk-extension-too-large": 400,
  "bad-chunk-end": 400,
  "body-too-large": 413,
  // Only responses are refused for these: what a gateway says about its upstream.
  "bad-status-line": 502,
  "bad-status": 502,
  "bad-version": 502,
  "unexpected-upgrade": 502,
  "interim-in-http-1.0": 502,
  "too-many-interim": 502,
});

/** The status of the answer to a request that the request parser refused. */
export function statusOf(refusal: Refusal): RefusalStatus {
  return STATUSES[refusal];
}
