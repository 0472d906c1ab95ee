import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { combineFeedback, createBalanceFeedback } from "../../../../src/engine/balancing/feedback.js";
import { AttemptResult, type Endpoint } from "../../../../src/engine/model/endpoint.js";
import type { ErrorCode } from "../../../../src/engine/model/errors.js";
import { GuardedPicker } from "../../../../src/engine/resilience/guarded-picker.js";
import { type GuardSpec, isUnguarded, learnsNothing, ServiceGuard } from "../../../../src/engine/resilience/service-guard.js";
import { BALANCE, endpointsOf, pick, pickerOf } from "../balancing/endpoints.js";

const NOTHING: GuardSpec = { outlier: null, breakers: { endpoint: null, service: null }, maxRequests: 0 };
const OUTLIER: GuardSpec["outlier"] = {
  consecutive5xx: 3,
  consecutiveGatewayErrors: 0,
  successRate: null,
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectionPercent: 50,
};
const BREAKER = { failurePercent: 50, minimumRequests: 2, windowMs: 1_000, openMs: 500, halfOpenRequests: 1 };

const result = new AttemptResult();

function tell(guard: ServiceGuard, endpoint: Endpoint, { status = 0, code = "" as ErrorCode | "", now = 1, times = 1 }): void {
  for (let i = 0; i < times; i++) guard.note(Object.assign(result, { endpoint, status, code, now }));
}

function fixture(count: number, spec: Partial<GuardSpec>) {
  const endpoints = endpointsOf(Array.from({ length: count }, () => 1));
  const guard = new ServiceGuard({ ...NOTHING, ...spec });
  const picker = new GuardedPicker(pickerOf(endpoints, { algorithm: "roundRobin" }), guard);
  const picked = (now: number, picks = count * 2) => {
    const seen = new Set(Array.from({ length: picks }, () => pick(picker, { now })));
    return endpoints.flatMap((endpoint, index) => (seen.has(endpoint) ? [index] : []));
  };
  return { endpoints, guard, picker, picked };
}

