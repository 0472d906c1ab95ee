import assert from "node:assert/strict";
import { test } from "node:test";
import { UploadPace } from "../../../src/listeners/upload-pace.js";

const RATE = 250;
const LOOK_MS = 1_000;

/** Seconds until an upload is too slow when `bytesIn(second)` arrive in each; null when it is not within an hour. */
function secondsUntilTooSlow(bytesIn: (second: number) => number): number | null {
  const pace = new UploadPace(RATE, 0);
  let received = 0;
  for (let second = 1; second <= 3_600; second++) {
    received += bytesIn(second);
    if (pace.isTooSlow(second * LOOK_MS, received)) return second;
  }
  return null;
}

test("silence is too slow after a grace of five seconds, not before", () => {
  assert.equal(
    secondsUntilTooSlow(() => 0),
    5,
  );
});

test("exactly the minimum is fast enough for ever, anything below is not", () => {
  assert.equal(
    secondsUntilTooSlow(() => RATE),
    null,
  );
  assert.equal(
    secondsUntilTooSlow((second) => (second % 4 === 0 ? 4 * RATE : 0)),
    null,
  );
  assert.equal(
    secondsUntilTooSlow(() => RATE / 2),
    10,
  );
  assert.notEqual(
    secondsUntilTooSlow(() => RATE - 1),
    null,
  );
});

test("a fast first megabyte makes up for thirty seconds of silence and no more", () => {
  assert.equal(
    secondsUntilTooSlow((second) => (second === 1 ? 1_000_000 : 0)),
    31,
  );
});

test("an upload that stalls now and then goes on as long as it catches up", () => {
  assert.equal(
    secondsUntilTooSlow((second) => (second % 30 === 1 ? 30 * RATE : 0)),
    null,
  );
});

test("time in which the exchange takes no bytes does not count", () => {
  const pace = new UploadPace(RATE, 0);
  pace.pause(2_000);
  assert.equal(pace.isTooSlow(600_000, 0), false);
  pace.pause(600_000);
  pace.resume(600_000);
  assert.equal(pace.patienceMs, 3_000);
  assert.equal(pace.isTooSlow(602_900, 0), false);
  assert.equal(pace.isTooSlow(603_000, 0), true);
});

test("what arrives during a pause counts for the client", () => {
  const pace = new UploadPace(RATE, 0);
  pace.pause(1_000);
  assert.equal(pace.isTooSlow(9_000, 10 * RATE), false);
  pace.resume(10_000);
  assert.equal(pace.patienceMs, 14_000);
});

test("being resumed without a pause, and paused twice, changes nothing but the moment", () => {
  const pace = new UploadPace(RATE, 0);
  pace.pause(1_000);
  pace.pause(4_000);
  pace.resume(4_000);
  assert.equal(pace.patienceMs, 4_000);
});

test("a gateway that was held up itself does not blame its clients", () => {
  const pace = new UploadPace(RATE, 0);
  assert.equal(pace.isTooSlow(1_000, 10 * RATE), false);
  assert.equal(pace.isTooSlow(61_000, 10 * RATE), false);
  assert.equal(pace.patienceMs, 9_000);
});
