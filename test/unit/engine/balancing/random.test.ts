import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { countPicks, endpointsOf, pick, pickerOf } from "./endpoints.js";

describe("random", () => {
  it("keeps the proportions of the others when it avoids the tried endpoint", () => {
    const endpoints = endpointsOf([1, 4, 2, 3]);
    const picker = pickerOf(endpoints, { algorithm: "random" });
    const expected = [
      [0, 4_000, 2_000, 3_000],
      [1_500, 0, 3_000, 4_500],
      [1_125, 4_500, 0, 3_375],
      [1_286, 5_143, 2_571, 0],
    ];
    endpoints.forEach((tried, index) => {
      const counts = countPicks(picker, endpoints, 9_000, tried);
      expected[index]?.forEach((share, other) => {
        assert.ok(Math.abs((counts[other] as number) - share) < 10, `${index}: ${counts}`);
      });
    });
  });

  it("depends on nothing but the number", () => {
    const endpoints = endpointsOf([1, 1]);
    const picker = pickerOf(endpoints, { algorithm: "random" });
    for (let i = 0; i < 3; i++) assert.equal(pick(picker, { random: 0.4 }), endpoints[0]);
    endpoints[0]!.inFlight = 100;
    assert.equal(pick(picker, { random: 0.4 }), endpoints[0]);
    assert.equal(pick(picker, { random: 0.6 }), endpoints[1]);
  });
});
