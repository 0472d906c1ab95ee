/** What every algorithm promises; what only one of them promises is tested beside it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Endpoint } from "../../../../src/engine/model/endpoint.js";
import type { BalanceAlgorithm } from "../../../../src/engine/model/snapshot.js";
import { countPicks, endpointOf, endpointsOf, GOLDEN, pick, pickerOf } from "./endpoints.js";

fc.configureGlobal({ seed: 1_618 });

const ALGORITHMS: readonly BalanceAlgorithm[] = ["roundRobin", "leastRequest", "ewma", "random", "ringHash", "maglev"];
const weights = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 5 }), fc.double({ min: 1e-3, max: 1e6, noNaN: true })), {
  maxLength: 7,
});
const random = fc.oneof(fc.constantFrom(0, 1 - Number.EPSILON / 2), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));
const hash = fc.oneof(fc.constantFrom(0, 2 ** 32 - 1), fc.integer({ min: 0, max: 2 ** 32 - 1 }));

for (const algorithm of ALGORITHMS) {
  const picker = (endpoints: readonly Endpoint[]) => pickerOf(endpoints, { algorithm });
  /** Of 10,000 picks. Places on the ring are drawn, so shares on it are not exact. */
  const tolerance = { ringHash: 1_200, maglev: 60 }[algorithm as string] ?? 20;

  describe(`the picker of ${algorithm}`, () => {
    it("picks nothing when no endpoint can take traffic", () => {
      assert.equal(pick(picker([])), null);
      assert.equal(pick(picker([]), { tried: endpointsOf([1]) }), null);
      assert.equal(pick(picker(endpointsOf([0, 0]))), null);
    });

    it("picks in proportion to the weights while the service is idle", () => {
      for (const shares of [[1, 1, 1, 1], [5, 1, 1], [1, 0, 3], [0.5, 0.25, 0.25], [2]]) {
        const endpoints = endpointsOf(shares);
        const total = shares.reduce((sum, weight) => sum + weight, 0);
        const counts = countPicks(picker(endpoints), endpoints, 10_000);
        shares.forEach((weight, index) =>
          assert.ok(Math.abs((counts[index] as number) - (10_000 * weight) / total) < tolerance, `${shares}: ${counts}`),
        );
      }
    });

    it("avoids the tried endpoint when another one can take traffic", () => {
      const endpoints = endpointsOf([1, 3, 0, 2]);
      for (const tried of endpoints.filter(({ weight }) => weight > 0)) {
        const counts = countPicks(picker(endpoints), endpoints, 1_000, tried);
        assert.equal(counts[endpoints.indexOf(tried)], 0);
        assert.equal(counts.filter((count) => count > 0).length, 2, "both others take part");
      }
    });

    it("comes to every endpoint before it comes to one again", () => {
      for (const shares of [
        [1, 1, 1, 1],
        [100, 1, 10, 3],
      ]) {
        const endpoints = endpointsOf(shares);
        const one = picker(endpoints);
        for (let start = 0; start < 50; start++) {
          const of = (step: number) => ({ random: (start * step) % 1, hash: Math.floor(((start * step) % 1) * 2 ** 32) });
          const tried = [pick(one, of(GOLDEN))!];
          while (tried.length < endpoints.length) tried.push(pick(one, { ...of(0.381_966), tried })!);
          assert.equal(new Set(tried).size, endpoints.length);
        }
      }
    });

    it("avoids at least the last one when all have been tried", () => {
      const endpoints = endpointsOf([1, 3, 2]);
      const [first, second, third] = endpoints;
      const counts = countPicks(picker(endpoints), endpoints, 1_000, first!, second!, third!);
      assert.equal(counts[2], 0);
      assert.ok(counts[0]! > 0 && counts[1]! > 0, String(counts));
    });

    it("picks the tried endpoint again when it is the only one", () => {
      const [only, drained] = endpointsOf([1, 0]);
      const one = picker([only!, drained!]);
      for (const tried of [[only!], [only!, only!], [drained!]]) assert.equal(pick(one, { random: 0.3, tried }), only);
    });

    it("takes a tried endpoint of another set for what it is", () => {
      const endpoints = endpointsOf([1, 2]);
      const [stranger] = endpointsOf([1]);
      const counts = countPicks(picker(endpoints), endpoints, 3_000, stranger!);
      assert.ok(Math.abs((counts[0] as number) - 1_000) < Math.max(10, tolerance / 3), String(counts));
    });

    it("sees endpoints that come, go and change their weights", () => {
      const endpoints = endpointsOf([1, 1]);
      const { set } = endpoints[0]!;
      const one = picker(endpoints);
      assert.ok(countPicks(one, endpoints, 100).every((count) => count > 0));
      const added = endpointOf(2, { weight: 1 }, set);
      set.replace([...endpoints, added]);
      assert.ok(countPicks(one, [...endpoints, added], 100).every((count) => count > 0));
      set.replace([added]);
      assert.deepEqual(countPicks(one, [added], 100), [100]);
      added.weight = 0;
      set.replace([added]);
      assert.equal(pick(one), null);
      set.replace([]);
      assert.equal(pick(one), null);
    });

    it("never picks an endpoint without weight, nor a tried one needlessly, whatever the numbers", () => {
      const triedIndexes = fc.array(fc.nat(7), { maxLength: 6 });
      fc.assert(
        fc.property(weights, fc.array(fc.tuple(random, hash, triedIndexes), { maxLength: 20 }), (shares, picks) => {
          const endpoints = endpointsOf(shares);
          const active = endpoints.filter(({ weight }) => weight > 0);
          const one = picker(endpoints);
          for (const [number, key, indexes] of picks) {
            const tried = indexes.flatMap((index) => endpoints[index] ?? []);
            const picked = pick(one, { random: number, hash: key, ...(tried.length === 0 ? {} : { tried }) });
            if (active.length === 0) assert.equal(picked, null);
            else assert.ok(picked !== null && active.includes(picked));
            if (active.length > 1) assert.notEqual(picked, tried.at(-1));
            if (active.some((endpoint) => !tried.includes(endpoint))) assert.ok(!tried.includes(picked!));
            if (picked !== null) picked.inFlight++;
          }
        }),
      );
    });
  });
}
