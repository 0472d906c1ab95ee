import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import fc from "fast-check";
import type { TimerWheel } from "../../../src/proxy/timer-wheel.js";
import { createTimerWheel } from "../../../src/proxy/timer-wheel.js";

const TICK_MS = 100;

class Clock {
  nowMs = 12_345.6;
  readonly wheel: TimerWheel = createTimerWheel({ tickMs: TICK_MS, now: () => this.nowMs });

  /** Time goes on in ticks, as the interval would let it. */
  pass(ms: number): void {
    const end = this.nowMs + ms;
    while (this.nowMs < end) {
      this.nowMs = Math.min(end, this.nowMs + TICK_MS);
      this.wheel.advance();
    }
  }
}

let clock: Clock;
const start = (): Clock => (clock = new Clock());
afterEach(() => clock.wheel.stop());

describe("a timer", () => {
  test("fires once, between its delay and one tick later", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200_000 }), fc.integer({ min: 0, max: 99 }), (delayMs, offsetMs) => {
        const { wheel } = start();
        clock.nowMs += offsetMs;
        const armedAt = clock.nowMs;
        const fired: number[] = [];
        wheel.create(() => fired.push(clock.nowMs - armedAt)).arm(delayMs);
        clock.pass(delayMs + 2 * TICK_MS);
        assert.equal(fired.length, 1);
        assert.ok((fired[0] as number) >= delayMs && (fired[0] as number) <= delayMs + TICK_MS, `${fired[0]} for ${delayMs}`);
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  test("that is cancelled does not fire, and cancelling again is harmless", () => {
    const { wheel } = start();
    const timer = wheel.create(() => assert.fail("fired"));
    timer.cancel();
    timer.arm(300);
    timer.cancel();
    timer.cancel();
    clock.pass(1000);
  });

  test("that is armed again moves", () => {
    const { wheel } = start();
    let fired = 0;
    const timer = wheel.create(() => fired++);
    timer.arm(300);
    clock.pass(200);
    timer.arm(300);
    clock.pass(200);
    assert.equal(fired, 0);
    clock.pass(200);
    assert.equal(fired, 1);
    timer.arm(100);
    clock.pass(200);
    assert.equal(fired, 2);
  });

  test("longer than a round of the wheel stays in its slot until its time", () => {
    const { wheel } = start();
    let fired = 0;
    wheel.create(() => fired++).arm(3_600_000);
    clock.pass(3_599_900);
    assert.equal(fired, 0);
    clock.pass(200);
    assert.equal(fired, 1);
  });

  test("takes turns with IO when many are due at once", async () => {
    const { wheel } = start();
    const rows: string[] = [];
    for (let i = 0; i < 100; i++) {
      const fire = (): void => {
        rows.push(`fired ${i}`);
        clock.nowMs += 1;
      };
      wheel.create(fire).arm(100);
    }
    const cancelled = wheel.create(() => assert.fail("fired"));
    cancelled.arm(100);
    clock.nowMs += 2 * TICK_MS;
    wheel.advance();
    assert.equal(rows.length < 10, true, `${rows.length} in one turn`);
    cancelled.cancel();
    for (let turn = 0; turn < 200 && rows.length < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      rows,
      Array.from({ length: 100 }, (_, i) => `fired ${i}`),
    );
  });

  test("fires although the event loop stalled for many rounds", () => {
    const { wheel } = start();
    const fired: string[] = [];
    wheel.create(() => fired.push("short")).arm(50);
    wheel.create(() => fired.push("long")).arm(200_000);
    wheel.create(() => fired.push("later")).arm(400_000);
    clock.nowMs += 300_000;
    wheel.advance();
    assert.deepEqual(fired.sort(), ["long", "short"]);
  });

  test("may cancel, arm and re-arm from within a firing", () => {
    const { wheel } = start();
    const fired: string[] = [];
    const second = wheel.create(() => fired.push("second"));
    const again = wheel.create(() => {
      fired.push("again");
      second.cancel();
      if (fired.length < 3) again.arm(0);
    });
    again.arm(100);
    second.arm(100);
    clock.pass(1000);
    assert.deepEqual(fired, ["again", "again", "again"]);
  });

  test("that throws does not keep the others from firing", () => {
    const { wheel } = start();
    let fired = 0;
    wheel
      .create(() => {
        throw new Error("bug");
      })
      .arm(100);
    wheel.create(() => fired++).arm(100);
    clock.nowMs += 200;
    assert.throws(() => wheel.advance(), /bug/);
    wheel.advance();
    assert.equal(fired, 1);
  });

  test("does not fire after the wheel has stopped", () => {
    const { wheel } = start();
    const timer = wheel.create(() => assert.fail("fired"));
    timer.arm(100);
    wheel.stop();
    timer.arm(100);
    clock.pass(1000);
  });
});

test("many timers, armed, moved and cancelled in any order, fire exactly when they should", () => {
  const step = fc.record({
    timer: fc.nat(9),
    delayMs: fc.constantFrom(-1, 0, 100, 150, 5000, 60_000),
    passMs: fc.constantFrom(0, 30, 100, 700, 60_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { wheel } = start();
      const dueAt: number[] = Array.from({ length: 10 }, () => Number.POSITIVE_INFINITY);
      const timers = dueAt.map((_, i) =>
        wheel.create(() => {
          assert.ok(clock.nowMs >= (dueAt[i] as number), "too early");
          dueAt[i] = Number.POSITIVE_INFINITY;
        }),
      );
      for (const { timer, delayMs, passMs } of steps) {
        if (delayMs < 0) timers[timer]?.cancel();
        else timers[timer]?.arm(delayMs);
        dueAt[timer] = delayMs < 0 ? Number.POSITIVE_INFINITY : clock.nowMs + delayMs;
        clock.pass(passMs);
        for (const due of dueAt) assert.ok(due >= clock.nowMs - TICK_MS, "too late");
      }
      wheel.stop(); // it would tick on in real time, when the clock belongs to the next run
    }),
    { seed: 2, numRuns: 150 },
  );
});

test("the wheel ticks by itself in real time", async () => {
  const wheel = createTimerWheel({ tickMs: 5 });
  // The wheel alone would not keep the process alive.
  const alive = setInterval(() => undefined, 1000);
  try {
    for (let round = 0; round < 2; round++) {
      const startedAt = performance.now();
      await new Promise<void>((resolve) => wheel.create(resolve).arm(20));
      assert.ok(performance.now() - startedAt >= 20);
    }
  } finally {
    clearInterval(alive);
    wheel.stop();
  }
});
