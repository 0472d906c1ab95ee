import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ERRORS, type ErrorCode } from "../../../../src/engine/model/errors.js";
import type { OutlierSpec } from "../../../../src/engine/model/snapshot.js";
import { type Outcome, outcomeOf } from "../../../../src/engine/resilience/outcome.js";
import {
  createOutlierState,
  describeReason,
  eject,
  isEjected,
  mayEject,
  noteOutcome,
  type OutlierReason,
  type OutlierState,
  successRateReason,
  successRateThreshold,
} from "../../../../src/engine/resilience/outlier.js";

fc.configureGlobal({ seed: 1_618 });

const POLICY: OutlierSpec = {
  consecutive5xx: 5,
  consecutiveGatewayErrors: 0,
  successRate: null,
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectionPercent: 10,
};
const REASON: OutlierReason = { type: "consecutive5xx", count: 5 };

function noteAll(outcomes: readonly Outcome[], policy: Partial<OutlierSpec>, state = createOutlierState()): OutlierReason | null {
  let reason: OutlierReason | null = null;
  for (const outcome of outcomes) reason = noteOutcome(state, { ...POLICY, ...policy }, outcome);
  return reason;
}

function ejectAt(state: OutlierState, now: number): number {
  eject(state, POLICY, { reason: REASON, now });
  return state.ejectedUntil - now;
}

const E5: Outcome = "serverError";
const GW: Outcome = "gatewayError";
const OK: Outcome = "success";

const CONSECUTIVE: readonly (readonly [title: string, policy: Partial<OutlierSpec>, outcomes: readonly Outcome[], type: string | null])[] =
  [
    ["four failures are not enough", {}, [E5, E5, E5, E5], null],
    ["five are", {}, [E5, GW, E5, GW, E5], "consecutive5xx"],
    ["a success begins anew", {}, [E5, E5, E5, E5, OK, E5], null],
    ["0 switches it off", { consecutive5xx: 0 }, Array.from({ length: 50 }, () => E5), null],
    ["gateway errors count by themselves", { consecutiveGatewayErrors: 3 }, [GW, GW, GW], "consecutiveGatewayErrors"],
    ["a 500 between gateway errors begins anew", { consecutiveGatewayErrors: 3 }, [GW, GW, E5, GW], null],
  ];

const ALLOWED: readonly (readonly [percent: number, ejected: number, total: number, isAllowed: boolean])[] = [
  [10, 0, 3, true],
  [10, 1, 3, false],
  [10, 1, 20, true],
  [10, 1, 19, false],
  [0, 0, 100, false],
  [100, 2, 3, true],
  [50, 1, 4, true],
  [50, 2, 4, false],
];

describe("outlier ejection", () => {
  for (const [title, policy, outcomes, type] of CONSECUTIVE) {
    it(title, () => assert.equal(noteAll(outcomes, policy)?.type ?? null, type));
  }

  for (const [percent, ejected, total, isAllowed] of ALLOWED) {
    it(`${percent} % ${isAllowed ? "allows" : "forbids"} ejection number ${ejected + 1} of ${total}`, () => {
      assert.equal(mayEject({ ...POLICY, maxEjectionPercent: percent }, ejected, total), isAllowed);
    });
  }

  it("lasts longer each time, up to the maximum", () => {
    const state = createOutlierState();
    const lengths: number[] = [];
    for (let now = 0; lengths.length < 13; now = state.ejectedUntil) lengths.push(ejectAt(state, now));
    assert.deepEqual(lengths.slice(0, 4), [30_000, 60_000, 90_000, 120_000]);
    assert.deepEqual(lengths.slice(9), [300_000, 300_000, 300_000, 300_000]);
  });

  it("forgets one ejection with every interval without one", () => {
    const state = createOutlierState();
    for (let i = 0; i < 4; i++) ejectAt(state, state.ejectedUntil);
    assert.equal(ejectAt(state, state.ejectedUntil + 9_999), 150_000);
    assert.equal(ejectAt(state, state.ejectedUntil + 20_000), 120_000);
    assert.equal(ejectAt(state, state.ejectedUntil + 3_600_000), 30_000);
  });

  it("has forgotten ten times the cap after eleven intervals", () => {
    const state = createOutlierState();
    for (let i = 0; i < 100; i++) ejectAt(state, state.ejectedUntil);
    assert.equal(ejectAt(state, state.ejectedUntil + 110_000), 30_000);
  });

  it("is over when its time is, and counts from nothing then", () => {
    const state = createOutlierState();
    noteAll([E5, E5, E5, E5, E5], {}, state);
    ejectAt(state, 100);
    assert.equal(isEjected(state, 30_099), true);
    assert.equal(isEjected(state, 30_100), false);
    assert.equal(noteAll([E5, E5, E5, E5], {}, state), null);
  });

  it("never is shorter than the base or longer than the maximum, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(400_000), { maxLength: 60 }), (pauses) => {
        const state = createOutlierState();
        let now = 0;
        for (const pause of pauses) {
          now = Math.max(now, state.ejectedUntil) + pause;
          const length = ejectAt(state, now);
          assert.ok(length >= POLICY.baseEjectionMs && length <= POLICY.maxEjectionMs);
        }
      }),
    );
  });
});

