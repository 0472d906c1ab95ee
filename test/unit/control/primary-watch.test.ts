import assert from "node:assert/strict";
import { it, mock, type TestContext } from "node:test";
import { PrimaryWatch } from "../../../src/control/primary-watch.js";

function watched(t: TestContext) {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  let now = 1_000;
  const hung: number[] = [];
  const watch = new PrimaryWatch(
    (silentMs) => void hung.push(silentMs),
    () => now,
  );
  /** Time passes, and the timer is called as often as a process that runs would be. */
  const pass = (seconds: number): void => {
    for (let second = 0; second < seconds; second++) {
      now += 1_000;
      mock.timers.tick(1_000);
    }
  };
  /** Time passes while this process is stopped. */
  const skip = (seconds: number): void => {
    now += seconds * 1_000;
    mock.timers.tick(1_000);
  };
  return { watch, hung, pass, skip };
}

it("tells once of a primary that says no more that it is alive", (t) => {
  const { watch, hung, pass } = watched(t);
  watch.heard(3_000);
  pass(3);
  assert.deepEqual(hung, []);
  watch.heard(3_000);
  pass(3);
  assert.deepEqual(hung, []);
  pass(10);
  assert.deepEqual(hung, [4_000]);
});

it("lets be who never spoke, and who has ended", (t) => {
  const { watch, hung, pass } = watched(t);
  pass(60);
  watch.heard(3_000);
  watch.stop();
  pass(60);
  assert.deepEqual(hung, []);
});

it("blames nobody for the time in which it was stopped itself", (t) => {
  const { watch, hung, pass, skip } = watched(t);
  watch.heard(3_000);
  skip(60);
  pass(3);
  assert.deepEqual(hung, []);
  pass(1);
  assert.deepEqual(hung, [4_000]);
});
