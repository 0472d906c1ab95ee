import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBalanceFeedback } from "../../../src/engine/balancing/feedback.js";
import { AttemptResult } from "../../../src/engine/model/endpoint.js";
import { retryAfterMs } from "../../../src/proxy/retry-after.js";
import { BALANCE, endpointsOf } from "../engine/balancing/endpoints.js";

describe("Retry-After", () => {
  it("is read as seconds or as a date, with 429 and 503 only", () => {
    assert.equal(retryAfterMs(503, ["retry-after", "5"]), 5_000);
    assert.equal(retryAfterMs(429, ["retry-after", " 120 "]), 120_000);
    assert.equal(retryAfterMs(200, ["retry-after", "5"]), 0);
    assert.equal(retryAfterMs(503, []), 0);
    const inAMinute = new Date(Date.now() + 60_000).toUTCString();
    const read = retryAfterMs(503, ["retry-after", inAMinute]);
    assert.ok(read > 50_000 && read <= 60_000, String(read));
    assert.equal(retryAfterMs(503, ["retry-after", "Thu, 01 Jan 1970 00:00:00 GMT"]), 0);
  });

  it("is nothing when it cannot be understood", () => {
    for (const value of ["", "-5", "1.5", "5s", "1e9", "99999999999", "soon", "Thu, 99 Foo 2030 GMT", `Thu, ${"x".repeat(10_000)} GMT`]) {
      assert.equal(retryAfterMs(503, ["retry-after", value]), 0, value.slice(0, 40));
    }
  });

  it("becomes a pause of the endpoint, within bounds, for the statuses that are heeded", () => {
    const [endpoint] = endpointsOf([1, 1]);
    const note = (status: number, afterMs: number, now: number) =>
      createBalanceFeedback(BALANCE)?.note(Object.assign(new AttemptResult(), { endpoint, status, retryAfterMs: afterMs, now }));
    const generation = endpoint!.set.generation;
    note(429, 5_000, 100);
    note(503, 0, 100);
    assert.deepEqual([endpoint!.pausedUntil, endpoint!.set.generation], [0, generation]);
    note(503, 5_000, 100);
    assert.deepEqual([endpoint!.pausedUntil, endpoint!.set.generation], [5_100, generation + 1]);
    note(503, 1_000, 200);
    assert.equal(endpoint!.pausedUntil, 5_100, "never shortened");
    note(503, 1e12, 300);
    assert.equal(endpoint!.pausedUntil, 30_300);
  });

  it("is not listened to when it is switched off", () => {
    assert.equal(createBalanceFeedback({ ...BALANCE, retryAfter: { on: [503], maxMs: 0 } }), null);
    assert.equal(createBalanceFeedback({ ...BALANCE, retryAfter: { on: [], maxMs: 1 } }), null);
  });
});
