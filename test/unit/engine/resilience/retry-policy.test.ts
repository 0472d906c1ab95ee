import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ERRORS, type ErrorCode } from "../../../../src/engine/model/errors.js";
import type { RetryConditions } from "../../../../src/engine/model/snapshot.js";
import {
  isFree,
  isIdempotent,
  isUnprocessed,
  LOWEST_RETRIED_STATUS,
  retriesError,
  retriesStatus,
} from "../../../../src/engine/resilience/retry-policy.js";

const CODES = Object.keys(ERRORS) as ErrorCode[];

function conditions(changes: Partial<RetryConditions> = {}): RetryConditions {
  return { connectFailure: false, reset: false, timeout: false, malformed: false, statuses: [], ...changes };
}

describe("retry policy", () => {
  it("repeats of all failures those that its conditions name", () => {
    const repeated = (changes: Partial<RetryConditions>): ErrorCode[] => CODES.filter((code) => retriesError(conditions(changes), code));
    assert.deepEqual(repeated({}), []);
    assert.deepEqual(repeated({ statuses: [502, 503, 504] }), [], "a status is an answer, not a failure");
    assert.deepEqual(repeated({ connectFailure: true }), ["connect-failed", "connect-timeout", "upstream-tls-failed", "upstream-refused"]);
    assert.deepEqual(repeated({ reset: true }), ["upstream-stale", "upstream-reset", "upstream-closed"]);
    assert.deepEqual(repeated({ timeout: true }), ["upstream-timeout"]);
    assert.deepEqual(repeated({ malformed: true }), ["upstream-protocol"]);
  });

  it("can repeat exactly what the error table calls retryable", () => {
    const all = conditions({ connectFailure: true, reset: true, timeout: true, malformed: true });
    for (const code of CODES) assert.equal(retriesError(all, code), ERRORS[code].isRetryable, code);
  });

  it("takes for unprocessed only what the service has said not to have looked at", () => {
    assert.deepEqual(CODES.filter(isUnprocessed), ["upstream-refused"]);
  });

  it("takes a retry for free only after a connection that was not made", () => {
    assert.deepEqual(CODES.filter(isFree), ["connect-failed"]);
    assert.equal(isFree(""), false);
  });

  it("repeats the statuses it names and no others", () => {
    const on = conditions({ connectFailure: true, reset: true, timeout: true, statuses: [502, 503] });
    const repeated = Array.from({ length: 600 }, (_, status) => status).filter((status) => retriesStatus(on, status));
    assert.deepEqual(repeated, [502, 503]);
    assert.ok(repeated.every((status) => status >= LOWEST_RETRIED_STATUS));
  });

  it("knows the idempotent methods of RFC 9110; names are case-sensitive", () => {
    const methods = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH", "CONNECT", "get", "PROPFIND", ""];
    assert.deepEqual(methods.filter(isIdempotent), ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);
  });
});
