import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { simulate } from "../../../../loadtest/balance-simulation.js";
import { createBalanceFeedback } from "../../../../src/engine/balancing/feedback.js";
import { DECAY_MS, estimateLatency, observeLatency } from "../../../../src/engine/balancing/latency.js";
import { AttemptResult, type Endpoint } from "../../../../src/engine/model/endpoint.js";
import { BALANCE, countPicksAt, endpointsOf, pickerOf } from "./endpoints.js";

const EWMA = { ...BALANCE, algorithm: "ewma" } as const;

function told(endpoint: Endpoint, changes: Partial<AttemptResult>): void {
  createBalanceFeedback(EWMA)?.note(Object.assign(new AttemptResult(), { endpoint, ...changes }));
}

describe("ewma", () => {
  it("prefers the endpoint with the smaller product of latency and load", () => {
    const endpoints = endpointsOf([1, 1]);
    const [fast, slow] = endpoints as [Endpoint, Endpoint];
    observeLatency(fast, 10, 0);
    observeLatency(slow, 50, 0);
    const counts = () => countPicksAt(pickerOf(endpoints, EWMA), endpoints, { picks: 100, now: 1 });
    assert.deepEqual(counts(), [100, 0]);
    fast.inFlight = 3;
    assert.deepEqual(counts(), [100, 0], "40 against 50");
    fast.inFlight = 5;
    assert.deepEqual(counts(), [0, 100], "60 against 50");
  });

  it("measures load against weight", () => {
    const endpoints = endpointsOf([1, 3]);
    const [light, heavy] = endpoints as [Endpoint, Endpoint];
    for (const endpoint of endpoints) observeLatency(endpoint, 10, 0);
    [light.inFlight, heavy.inFlight] = [2, 5];
    assert.deepEqual(countPicksAt(pickerOf(endpoints, EWMA), endpoints, { picks: 100 }), [0, 100]);
    heavy.inFlight = 7;
    assert.deepEqual(countPicksAt(pickerOf(endpoints, EWMA), endpoints, { picks: 100 }), [100, 0]);
  });

  it("takes an endpoint that nobody knows for average: no herd, and no neglect", () => {
    const endpoints = endpointsOf([1, 1, 1]);
    observeLatency(endpoints[0]!, 10, 0);
    observeLatency(endpoints[1]!, 10, 0);
    assert.equal(estimateLatency(endpoints[2]!, 5), 10);
    const counts = countPicksAt(pickerOf(endpoints, EWMA), endpoints, { picks: 3_000, now: 0 });
    assert.ok(
      counts.every((count) => Math.abs(count - 1_000) < 30),
      String(counts),
    );
  });

  it("believes a slow answer at once and a fast one in time", () => {
    const [endpoint] = endpointsOf([1]) as [Endpoint];
    observeLatency(endpoint, 10, 0);
    observeLatency(endpoint, 500, 1);
    assert.equal(endpoint.latency, 500);
    observeLatency(endpoint, 10, 2);
    assert.ok(endpoint.latency > 490, String(endpoint.latency));
    for (let now = 2; now < 5 * DECAY_MS; now += 10) observeLatency(endpoint, 10, now);
    assert.ok(endpoint.latency < 15, String(endpoint.latency));
  });

  it("forgets towards the mean of the service", () => {
    const [slow, other] = endpointsOf([1, 1]) as [Endpoint, Endpoint];
    for (let i = 0; i < 1_000; i++) observeLatency(other, 10, 0);
    observeLatency(slow, 1_000, 0);
    const estimates = [0, DECAY_MS, 3 * DECAY_MS, 20 * DECAY_MS].map((now) => Math.round(estimateLatency(slow, now)));
    const mean = other.set.latency;
    assert.deepEqual(
      estimates,
      [0, 1, 3, 20].map((decays) => Math.round(mean + (1_000 - mean) * Math.exp(-decays))),
    );
  });

  it("takes failures for slowness, so that failing fast attracts nobody", () => {
    for (const failure of [{ code: "connect-failed" }, { status: 503 }, { status: 500 }, { status: 429 }] as const) {
      const [endpoint] = endpointsOf([1, 1]) as [Endpoint];
      observeLatency(endpoint, 20, 0);
      told(endpoint, { ...failure, elapsedMs: 0.1, now: 0 });
      assert.equal(endpoint.latency, 80, JSON.stringify(failure));
      for (let i = 0; i < 50; i++) told(endpoint, { ...failure, elapsedMs: 0.1, now: 0 });
      assert.equal(endpoint.latency, 60_000, "bounded");
    }
  });

  it("learns nothing from what is not the endpoint's doing", () => {
    for (const code of ["slow-client", "upstream-stale", "upstream-refused", "upstream-overflow", "upgrade-not-supported"] as const) {
      const [endpoint] = endpointsOf([1]) as [Endpoint];
      told(endpoint, { code, elapsedMs: 100, now: 1 });
      assert.equal(endpoint.latency, 0, code);
    }
    const [endpoint] = endpointsOf([1]) as [Endpoint];
    told(endpoint, { status: 404, elapsedMs: 7, now: 1 });
    assert.equal(endpoint.latency, 7);
  });

  it("keeps the tail short when one of ten endpoints is ten times as slow", () => {
    const [roundRobin, leastRequest, ewma] = (["roundRobin", "leastRequest", "ewma"] as const).map((algorithm) =>
      simulate({ algorithm, seconds: 60, slowFactor: 10 }),
    );
    assert.ok(
      ewma!.percentile(0.99) * 3 < roundRobin!.percentile(0.99),
      `${ewma!.percentile(0.99)} against ${roundRobin!.percentile(0.99)}`,
    );
    assert.ok(ewma!.percentile(0.99) < leastRequest!.percentile(0.99));
    assert.ok(ewma!.percentile(0.5) <= roundRobin!.percentile(0.5) * 1.2);
    assert.ok(ewma!.slowShare < roundRobin!.slowShare / 3, `${ewma!.slowShare} of the requests went to the slow endpoint`);
    assert.ok(ewma!.slowShare > 0, "it is tried again");
  });

  it("is as good as round robin when all are alike", () => {
    const [roundRobin, ewma] = (["roundRobin", "ewma"] as const).map((algorithm) => simulate({ algorithm, seconds: 30, slowFactor: 1 }));
    assert.ok(ewma!.percentile(0.99) <= roundRobin!.percentile(0.99) * 1.1, `${ewma!.percentile(0.99)} ${roundRobin!.percentile(0.99)}`);
  });
});
