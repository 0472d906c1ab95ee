/** Who takes traffic: health, ejection, draining, pauses, panic, priorities, zones, subsets and slow start, as a picker carries them out. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isOverwhelmed, shareOfLocalZone, sharePriorities } from "../../../../src/engine/balancing/spill-over.js";
import type { Endpoint, EndpointTraits } from "../../../../src/engine/model/endpoint.js";
import { countPicksAt, endpointsOf, endpointsWith, type PickerChanges, pick, pickerOf } from "./endpoints.js";

fc.configureGlobal({ seed: 1_618 });

const PICKS = 10_000;

/** Percent of the requests that each endpoint gets. */
function shares(endpoints: readonly Endpoint[], changes: PickerChanges = {}, now = 1): number[] {
  const picker = pickerOf(endpoints, { algorithm: "random", ...changes });
  return countPicksAt(picker, endpoints, { picks: PICKS, now }).map((count) => Math.round((count * 100) / PICKS));
}

function change(endpoint: Endpoint | undefined, facts: Partial<Endpoint>): void {
  Object.assign(endpoint as Endpoint, facts);
  endpoint?.set.touch();
}

const four = () => endpointsOf([1, 1, 1, 1]);

describe("endpoints that are not well", () => {
  it("get nothing while they are unhealthy or ejected", () => {
    const endpoints = four();
    change(endpoints[0], { isHealthy: false });
    change(endpoints[1], { ejectedUntil: 100 });
    assert.deepEqual(shares(endpoints), [0, 0, 50, 50]);
    assert.deepEqual(shares(endpoints, {}, 100), [0, 33, 33, 33]);
  });

  it("come back by themselves when an ejection or a pause is over", () => {
    for (const fact of ["ejectedUntil", "pausedUntil"] as const) {
      const endpoints = endpointsOf([1, 1]);
      const picker = pickerOf(endpoints);
      change(endpoints[0], { [fact]: 500 });
      const counts = (now: number) => countPicksAt(picker, endpoints, { picks: 10, now });
      assert.deepEqual(counts(499), [0, 10]);
      assert.deepEqual(counts(500), [5, 5]);
      change(endpoints[1], { [fact]: 900 });
      assert.deepEqual(counts(600), [10, 0]);
    }
  });

  it("are all used below the panic threshold", () => {
    const endpoints = four();
    change(endpoints[0], { isHealthy: false });
    change(endpoints[1], { isHealthy: false });
    assert.deepEqual(shares(endpoints), [0, 0, 50, 50], "half of them is not below half");
    change(endpoints[2], { ejectedUntil: 1e9 });
    assert.deepEqual(shares(endpoints), [25, 25, 25, 25]);
    assert.deepEqual(shares(endpoints, { panicThresholdPercent: 25 }), [0, 0, 0, 100]);
    change(endpoints[3], { isHealthy: false });
    assert.deepEqual(shares(endpoints, { panicThresholdPercent: 1 }), [25, 25, 25, 25]);
    assert.equal(pick(pickerOf(endpoints, { panicThresholdPercent: 0 })), null);
  });

  it("that drain get nothing while others can take it", () => {
    const endpoints = endpointsOf([1, 1, 1]);
    change(endpoints[0], { isDraining: true });
    assert.deepEqual(shares(endpoints), [0, 50, 50]);
    change(endpoints[1], { isHealthy: false });
    assert.deepEqual(shares(endpoints), [0, 0, 100]);
    change(endpoints[2], { isHealthy: false });
    assert.deepEqual(shares(endpoints, { panicThresholdPercent: 0 }), [100, 0, 0], "the only one that works");
    change(endpoints[0], { isHealthy: false });
    assert.deepEqual(shares(endpoints), [0, 50, 50], "panic does not reach those that leave");
  });

  it("are left alone when they ask, unless all of them do", () => {
    const endpoints = endpointsOf([1, 1, 1]);
    change(endpoints[0], { pausedUntil: 100 });
    change(endpoints[1], { pausedUntil: 200 });
    assert.deepEqual(shares(endpoints), [0, 0, 100]);
    change(endpoints[2], { pausedUntil: 300 });
    assert.deepEqual(shares(endpoints), [33, 33, 33]);
    assert.deepEqual(shares(endpoints, {}, 150), [100, 0, 0]);
  });

  it("whatever is wrong with them, somebody is picked while there is weight, and nobody worse than needed", () => {
    const facts = fc.record({
      weight: fc.constantFrom(0, 1, 2),
      priority: fc.nat(2),
      zone: fc.constantFrom("a", "b"),
      isHealthy: fc.boolean(),
      isDraining: fc.boolean(),
      ejectedUntil: fc.constantFrom(0, 50),
      pausedUntil: fc.constantFrom(0, 50),
    });
    const algorithm = fc.constantFrom("roundRobin", "leastRequest", "ewma", "ringHash", "maglev", "random");
    fc.assert(
      fc.property(fc.array(facts, { maxLength: 8 }), algorithm, fc.constantFrom(0, 50, 100), (all, name, panicThresholdPercent) => {
        const endpoints = endpointsWith(all);
        endpoints.forEach((endpoint, index) => Object.assign(endpoint, all[index]));
        const able = endpoints.filter(({ weight }) => weight > 0);
        const healthy = able.filter(({ isHealthy, ejectedUntil }) => isHealthy && ejectedUntil <= 1);
        const picker = pickerOf(endpoints, { algorithm: name, panicThresholdPercent, zone: "a" } as PickerChanges);
        for (let i = 0; i < 20; i++) {
          const picked = pick(picker, { random: i / 20, hash: i * 2 ** 27 });
          const canBePicked = panicThresholdPercent > 0 ? able.length > 0 : healthy.length > 0;
          assert.equal(picked !== null, canBePicked);
          if (picked === null) continue;
          assert.ok(able.includes(picked));
          if (panicThresholdPercent === 0) assert.ok(healthy.includes(picked));
          if (healthy.some(({ isDraining }) => !isDraining)) assert.ok(!picked.isDraining);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("priorities", () => {
  const levels = (...sick: number[]) => {
    const endpoints = endpointsWith([0, 0, 0, 0, 1, 1, 1, 1].map((priority) => ({ priority })));
    for (const index of sick) change(endpoints[index], { isHealthy: false });
    return endpoints;
  };
  const byLevel = (endpoints: readonly Endpoint[], changes: PickerChanges = {}) => {
    const all = shares(endpoints, changes);
    const sum = (priority: number) =>
      endpoints.reduce((total, each, index) => total + (each.priority === priority ? (all[index] as number) : 0), 0);
    return [sum(0), sum(1)];
  };
  const near = (got: readonly number[], expected: readonly number[]) =>
    assert.ok(
      got.every((share, index) => Math.abs(share - (expected[index] as number)) <= 3),
      `${got} instead of ${expected}`,
    );

  it("first ones take all while enough of them are healthy, and then what they can", () => {
    near(byLevel(levels()), [100, 0]);
    near(byLevel(levels(0)), [100, 0]);
    near(byLevel(levels(0, 1)), [70, 30]);
    near(byLevel(levels(0, 1, 2)), [35, 65]);
    near(byLevel(levels(0, 1, 2, 3)), [0, 100]);
  });

  it("do not send to unhealthy ones while another priority can take it all", () => {
    const all = shares(levels(0, 1, 2, 3, 4));
    assert.deepEqual(all.slice(0, 5), [0, 0, 0, 0, 0]);
    const overwhelmed = shares(levels(0, 1, 2, 4, 5, 6));
    assert.ok(
      overwhelmed.every((share) => Math.abs(share - 12.5) <= 1),
      String(overwhelmed),
    );
  });

  it("divide all traffic, never more or less, and the first ones first", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 5 }), (healthy) => {
        const got = sharePriorities(healthy);
        const sum = got.reduce((total, share) => total + share, 0);
        if (healthy.every((share) => share === 0)) assert.equal(sum, 0);
        else assert.ok(Math.abs(sum - 1) < 1e-9, String(sum));
        assert.ok(got.every((share, index) => share >= 0 && (share === 0 || (healthy[index] as number) > 0)));
        if (healthy.length > 1 && !isOverwhelmed(healthy)) {
          got.forEach((share, index) => {
            // Whoever comes later gets something only when all before have what they can take.
            if (share > 0) for (let i = 0; i < index; i++) assert.equal(got[i], Math.min(1, (healthy[i] as number) * 1.4));
          });
        }
      }),
    );
  });

  it("are left for a retry when there is nobody else", () => {
    const [first, second] = endpointsWith([{ priority: 0 }, { priority: 1 }]);
    change(first, { isHealthy: true });
    assert.equal(pick(pickerOf([first!]), { tried: [first!] }), first, "the second is not in use");
    const zones = endpointsWith([{ zone: "a" }, { zone: "a" }, { zone: "b" }]);
    change(zones[0], { isHealthy: false });
    const picker = pickerOf(zones, { zone: "a" });
    assert.equal(pick(picker, { random: 0, tried: [zones[1]!] }), zones[2]);
    assert.equal(pick(picker, { random: 0, tried: [zones[1]!, zones[2]!] }), zones[1]);
    assert.equal(second?.priority, 1);
  });

  it("of another zone are asked by a retry first, and then the rest of the own zone", () => {
    const [near, other, far] = endpointsWith([{ zone: "a" }, { zone: "a" }, { zone: "b" }]);
    const picker = pickerOf([near!, other!, far!], { zone: "a" });
    for (const random of [0, 0.5, 0.99]) {
      assert.notEqual(pick(picker, { random }), far);
      assert.equal(pick(picker, { random, tried: [near!] }), far);
      assert.equal(pick(picker, { random, tried: [near!, far!] }), other);
      assert.equal(pick(picker, { random, tried: [near!, other!] }), far);
      assert.notEqual(pick(picker, { random, tried: [near!, other!, far!] }), far);
    }
    change(far, { isHealthy: false });
    assert.equal(pick(picker, { tried: [near!, other!] }), near, "but not unhealthy ones");
  });
});

describe("zones", () => {
  const zoned = () => endpointsWith([..."aaaabb"].map((zone) => ({ zone })));

  it("take what comes from their own gateway", () => {
    assert.deepEqual(shares(zoned(), { zone: "b" }), [0, 0, 0, 0, 50, 50]);
    assert.deepEqual(
      shares(zoned(), { zone: "" }).map((share) => Math.abs(share - 16.67) < 1),
      [true, true, true, true, true, true],
    );
    assert.deepEqual(shares(zoned(), { zone: "b", prefersLocalZone: false }), shares(zoned()));
    assert.deepEqual(shares(zoned(), { zone: "elsewhere" }), shares(zoned()));
  });

  it("pass on what their healthy endpoints cannot take", () => {
    const endpoints = zoned();
    change(endpoints[0], { isHealthy: false });
    assert.deepEqual(shares(endpoints, { zone: "a" }), [0, 33, 33, 33, 0, 0]);
    change(endpoints[1], { isHealthy: false });
    const [, , c, d, e, f] = shares(endpoints, { zone: "a" }) as [number, number, number, number, number, number];
    assert.ok(Math.abs(c + d - 70) <= 1 && Math.abs(e + f - 30) <= 1, String([c, d, e, f]));
  });

  it("are all alike in panic", () => {
    const endpoints = zoned();
    for (const endpoint of endpoints.slice(2)) change(endpoint, { isHealthy: false });
    assert.ok(shares(endpoints, { zone: "b" }).every((share) => Math.abs(share - 16.67) < 1.5));
  });

  it("keep the weights within each", () => {
    const endpoints = endpointsWith([
      { zone: "a", weight: 3 },
      { zone: "a", weight: 1 },
      { zone: "b", weight: 9 },
    ]);
    assert.deepEqual(shares(endpoints, { zone: "a" }), [75, 25, 0]);
  });

  it("never get more than everything", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (healthy) => {
        const share = shareOfLocalZone(healthy);
        assert.ok(share <= 1 && share >= healthy);
        assert.equal(share === 1, healthy >= 1 / 1.4);
      }),
    );
  });
});