describe("ejection by success rate", () => {
  const policy: OutlierSpec = { ...POLICY, successRate: { minimumHosts: 5, requestVolume: 100, stdevFactor: 1.9 } };
  const counts = (...rates: readonly number[]) => rates.map((rate) => ({ requests: 200, successes: 2 * rate }));
  const outliersOf = (records: readonly { requests: number; successes: number }[]): number[] => {
    const threshold = successRateThreshold(records, policy);
    if (threshold === null) return [];
    return records.flatMap((record, index) => (successRateReason(record, threshold, policy) === null ? [] : [index]));
  };

  it("finds the one that is far below the others", () => assert.deepEqual(outliersOf(counts(100, 99, 100, 98, 50, 100, 100)), [4]));
  it("finds nobody when all are alike", () => assert.deepEqual(outliersOf(counts(60, 60, 60, 60, 60)), []));
  it("needs enough endpoints", () => assert.deepEqual(outliersOf(counts(100, 100, 100, 0)), []));
  it("judges nobody by few requests", () => {
    assert.deepEqual(outliersOf([...counts(100, 100, 100, 100, 100), { requests: 99, successes: 0 }]), []);
  });

  it("never finds everybody", () => {
    const record = fc
      .integer({ min: 100, max: 10_000 })
      .chain((requests) => fc.record({ requests: fc.constant(requests), successes: fc.nat(requests) }));
    fc.assert(fc.property(fc.array(record, { minLength: 5, maxLength: 50 }), (records) => outliersOf(records).length < records.length));
  });

  it("says why", () => {
    assert.equal(describeReason({ type: "successRate", percent: 50, belowPercent: 84.25 }), "success rate of 50.0 %, below 84.3 %");
    assert.equal(describeReason(REASON), "5 failures in a row");
  });
});

describe("outcome of an attempt", () => {
  const statuses: readonly (readonly [number, Outcome])[] = [
    [101, OK],
    [200, OK],
    [404, OK],
    [429, OK],
    [499, OK],
    [500, E5],
    [501, E5],
    [502, GW],
    [503, GW],
    [504, GW],
    [505, E5],
  ];
  for (const [status, outcome] of statuses) it(`${status} is ${outcome}`, () => assert.equal(outcomeOf({ status, code: "" }), outcome));

  it("no failure counts that the service did not cause", () => {
    const counted = (Object.keys(ERRORS) as ErrorCode[]).filter((code) => outcomeOf({ status: 0, code }) !== null);
    assert.deepEqual(counted, [
      "no-healthy-endpoint",
      "connect-failed",
      "connect-timeout",
      "upstream-tls-failed",
      "upstream-timeout",
      "upstream-reset",
      "upstream-closed",
      "upstream-protocol",
    ]);
  });
});
