import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRoundRobinPicker } from "../../../../src/engine/balancing/round-robin.js";
import { countPicks, endpointsOf } from "./endpoints.js";

function turns(weights: readonly number[], count: number): string {
  const endpoints = endpointsOf(weights);
  const picker = createRoundRobinPicker(endpoints);
  return Array.from({ length: count }, () => "abcdef"[endpoints.indexOf(picker.pick(0, null)!)]).join("");
}

describe("round robin", () => {
  it("takes turns in the order of the endpoints when weights are equal", () => {
    assert.equal(turns([1, 1, 1], 7), "abcabca");
    assert.equal(turns([7, 0, 7], 4), "acac");
  });

  it("spreads the turns of heavy endpoints", () => {
    assert.equal(turns([5, 1, 1], 14), "aabacaaaabacaa");
    assert.equal(turns([1, 2], 6), "babbab");
  });

  it("gives a skipped endpoint its turn back", () => {
    const endpoints = endpointsOf([2, 1]);
    const picker = createRoundRobinPicker(endpoints);
    assert.equal(picker.pick(0, [endpoints[0]!]), endpoints[1]);
    assert.deepEqual(countPicks(picker, endpoints, 5), [4, 1]);
  });

  it("goes on behind the endpoint that a retry took", () => {
    const endpoints = endpointsOf([1, 1, 1, 1]);
    const picker = createRoundRobinPicker(endpoints);
    const picks = [picker.pick(0, null), picker.pick(0, [endpoints[0]!, endpoints[1]!]), picker.pick(0, null)];
    assert.deepEqual(picks, [endpoints[0], endpoints[2], endpoints[3]]);
  });
});