describe("subsets", () => {
  const labelled = () => endpointsWith(["v1", "v1", "v2"].map((version) => ({ labels: { version, tier: "gold" } })));
  const subset = (labels: EndpointTraits["labels"], fallback: "none" | "all" = "none") => ({ subset: { labels, fallback } });

  it("are the endpoints with all of the labels", () => {
    assert.deepEqual(shares(labelled(), subset({ version: "v1" })), [50, 50, 0]);
    assert.deepEqual(shares(labelled(), subset({ tier: "gold", version: "v2" })), [0, 0, 100]);
  });

  it("without endpoints take nothing, or everything when told so", () => {
    assert.equal(pick(pickerOf(labelled(), subset({ version: "v3" }))), null);
    assert.equal(pick(pickerOf(labelled(), subset({ toString: "v1" }))), null);
    assert.deepEqual(shares(labelled(), subset({ version: "v3" }, "all")), [33, 33, 33]);
  });

  it("panic on their own", () => {
    const endpoints = labelled();
    change(endpoints[0], { isHealthy: false });
    change(endpoints[2], { isHealthy: false });
    assert.deepEqual(shares(endpoints, subset({ version: "v1" })), [0, 100, 0]);
    assert.deepEqual(shares(endpoints, subset({ version: "v2" })), [0, 0, 100]);
  });

  it("follow labels that change", () => {
    const endpoints = labelled();
    const picker = pickerOf(endpoints, subset({ version: "v2" }));
    assert.equal(pick(picker), endpoints[2]);
    endpoints[0]!.labels = { version: "v2" };
    endpoints[2]!.labels = {};
    endpoints[0]!.set.replace(endpoints);
    assert.equal(pick(picker), endpoints[0]);
  });
});

