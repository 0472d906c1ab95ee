import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createPickerCache } from "../../../../src/engine/balancing/picker-cache.js";
import { BALANCE, endpointsOf } from "./endpoints.js";

const RULES = { balance: BALANCE, subset: null, zone: "" };
const subset = (labels: Record<string, string>) => ({ ...RULES, subset: { labels, fallback: "none" } as const });

describe("the pickers of one snapshot after another", () => {
  const { set } = endpointsOf([1, 1])[0]!;

  it("are the same while set and settings are", () => {
    const cache = createPickerCache();
    const first = cache.forSnapshot();
    const picker = first(set, RULES);
    assert.equal(first(set, structuredClone(RULES)), picker);
    assert.equal(cache.forSnapshot()(set, structuredClone(RULES)), picker);
    const narrowed = cache.forSnapshot()(set, subset({ a: "1", b: "2" }));
    assert.notEqual(narrowed, picker);
    assert.equal(cache.forSnapshot()(set, subset({ b: "2", a: "1" })), narrowed);
  });

  it("are others for other settings, zones and sets", () => {
    const source = createPickerCache().forSnapshot();
    const others = [
      source(set, RULES),
      source(set, { ...RULES, zone: "a" }),
      source(set, { ...RULES, balance: { ...BALANCE, algorithm: "ewma" } }),
      source(set, { ...RULES, balance: { ...BALANCE, slowStartMs: 1 } }),
      source(set, subset({ a: "1" })),
      source(endpointsOf([1])[0]!.set, RULES),
    ];
    assert.equal(new Set(others).size, others.length);
  });

  it("are forgotten when a snapshot does not ask for them", () => {
    const cache = createPickerCache();
    const picker = cache.forSnapshot()(set, RULES);
    cache.forSnapshot();
    assert.notEqual(cache.forSnapshot()(set, RULES), picker);
  });
});
