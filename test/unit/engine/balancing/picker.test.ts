/** What every algorithm promises; what only one of them promises is tested beside it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createPicker } from "../../../../src/engine/balancing/picker.js";
import type { BalanceAlgorithm } from "../../../../src/engine/model/snapshot.js";
import { countPicks, endpointsOf } from "./endpoints.js";

fc.configureGlobal({ seed: 1_618 });

const ALGORITHMS: readonly BalanceAlgorithm[] = ["roundRobin", "leastRequest", "random"];
const weights = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 5 }), fc.double({ min: 1e-3, max: 1e6, noNaN: true })), {
  maxLength: 7,
});
const random = fc.oneof(fc.constantFrom(0, 1 - Number.EPSILON / 2), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));

for (const algorithm of ALGORITHMS) {
  describe(`createPicker("${algorithm}")`, () => {
    it("picks nothing when no endpoint can take traffic", () => {
      assert.equal(createPicker(algorithm, []).pick(0.5, null), null);
      assert.equal(createPicker(algorithm, []).pick(0.5, endpointsOf([1])), null);
      assert.equal(createPicker(algorithm, endpointsOf([0, 0])).pick(0.5, null), null);
    });

    it("picks in proportion to the weights while the service is idle", () => {
      for (const shares of [[1, 1, 1, 1], [5, 1, 1], [1, 0, 3], [0.5, 0.25, 0.25], [2]]) {
        const endpoints = endpointsOf(shares);
        const total = shares.reduce((sum, weight) => sum + weight, 0);
        const counts = countPicks(createPicker(algorithm, endpoints), endpoints, 10_000);
        shares.forEach((weight, index) =>
          assert.ok(Math.abs((counts[index] as number) - (10_000 * weight) / total) < 20, `${shares}: ${counts}`),
        );
      }
    });

    it("avoids the tried endpoint when another one can take traffic", () => {
      const endpoints = endpointsOf([1, 3, 0, 2]);
      const picker = createPicker(algorithm, endpoints);
      for (const tried of endpoints.filter(({ weight }) => weight > 0)) {
        const counts = countPicks(picker, endpoints, 1_000, tried);
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
        const picker = createPicker(algorithm, endpoints);
        for (let start = 0; start < 50; start++) {
          const tried = [picker.pick((start * 0.618_033_988_749_895) % 1, null)!];
          while (tried.length < endpoints.length) tried.push(picker.pick((start * 0.381_966) % 1, tried)!);
          assert.equal(new Set(tried).size, endpoints.length);
        }
      }
    });

    it("avoids at least the last one when all have been tried", () => {
      const endpoints = endpointsOf([1, 3, 2]);
      const [first, second, third] = endpoints;
      const counts = countPicks(createPicker(algorithm, endpoints), endpoints, 1_000, first!, second!, third!);
      assert.equal(counts[2], 0);
      assert.ok(counts[0]! > 0 && counts[1]! > 0, String(counts));
    });

    it("picks the tried endpoint again when it is the only one", () => {
      const [only, drained] = endpointsOf([1, 0]);
      const picker = createPicker(algorithm, [only!, drained!]);
      assert.equal(picker.pick(0.3, [only!]), only);
      assert.equal(picker.pick(0.3, [only!, only!]), only);
      assert.equal(picker.pick(0.3, [drained!]), only);
    });

    it("takes a tried endpoint of another set for what it is", () => {
      const endpoints = endpointsOf([1, 2]);
      const [stranger] = endpointsOf([1]);
      const counts = countPicks(createPicker(algorithm, endpoints), endpoints, 3_000, stranger!);
      assert.ok(Math.abs((counts[0] as number) - 1_000) < 10, String(counts));
    });

    it("never picks an endpoint without weight, nor a tried one needlessly, whatever the numbers", () => {
      const triedIndexes = fc.array(fc.nat(7), { maxLength: 6 });
      fc.assert(
        fc.property(weights, fc.array(fc.tuple(random, triedIndexes), { maxLength: 20 }), (shares, picks) => {
          const endpoints = endpointsOf(shares);
          const active = endpoints.filter(({ weight }) => weight > 0);
          const picker = createPicker(algorithm, endpoints);
          for (const [number, indexes] of picks) {
            const tried = indexes.flatMap((index) => endpoints[index] ?? []);
            const picked = picker.pick(number, tried.length === 0 ? null : tried);
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
