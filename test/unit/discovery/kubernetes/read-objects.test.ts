/** EndpointSlices as API servers write them, and as nobody should. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readSliceEvent, readSlicePage, type Slice } from "../../../../src/discovery/kubernetes/read-objects.js";
import { type EndpointObject, podEndpoint, type SliceObject, slice } from "../../../support/kubernetes-store.js";

function read(object: unknown): Slice {
  const event = readSliceEvent({ type: "ADDED", object: withVersion(object) });
  assert.ok(event.type === "changed");
  return event.slice;
}

function withVersion(object: unknown): unknown {
  const { metadata } = object as { metadata: object };
  return { ...(object as object), metadata: { ...metadata, resourceVersion: "7" } };
}

function readOne(endpoint: unknown, addressType = "IPv4"): Slice {
  return read(slice("a", "orders", { addressType, endpoints: [endpoint as EndpointObject] }));
}

const NOT_UNDERSTOOD = { message: "answered with something that is not about EndpointSlices" };

describe("an EndpointSlice", () => {
  it("tells what its endpoints are", () => {
    const [endpoint] = readOne(podEndpoint("10.0.0.1", { zone: "a", pod: "orders-1", hint: "b" })).endpoints;
    assert.deepEqual(endpoint, {
      ...{ host: "10.0.0.1", isIpv6: false, isReady: true, zone: "a", hintedZones: ["b"], pod: "orders-1", node: "node-1" },
    });
  });

  /** ready, serving, terminating → what it is. Null is what is not said. */
  const CONDITIONS: readonly (readonly [boolean | null, boolean | null, boolean | null, "ready" | "terminating" | "none"])[] = [
    [true, true, false, "ready"],
    [null, null, null, "ready"],
    [true, null, null, "ready"],
    // A Service with publishNotReadyAddresses.
    [true, false, true, "ready"],
    [false, true, true, "terminating"],
    [false, false, true, "none"],
    [false, null, true, "none"],
    [false, false, false, "none"],
    [false, true, false, "none"],
    [false, null, null, "none"],
  ];
  for (const [ready, serving, terminating, expected] of CONDITIONS) {
    it(`with ready ${ready}, serving ${serving}, terminating ${terminating} has an endpoint that is ${expected}`, () => {
      for (const conditions of [{ ready, serving, terminating }, withoutNulls({ ready, serving, terminating })]) {
        const [endpoint] = readOne({ addresses: ["10.0.0.1"], conditions }).endpoints;
        assert.equal(endpoint === undefined ? "none" : endpoint.isReady ? "ready" : "terminating", expected);
      }
    });
  }

  it("may leave out whatever Go leaves out", () => {
    const bare = { ...slice("a", "orders"), endpoints: null, ports: null };
    assert.deepEqual(read(bare), { name: "a", service: "orders", ports: null, endpoints: [], unusable: 0 });
    const [endpoint] = readOne({ addresses: ["10.0.0.1"] }).endpoints;
    assert.deepEqual([endpoint?.isReady, endpoint?.pod, endpoint?.zone, endpoint?.hintedZones], [true, "", "", []]);
  });

  it("has ports of TCP, which is what is meant when nothing is said", () => {
    const ports = [
      { name: "a", port: 1, protocol: "TCP" },
      { port: 2 },
      { name: null, port: 3, protocol: null },
      { name: "u", port: 4, protocol: "UDP" },
    ];
    assert.deepEqual(read(slice("a", "orders", { ports })).ports, [
      { name: "a", number: 1 },
      { name: "", number: 2 },
      { name: "", number: 3 },
    ]);
    assert.deepEqual(read(slice("a", "orders", { ports: [{ name: "u", port: 4, protocol: "UDP" }] })).ports, []);
    assert.deepEqual(read(slice("a", "orders", { ports: [] })).ports, null);
    assert.deepEqual(read(slice("a", "orders", { ports: [{ name: "any" }] })).ports, [{ name: "any", number: null }]);
  });

  /** Address, its type → the host; null: left out, and counted. */
  const ADDRESSES: readonly (readonly [unknown, string, string | null])[] = [
    ["10.0.0.1", "IPv4", "10.0.0.1"],
    ["fd00::1", "IPv6", "fd00::1"],
    ["FD00::1", "IPv6", "fd00::1"],
    ["db.example.com", "FQDN", "db.example.com"],
    ["fd00::1", "IPv4", null],
    ["10.0.0.1", "IPv6", null],
    ["10.0.0.1", "FQDN", null],
    ["fe80::1%eth0", "IPv6", null],
    ["0.0.0.0", "IPv4", null],
    ["10.0.0.1:80", "IPv4", null],
    ["a/../b", "FQDN", null],
    ["", "IPv4", null],
    [undefined, "IPv4", null],
    [7, "IPv4", null],
  ];
  for (const [address, type, expected] of ADDRESSES) {
    it(`with ${JSON.stringify(address)} for ${type} has ${expected === null ? "no usable endpoint" : `the host ${expected}`}`, () => {
      const { endpoints, unusable } = readOne({ addresses: address === undefined ? [] : [address] }, type);
      assert.deepEqual([endpoints[0]?.host ?? null, unusable], [expected, expected === null ? 1 : 0]);
    });
  }

  it("is used by its first address alone, as everybody does", () => {
    assert.deepEqual(
      readOne({ addresses: ["10.0.0.1", "10.0.0.2"] }).endpoints.map(({ host }) => host),
      ["10.0.0.1"],
    );
  });
});