describe("slow start", () => {
  it("raises the weight in a straight line, from a tenth", () => {
    for (const algorithm of ["roundRobin", "random", "leastRequest", "ewma"] as const) {
      const endpoints = endpointsOf([1, 1]);
      endpoints[1]!.startedAt = 1_000;
      const picker = pickerOf(endpoints, { algorithm, slowStartMs: 10_000 });
      const shareAt = (now: number) => countPicksAt(picker, endpoints, { picks: PICKS, now })[1]! / PICKS;
      for (const [now, weight] of [
        [1_000, 0.1],
        [3_000, 0.2],
        [6_000, 0.5],
        [10_000, 0.9],
        [11_000, 1],
        [99_000, 1],
      ] as const) {
        const expected = weight / (1 + weight);
        assert.ok(Math.abs(shareAt(now) - expected) < 0.01, `${algorithm} at ${now}: ${shareAt(now)} instead of ${expected}`);
      }
    }
  });

  it("does not touch endpoints that were always there, nor hashing", () => {
    const endpoints = endpointsOf([1, 1]);
    assert.deepEqual(shares(endpoints, { slowStartMs: 1e6 }), [50, 50]);
    endpoints[1]!.startedAt = 1;
    const counts = shares(endpoints, { slowStartMs: 1e6, algorithm: "maglev" });
    assert.ok(Math.abs((counts[1] as number) - 50) <= 2, String(counts));
  });
});
