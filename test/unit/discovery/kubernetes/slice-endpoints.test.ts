/** Slices of a Service → endpoints: who takes traffic, on which port, in which zone, and what is one and the same. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Slice, SliceEndpoint } from "../../../../src/discovery/kubernetes/read-objects.js";
import { endpointsOf } from "../../../../src/discovery/kubernetes/slice-endpoints.js";

const HTTP = [{ name: "http", number: 8080 }];

function endpoint(host: string, traits: Partial<SliceEndpoint> = {}): SliceEndpoint {
  return { host, isIpv6: host.includes(":"), isReady: true, zone: "", hintedZones: [], pod: "", node: "", ...traits };
}

function slice(endpoints: readonly SliceEndpoint[], ports: Slice["ports"] = HTTP): Slice {
  return { name: "a", service: "orders", ports, endpoints, unusable: 0 };
}

function weights(slices: readonly Slice[], port: string | number = ""): string[] {
  return endpointsOf(slices, port).endpoints.map(({ host, port: number, weight }) => `${host}:${number} ${weight}`);
}

const ENDING = { isReady: false };

describe("endpoints of slices", () => {
  it("that terminate take traffic only when none is ready", () => {
    assert.deepEqual(weights([slice([endpoint("10.0.0.1"), endpoint("10.0.0.2", ENDING)])]), ["10.0.0.1:8080 1", "10.0.0.2:8080 0"]);
    assert.deepEqual(weights([slice([endpoint("10.0.0.1", ENDING)]), slice([endpoint("10.0.0.2", ENDING)])]), [
      "10.0.0.1:8080 1",
      "10.0.0.2:8080 1",
    ]);
  });

  it("that are in two slices are one, and ready when one of them says so", () => {
    const both = [
      slice([endpoint("10.0.0.1", ENDING)]),
      slice([endpoint("10.0.0.1", { zone: "b" })]),
      slice([endpoint("10.0.0.1", ENDING)]),
    ];
    assert.deepEqual(weights(both), ["10.0.0.1:8080 1"]);
    assert.equal(endpointsOf(both, "").endpoints[0]?.zone, "b");
  });

  it("of a pod with two families are one", () => {
    const slices = [
      slice([endpoint("fd00::1", { pod: "one" }), endpoint("fd00::2", { pod: "two" }), endpoint("fd00::3")]),
      slice([endpoint("10.0.0.1", { pod: "one" }), endpoint("10.0.0.3")]),
    ];
    assert.deepEqual(weights(slices), ["10.0.0.1:8080 1", "10.0.0.3:8080 1", "fd00::2:8080 1", "fd00::3:8080 1"]);
  });

  it("are known by pod and node", () => {
    const [found] = endpointsOf([slice([endpoint("10.0.0.1", { pod: "orders-1", node: "n1" })])], "").endpoints;
    assert.deepEqual(found?.labels, { node: "n1", pod: "orders-1" });
  });

  it("have the port that is wanted, by name or number, whatever others there are", () => {
    const ports = [...HTTP, { name: "admin", number: 9090 }];
    assert.deepEqual(weights([slice([endpoint("10.0.0.1")], ports)], "admin"), ["10.0.0.1:9090 1"]);
    assert.deepEqual(weights([slice([endpoint("10.0.0.1")], ports)], 9090), ["10.0.0.1:9090 1"]);
    assert.deepEqual(
      weights([slice([endpoint("10.0.0.1")], HTTP), slice([endpoint("10.0.0.2")], [{ name: "http", number: 80 }])], "http"),
      ["10.0.0.1:8080 1", "10.0.0.2:80 1"],
    );
  });

  it("have any port that is wanted when slices name none, or all", () => {
    assert.deepEqual(weights([slice([endpoint("10.0.0.1")], null)], 7), ["10.0.0.1:7 1"]);
    assert.deepEqual(weights([slice([endpoint("10.0.0.1")], [{ name: "any", number: null }])], 7), ["10.0.0.1:7 1"]);
  });

  it("without the port are left out and counted, and a failure when they are all", () => {
    const slices = [slice([endpoint("10.0.0.1")]), slice([endpoint("10.0.0.2"), endpoint("10.0.0.3")], [{ name: "old", number: 1 }])];
    assert.deepEqual(weights(slices, "http"), ["10.0.0.1:8080 1"]);
    assert.equal(endpointsOf(slices, "http").note, "endpoints in Kubernetes are left out: 2 with no TCP port http");
    assert.throws(() => endpointsOf(slices, "grpc"), { message: "endpoints in Kubernetes are left out: 3 with no TCP port grpc" });
    assert.throws(() => endpointsOf(slices, 99), /3 with no TCP port 99$/);
    const several = [slice([endpoint("10.0.0.1")], [...HTTP, { name: "admin", number: 9090 }])];
    assert.throws(() => endpointsOf(several, ""), /1 with several ports, or none: write port$/);
    for (const ports of [null, [], [{ name: "any", number: null }]]) {
      assert.throws(() => endpointsOf([slice([endpoint("10.0.0.1")], ports)], ""), /write port$/);
    }
  });

  it("may be none, which is no failure, and leaves ports without a meaning", () => {
    assert.deepEqual(endpointsOf([slice([], null)], "http"), { endpoints: [], note: "" });
    assert.deepEqual(endpointsOf([], ""), { endpoints: [], note: "" });
  });

  it("without a usable address are counted, and a failure when they are all", () => {
    assert.equal(
      endpointsOf([{ ...slice([endpoint("10.0.0.1")]), unusable: 2 }], "").note,
      "endpoints in Kubernetes are left out: 2 with an unusable address",
    );
    assert.throws(() => endpointsOf([{ ...slice([]), unusable: 2 }], ""), /2 with an unusable address/);
  });

  it("are in the zone that they are hinted for when all that take traffic are", () => {
    const zones = (endpoints: readonly SliceEndpoint[]): string[] => endpointsOf([slice(endpoints)], "").endpoints.map(({ zone }) => zone);
    const a = endpoint("10.0.0.1", { zone: "a", hintedZones: ["b"] });
    assert.deepEqual(zones([a, endpoint("10.0.0.2", { zone: "b", hintedZones: ["c", "b"] })]), ["b", "b"]);
    assert.deepEqual(zones([a, endpoint("10.0.0.2", { zone: "b" })]), ["a", "b"]);
    assert.deepEqual(zones([a, endpoint("10.0.0.2", { zone: "b", ...ENDING })]), ["b", "b"]);
  });

  it("are the same in whatever order slices come, each address once, and one takes traffic if any is there", () => {
    const anyEndpoint = fc.record({
      last: fc.integer({ min: 1, max: 6 }),
      isReady: fc.boolean(),
      pod: fc.constantFrom("", "p", "q"),
      isIpv6: fc.boolean(),
    });
    const toEndpoint = ({ last, isReady, pod, isIpv6 }: { last: number; isReady: boolean; pod: string; isIpv6: boolean }): SliceEndpoint =>
      endpoint(isIpv6 ? `fd00::${last}` : `10.0.0.${last}`, { isReady, pod: pod === "" ? "" : `${pod}${last}` });
    fc.assert(
      fc.property(fc.array(fc.array(anyEndpoint.map(toEndpoint), { maxLength: 5 }), { maxLength: 4 }), (lists) => {
        const slices = lists.map((endpoints) => slice(endpoints));
        const { endpoints } = endpointsOf(slices, "http");
        assert.deepEqual(
          endpointsOf([...slices].reverse(), "http").endpoints.map(({ host, weight }) => [host, weight]),
          endpoints.map(({ host, weight }) => [host, weight]),
        );
        assert.equal(new Set(endpoints.map(({ host }) => host)).size, endpoints.length);
        const all = lists.flat();
        assert.equal(endpoints.length > 0, all.length > 0);
        if (all.length > 0) assert.ok(endpoints.some(({ weight }) => weight === 1));
      }),
    );
  });
});