describe("service guard", () => {
  it("is not needed without settings, and learns nothing from attempts for maxRequests alone", () => {
    assert.equal(isUnguarded(NOTHING), true);
    assert.equal(isUnguarded({ ...NOTHING, maxRequests: 1 }), false);
    assert.equal(learnsNothing({ ...NOTHING, maxRequests: 1 }), true);
    assert.equal(learnsNothing({ ...NOTHING, outlier: OUTLIER }), false);
  });

  it("ejects an endpoint for the time of its ejection", () => {
    const { endpoints, guard, picked } = fixture(3, { outlier: OUTLIER });
    tell(guard, endpoints[1]!, { status: 500, now: 10, times: 3 });
    assert.equal(endpoints[1]?.ejectedUntil, 30_010);
    assert.deepEqual(picked(11), [0, 2]);
    assert.deepEqual(guard.reasonsOf(endpoints[1]!, 11), ["3 failures in a row"]);
    assert.deepEqual(picked(30_010), [0, 1, 2]);
    assert.deepEqual(guard.reasonsOf(endpoints[1]!, 30_010), []);
  });

  it("forgets an ejection when checks bring the endpoint back, but not how often it was ejected", () => {
    const { endpoints, guard, picked } = fixture(3, { outlier: OUTLIER });
    const bad = endpoints[1]!;
    tell(guard, bad, { code: "connect-failed", now: 10, times: 3 });
    guard.recovered(bad, 2_000);
    assert.deepEqual(picked(2_000), [0, 1, 2]);
    assert.deepEqual(guard.reasonsOf(bad, 2_000), []);
    tell(guard, bad, { code: "connect-failed", now: 2_001, times: 2 });
    assert.deepEqual(picked(2_001), [0, 1, 2], "counts anew");
    tell(guard, bad, { code: "connect-failed", now: 2_002 });
    assert.equal(bad.ejectedUntil, 62_002);
    guard.recovered(endpoints[2]!, 2_003);
    assert.deepEqual(picked(2_003), [0, 2]);
  });

  it("lets open circuits be probed when checks bring an endpoint back, and no more than that", () => {
    const { endpoints, guard, picker, picked } = fixture(2, { breakers: { endpoint: BREAKER, service: BREAKER } });
    tell(guard, endpoints[0]!, { code: "connect-failed", now: 10, times: 2 });
    assert.deepEqual(picked(11), [], "the service's circuit is open");
    guard.recovered(endpoints[0]!, 12);
    const probe = pick(picker, { now: 12 });
    assert.ok(probe !== null);
    assert.equal(pick(picker, { now: 12 }), null, "one probe");
    tell(guard, probe, { status: 200, now: 13 });
    assert.deepEqual(picked(14), [0, 1]);
  });

  it("does not count the client's part, nor what was under way when the endpoint was ejected", () => {
    const { endpoints, guard } = fixture(3, { outlier: OUTLIER });
    for (const code of ["downstream-abort", "slow-client", "upstream-overflow", "upstream-stale"] as const)
      tell(guard, endpoints[0]!, { code, times: 9 });
    assert.equal(endpoints[0]?.ejectedUntil, 0);
    tell(guard, endpoints[0]!, { code: "connect-failed", now: 10, times: 30 });
    assert.equal(endpoints[0]?.ejectedUntil, 30_010);
    tell(guard, endpoints[0]!, { status: 500, now: 30_010, times: 2 });
    assert.equal(endpoints[0]?.ejectedUntil, 30_010);
    tell(guard, endpoints[0]!, { status: 500, now: 30_010 });
    assert.equal(endpoints[0]?.ejectedUntil, 90_010);
  });

  it("does not count an answer that asks for a pause which is kept", () => {
    const { endpoints, guard } = fixture(3, { outlier: OUTLIER, breakers: { endpoint: BREAKER, service: BREAKER } });
    const feedback = combineFeedback([createBalanceFeedback({ ...BALANCE, retryAfter: { on: [503], maxMs: 10_000 } }), guard]);
    const busy = (status: number, retryAfterMs: number) => {
      for (let now = 1; now <= 3; now++)
        feedback?.note(Object.assign(new AttemptResult(), { endpoint: endpoints[1], status, retryAfterMs, now }));
    };
    busy(503, 1_000);
    assert.deepEqual([endpoints[1]?.ejectedUntil, endpoints[1]?.pausedUntil], [0, 1_003]);
    Object.assign(endpoints[1]!, { pausedUntil: 0 });
    busy(503, 0);
    assert.equal(endpoints[1]?.ejectedUntil, 30_003);
  });

  it("keeps to the percentage, by which the next may be ejected when the first is back", () => {
    const { endpoints, guard } = fixture(3, { outlier: { ...OUTLIER, maxEjectionPercent: 10 } });
    tell(guard, endpoints[0]!, { status: 500, now: 0, times: 3 });
    tell(guard, endpoints[1]!, { status: 500, now: 1, times: 3 });
    assert.deepEqual(
      endpoints.map(({ ejectedUntil }) => ejectedUntil),
      [30_000, 0, 0],
    );
    tell(guard, endpoints[1]!, { status: 500, now: 30_000 });
    assert.equal(endpoints[1]?.ejectedUntil, 60_000);
  });

  it("compares success rates once an interval", () => {
    const spec = { ...OUTLIER, consecutive5xx: 0, successRate: { minimumHosts: 3, requestVolume: 10, stdevFactor: 1 } };
    const { endpoints, guard } = fixture(4, { outlier: spec });
    tell(guard, endpoints[0]!, { status: 200, now: 0 });
    for (const [index, endpoint] of endpoints.entries()) tell(guard, endpoint, { status: index === 2 ? 500 : 200, now: 5_000, times: 20 });
    assert.equal(endpoints[2]?.ejectedUntil, 0);
    tell(guard, endpoints[0]!, { status: 200, now: 10_000 });
    assert.equal(endpoints[2]?.ejectedUntil, 40_000);
    assert.match(guard.reasonsOf(endpoints[2]!, 10_000)[0] as string, /^success rate of 0\.0 %, below/);
  });

  it("leaves an endpoint with an open circuit alone, then sends it one probe at a time", () => {
    const { endpoints, guard, picked } = fixture(3, { breakers: { endpoint: BREAKER, service: null } });
    tell(guard, endpoints[2]!, { status: 503, now: 0, times: 2 });
    assert.deepEqual(picked(499), [0, 1]);
    assert.deepEqual(picked(500), [0, 1, 2]);
    assert.deepEqual(picked(501), [0, 1]);
    assert.deepEqual(guard.reasonsOf(endpoints[2]!, 501), ["circuit half open, 0 of 1 probes succeeded"]);
    tell(guard, endpoints[2]!, { status: 200, now: 502 });
    assert.deepEqual(picked(503), [0, 1, 2]);
  });

  it("tries an endpoint again whose probe was never heard of", () => {
    const { endpoints, guard, picked } = fixture(3, { breakers: { endpoint: BREAKER, service: null } });
    tell(guard, endpoints[2]!, { status: 503, now: 0, times: 2 });
    assert.deepEqual(picked(500), [0, 1, 2]);
    assert.deepEqual(picked(999), [0, 1]);
    assert.deepEqual(picked(1_000), [0, 1, 2]);
  });

  it("refuses everything while the service's own circuit is open", () => {
    const { endpoints, guard, picker } = fixture(2, { breakers: { endpoint: null, service: BREAKER } });
    tell(guard, endpoints[0]!, { status: 500, now: 0 });
    tell(guard, endpoints[1]!, { status: 500, now: 0 });
    assert.equal(pick(picker, { now: 1 }), null);
    assert.equal(guard.takeRefusal()?.code, "circuit-open");
    assert.equal(guard.takeRefusal(), null);
    assert.equal(guard.circuitReason(1), "circuit open, 100 % failed");
    const probe = pick(picker, { now: 500 });
    assert.notEqual(probe, null);
    assert.equal(pick(picker, { now: 500 }), null);
    tell(guard, probe!, { status: 200, now: 501 });
    assert.notEqual(pick(picker, { now: 502 }), null);
    assert.equal(guard.circuitReason(502), null);
  });

  it("refuses what is beyond maxRequests", () => {
    const { endpoints, guard, picker } = fixture(2, { maxRequests: 3 });
    endpoints[0]!.set.inFlight = 2;
    assert.notEqual(pick(picker), null);
    endpoints[0]!.set.inFlight = 3;
    assert.equal(pick(picker), null);
    assert.equal(guard.takeRefusal()?.code, "upstream-overflow");
  });

  it("a pick that found nobody is no refusal", () => {
    const { guard, picker, endpoints } = fixture(1, { maxRequests: 1 });
    endpoints[0]!.set.inFlight = 1;
    assert.equal(pick(picker), null);
    endpoints[0]!.set.replace([]);
    assert.equal(pick(picker), null);
    assert.equal(guard.takeRefusal(), null);
  });

  it("takes back what is switched off by a reload, and keeps the rest", () => {
    const { endpoints, guard, picked } = fixture(4, { outlier: OUTLIER, breakers: { endpoint: BREAKER, service: null } });
    tell(guard, endpoints[0]!, { status: 500, now: 0, times: 3 });
    guard.update({ ...NOTHING, outlier: OUTLIER }, endpoints);
    assert.equal(endpoints[0]?.ejectedUntil, 30_000);
    guard.update(NOTHING, endpoints);
    assert.equal(endpoints[0]?.ejectedUntil, 0);
    assert.deepEqual(picked(1), [0, 1, 2, 3]);
  });
});