function withoutNulls(object: object): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}

describe("a list", () => {
  const list = (fields: object): unknown => ({ kind: "EndpointSliceList", metadata: { resourceVersion: "9" }, items: [], ...fields });

  it("tells its version and where it goes on", () => {
    assert.deepEqual(readSlicePage(list({})), { slices: [], resourceVersion: "9", continueToken: "" });
    assert.deepEqual(readSlicePage(list({ items: null })).slices, []);
    assert.equal(readSlicePage(list({ metadata: { resourceVersion: "9", continue: "x" } })).continueToken, "x");
  });

  const REFUSED: readonly (readonly [string, unknown])[] = [
    ["no list", null],
    ["a Status", { kind: "Status", code: 403 }],
    ["another list", list({ kind: "EndpointsList" })],
    ["no version", list({ metadata: {} })],
    ["an empty version", list({ metadata: { resourceVersion: "" } })],
    ["a huge version", list({ metadata: { resourceVersion: "1".repeat(5_000) } })],
    ["items that are none", list({ items: {} })],
    ["a continue that is no text", list({ metadata: { resourceVersion: "9", continue: 1 } })],
    ["a slice without a service", list({ items: [{ metadata: { name: "a", labels: {} } }] })],
    ["a slice without a name", list({ items: [{ metadata: { labels: { "kubernetes.io/service-name": "a" } } }] })],
    ["a slice with endpoints that are none", list({ items: [{ ...slice("a", "b"), endpoints: {} }] })],
    ["a slice of an unknown type", list({ items: [slice("a", "b", { addressType: "MAC", endpoints: [podEndpoint("10.0.0.1")] })] })],
    ["a port that is none", list({ items: [slice("a", "b", { ports: [{ port: 70_000 }] })] })],
    ["an endpoint that is none", list({ items: [{ ...slice("a", "b"), endpoints: ["10.0.0.1"] }] })],
  ];
  for (const [what, answer] of REFUSED) {
    it(`with ${what} is refused as a whole`, () => assert.throws(() => readSlicePage(answer), NOT_UNDERSTOOD));
  }
});

describe("an event", () => {
  it("of every kind is understood", () => {
    const object = withVersion(slice("a", "orders"));
    assert.equal(readSliceEvent({ type: "MODIFIED", object }).type, "changed");
    assert.deepEqual(readSliceEvent({ type: "DELETED", object }), { type: "deleted", name: "a", resourceVersion: "7" });
    assert.deepEqual(readSliceEvent({ type: "BOOKMARK", object: { metadata: { resourceVersion: "8" } } }), {
      type: "bookmark",
      resourceVersion: "8",
    });
    assert.deepEqual(readSliceEvent({ type: "ERROR", object: { kind: "Status", code: 410 } }), { type: "failure", status: 410 });
  });

  it("that is none is refused", () => {
    for (const line of [
      null,
      {},
      { type: "ADDED" },
      { type: "NEWS", object: {} },
      { type: "ERROR", object: {} },
      { type: "BOOKMARK", object: {} },
    ]) {
      assert.throws(() => readSliceEvent(line), NOT_UNDERSTOOD);
    }
  });

  it("of any shape is understood or refused with the same words, which quote nothing", () => {
    const json = fc.jsonValue({ maxDepth: 5 });
    const field = (object: SliceObject) =>
      fc.constantFrom("metadata", "addressType", "endpoints", "ports").chain((name) => json.map((value) => ({ ...object, [name]: value })));
    const broken = field(slice("a", "orders", { endpoints: [podEndpoint("10.0.0.1")] }));
    fc.assert(
      fc.property(fc.oneof(json, fc.record({ type: fc.constant("ADDED"), object: fc.oneof(json, broken) })), (line) => {
        try {
          readSliceEvent(line);
        } catch (error) {
          assert.equal((error as Error).message, NOT_UNDERSTOOD.message);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
