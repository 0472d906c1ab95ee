/** What is known after a list and events is what another list would tell. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Slice } from "../../../../src/discovery/kubernetes/read-objects.js";
import { SliceStore } from "../../../../src/discovery/kubernetes/slice-store.js";

function slice(name: string, service: string, count = 0): Slice {
  const endpoint = { host: "10.0.0.1", isIpv6: false, isReady: true, zone: "", hintedZones: [], pod: "", node: "" };
  return { name, service, ports: null, endpoints: Array.from({ length: count }, () => endpoint), unusable: 0 };
}

describe("known slices", () => {
  it("concern the services that they come to, change and leave", () => {
    const store = new SliceStore([slice("a", "orders", 2)]);
    assert.deepEqual(store.put(slice("b", "orders", 1)), ["orders"]);
    assert.deepEqual(store.put(slice("b", "users", 3)), ["orders", "users"]);
    assert.deepEqual([store.of("orders").length, store.of("users").length, store.size, store.endpoints], [1, 1, 2, 5]);
    assert.deepEqual(store.delete("a"), ["orders"]);
    assert.deepEqual(store.delete("a"), []);
    assert.deepEqual([store.of("orders"), store.size, store.endpoints], [[], 1, 3]);
  });

  it("are those of a list, whatever happened before", () => {
    const name = fc.constantFrom("a", "b", "c", "d");
    const service = fc.constantFrom("x", "y");
    const write = fc.record({ name, service: fc.option(service), count: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(write), (writes) => {
        const store = new SliceStore();
        const truth = new Map<string, Slice>();
        for (const { name: written, service: label, count } of writes) {
          if (label === null) {
            store.delete(written);
            truth.delete(written);
          } else {
            store.put(slice(written, label, count));
            truth.set(written, slice(written, label, count));
          }
        }
        const listed = new SliceStore([...truth.values()]);
        for (const one of ["x", "y"]) assert.deepEqual(byName(store.of(one)), byName(listed.of(one)));
        assert.deepEqual([store.size, store.endpoints], [listed.size, listed.endpoints]);
      }),
    );
  });
});

function byName(slices: readonly Slice[]): Slice[] {
  return [...slices].sort((a, b) => (a.name < b.name ? -1 : 1));
}
