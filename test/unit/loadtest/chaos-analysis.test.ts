import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { analyse, type RunRecords } from "../../../loadtest/chaos/analysis.js";
import type { Outcome } from "../../../loadtest/chaos/load.js";

/** A request every 10 ms; healthy from 0 s, broken from 2 s to 6 s, then well until 10 s. One of four endpoints is the victim. */
const PERIOD_MS = 10;
const COUNT = 1_000;

function records(changes: Partial<RunRecords> & { readonly result?: (number: number) => string }): RunRecords {
  const result = changes.result ?? (() => "200");
  return {
    ...{ startedAtMs: 0, periodMs: PERIOD_MS, attempts: new Map(), victims: [], fairShare: 0.25, canStop: true },
    outcomes: Array.from({ length: COUNT }, (_, number): Outcome => [number, 5, result(number)]),
    ...{ healthyFromMs: 0, faultFromMs: 2_000, faultUntilMs: 6_000 },
    ...changes,
  };
}

const seenBy = (numbers: readonly number[]): RunRecords["victims"] => numbers.map((number) => ({ number, atMs: number * PERIOD_MS + 1 }));
const everyFourth = (from: number, until: number): number[] =>
  Array.from({ length: COUNT }, (_, number) => number).filter((number) => number % 4 === 0 && number >= from && number < until);

describe("analysis of a chaos run", () => {
  it("divides requests into those before, of, and after the fault; what is under way when it begins is part of it", () => {
    const outcomes: Outcome[] = [
      [10, 5, "200"],
      [199, 500, "broken"],
      [300, 2_000, "503"],
      [601, 5, "200"],
    ];
    const { healthy, fault, after } = analyse(records({ outcomes }));
    assert.deepEqual([healthy.requests, fault.requests, after.requests], [1, 2, 1]);
    assert.deepEqual([fault.errors, fault.results, fault.maxMs], [2, { broken: 1, "503": 1 }, 2_000]);
  });

  it("finds when the gateway stops sending, by what the victim says and by requests that failed or were repeated", () => {
    const victims = seenBy([...everyFourth(0, 250), 400]);
    const { stoppedMs, sentLater, retried } = analyse(records({ victims, attempts: new Map([[300, 2]]) }));
    assert.deepEqual([stoppedMs, sentLater, retried], [481, 2, 1]);
    assert.equal(analyse(records({ victims: seenBy(everyFourth(0, COUNT)) })).stoppedMs, null, "never");
    assert.equal(analyse(records({ victims, canStop: false })).stoppedMs, null);
  });

  it("takes what a stopped victim reads after the fault for sent when it was due", () => {
    const victims = [...seenBy(everyFourth(0, 200)), ...everyFourth(200, 240).map((number) => ({ number, atMs: 6_001 }))];
    const { stoppedMs, firstBackMs } = analyse(records({ victims }));
    assert.deepEqual([stoppedMs, firstBackMs], [320, null], "and for no recovery; one more within a second is hardly anything");
  });

  it("tells the first request back from the whole share back", () => {
    const victims = seenBy([...everyFourth(0, 200), 620, ...everyFourth(800, COUNT)]);
    const { firstBackMs, fullShareMs } = analyse(records({ victims }));
    assert.deepEqual([firstBackMs, fullShareMs], [201, 2_001]);
  });
});
