import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Endpoint } from "../../../../src/engine/model/endpoint.js";
import { countPicks, endpointsOf, pick, pickerOf } from "./endpoints.js";

function turns(weights: readonly number[], count: number): string {
  const endpoints = endpointsOf(weights);
  const picker = pickerOf(endpoints, { algorithm: "roundRobin" });
  return Array.from({ length: count }, () => "abcdef"[endpoints.indexOf(pick(picker, { random: 0 })!)]).join("");
}

describe("round robin", () => {
  it("takes turns in the order of the endpoints when weights are equal", () => {
    assert.equal(turns([1, 1, 1], 7), "abcabca");
    assert.equal(turns([7, 0, 7], 4), "acac");
  });

  it("spreads the turns of heavy endpoints", () => {
    assert.equal(turns([5, 1, 1], 14), "abaaacaabaaaca");
    assert.equal(turns([1, 2], 6), "babbab");
  });

  it("gives a skipped endpoint its turn back", () => {
    const endpoints = endpointsOf([2, 1]);
    const picker = pickerOf(endpoints, { algorithm: "roundRobin" });
    assert.equal(pick(picker, { tried: [endpoints[0]!] }), endpoints[1]);
    assert.deepEqual(countPicks(picker, endpoints, 5), [4, 1]);
  });

  it("goes on behind the endpoint that a retry took", () => {
    const endpoints = endpointsOf([1, 1, 1, 1]);
    const picker = pickerOf(endpoints, { algorithm: "roundRobin" });
    const picks = [pick(picker, { random: 0 }), pick(picker, { tried: [endpoints[0]!, endpoints[1]!] }), pick(picker, { random: 0 })];
    assert.deepEqual(picks, [endpoints[0], endpoints[2], endpoints[3]]);
  });

  it("spreads the turns of one among many", () => {
    const endpoints = endpointsOf([500, ...Array.from({ length: 500 }, () => 1)]);
    const picker = pickerOf(endpoints, { algorithm: "roundRobin" });
    let run = 0;
    for (let i = 0; i < 2_000; i++) {
      run = pick(picker) === endpoints[0] ? 0 : run + 1;
      assert.ok(run <= 4, `${run} turns in a row without the endpoint that has every second one`);
    }
  });

  it("is never far from what the weights promise", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 2, maxLength: 20 }), (weights) => {
        const endpoints = endpointsOf(weights);
        const picker = pickerOf(endpoints, { algorithm: "roundRobin" });
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const counts = weights.map(() => 0);
        for (let turn = 1; turn <= 3 * total; turn++) {
          counts[endpoints.indexOf(pick(picker) as Endpoint)]!++;
          if (turn % total === 0)
            for (const [i, weight] of weights.entries()) assert.ok(Math.abs(counts[i]! - (turn / total) * weight) <= 2);
        }
      }),
    );
  });

  it("favours nobody when it is told of changes all the time", () => {
    for (const weights of [
      [1, 1, 1, 1],
      [1, 3, 2],
    ]) {
      const endpoints = endpointsOf(weights);
      const picker = pickerOf(endpoints, { algorithm: "roundRobin" });
      const counts = weights.map(() => 0);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (let i = 0; i < 100 * total; i++) {
        endpoints[0]!.set.touch();
        counts[endpoints.indexOf(pick(picker) as Endpoint)]!++;
      }
      weights.forEach((weight, i) => assert.ok(Math.abs(counts[i]! - 100 * weight) <= 2, String(counts)));
    }
  });

  it("begins at different places in different workers", () => {
    const endpoints = endpointsOf([1, 1, 1, 1]);
    const starts = [0, 0.3, 0.6, 0.9].map((random) => endpoints.indexOf(pick(pickerOf(endpoints), { random }) as Endpoint));
    assert.deepEqual(starts, [0, 1, 2, 3]);
    const weighted = endpointsOf([1, 2, 3]);
    const first = new Set(Array.from({ length: 20 }, (_, i) => pick(pickerOf(weighted), { random: i / 20 })));
    assert.equal(first.size, 3);
  });
});
