import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type InstanceRules, readInstances } from "../../../../src/discovery/consul/read-instances.js";
import type { EndpointSpec } from "../../../../src/engine/model/snapshot.js";

const RULES: InstanceRules = { priority: 0, isPassingOnly: true, zoneKey: "zone" };

type Fields = Record<string, unknown>;

function entry(service: Fields, statuses: readonly string[] = ["passing"], node: Fields = {}): unknown {
  return {
    Node: { Node: "n1", Address: "10.0.0.9", Datacenter: "dc1", Meta: null, ...node },
    Service: { ID: "a", Address: "10.0.0.1", Port: 80, Tags: null, Meta: null, Weights: { Passing: 1, Warning: 1 }, ...service },
    Checks: statuses.map((Status) => ({ Status })),
  };
}

function read(entries: readonly unknown[], rules: Partial<InstanceRules> = {}): readonly EndpointSpec[] {
  return readInstances(entries, { ...RULES, ...rules }).endpoints;
}

function one(service: Fields, node: Fields = {}): EndpointSpec {
  return read([entry(service, ["passing"], node)])[0] as EndpointSpec;
}

describe("instances in Consul", () => {
  it("are endpoints with their address, weight, zone, priority and labels", () => {
    const service = { Weights: { Passing: 7, Warning: 2 }, Meta: { zone: "a", version: "2" }, Tags: ["canary", "team=red", "version=1"] };
    assert.deepEqual(read([entry(service)], { priority: 3 }), [
      {
        host: "10.0.0.1",
        port: 80,
        weight: 7,
        zone: "a",
        priority: 3,
        labels: { canary: "true", datacenter: "dc1", node: "n1", team: "red", version: "2", zone: "a" },
      },
    ]);
  });

  const addresses: readonly (readonly [string, Fields, Fields, string])[] = [
    ["of their own", { Address: "10.0.0.5" }, {}, "10.0.0.5"],
    ["of their node when they have none", { Address: "" }, {}, "10.0.0.9"],
    ["of their node when it is not told", { Address: undefined }, {}, "10.0.0.9"],
    ["that are names", { Address: "DB.Internal." }, {}, "db.internal"],
    ["of IPv6", { Address: "FD00::1" }, {}, "fd00::1"],
    ["of IPv6 in brackets", { Address: "[fd00::1]" }, {}, "fd00::1"],
    ["of IPv6 of their node", { Address: "" }, { Address: "fd00::2" }, "fd00::2"],
  ];
  for (const [what, service, node, host] of addresses) {
    it(`have addresses ${what}`, () => assert.equal(one(service, node).host, host));
  }

  it("without a usable address or port are left out and counted, and do not take the others with them", () => {
    const bad = [{ Address: "not a host" }, { Address: "10.0.0" }, { Address: "0.0.0.0" }, { Port: 0 }, { Port: 70_000 }, { Port: "80" }];
    const { endpoints, note } = readInstances([...bad.map((service) => entry(service)), entry({})], RULES);
    assert.equal(endpoints.length, 1);
    assert.equal(note, "instances in Consul are left out: 3 with an unusable address, 3 with no port");
  });

  const statuses: readonly (readonly [string, readonly string[], number, number])[] = [
    ["passing", ["passing", "passing"], 5, 5],
    ["unchecked", [], 5, 5],
    ["warning", ["passing", "warning"], 0, 2],
    ["critical", ["warning", "critical"], 0, 0],
    ["of a status to come", ["passing", "sleeping"], 0, 0],
  ];
  for (const [what, checks, strict, lax] of statuses) {
    it(`that are ${what} take ${strict || "no"} traffic, ${lax || "no"} when warnings are allowed`, () => {
      const entries = [entry({ Weights: { Passing: 5, Warning: 2 } }, checks)];
      assert.equal(read(entries)[0]?.weight ?? 0, strict);
      assert.equal(read(entries, { isPassingOnly: false })[0]?.weight ?? 0, lax);
    });
  }

  it("have weight 1 when theirs is not understood", () => {
    for (const Weights of [null, undefined, {}, { Passing: -1 }, { Passing: 1.5 }, { Passing: "3" }])
      assert.equal(one({ Weights }).weight, 1);
    assert.equal(one({ Weights: { Passing: 1e12 } }).weight, 1_000_000);
  });

  it("are in the zone that Meta tells, else that of their node, else where Consul says they are", () => {
    assert.equal(one({ Meta: { zone: "a" } }, { Meta: { zone: "b" } }).zone, "a");
    assert.equal(one({}, { Meta: { zone: "b" } }).zone, "b");
    assert.equal(one({ Locality: { Region: "r", Zone: "c" } }, { Locality: { Zone: "d" } }).zone, "c");
    assert.equal(one({ Locality: null }, { Locality: { Zone: "d" } }).zone, "d");
    assert.equal(one({}).zone, "");
    assert.equal(read([entry({ Meta: { rack: "7" } })], { zoneKey: "rack" })[0]?.zone, "7");
    assert.equal(read([entry({})], { zoneKey: "__proto__" })[0]?.zone, "");
  });

  it("have no label that looks like a secret", () => {
    const { labels } = one({ Meta: { "user.password": "x", apiKey: "x", API_TOKEN: "x", tokens: "3" } as Fields, Tags: ["my-secret"] });
    assert.deepEqual(
      Object.keys(labels).filter((name) => /token|key|pass|secret/i.test(name)),
      ["my-secret", "tokens"],
    );
  });

  it("cannot reach beyond their labels", () => {
    const { labels } = one({ Meta: JSON.parse('{"__proto__":"x","constructor":"y"}') as Fields, Tags: ["__proto__=z", "=x", ""] });
    assert.equal(Object.getPrototypeOf(labels), Object.prototype);
    assert.deepEqual(Object.entries(labels), [
      ["=x", "true"],
      ["__proto__", "x"],
      ["constructor", "y"],
      ["datacenter", "dc1"],
      ["node", "n1"],
    ]);
  });

  it("that share an address are one endpoint, and their order does not matter", () => {
    const entries = [entry({ Port: 2 }), entry({ Port: 1 }), entry({ Port: 2 }), entry({ Address: "10.0.0.0" })];
    assert.deepEqual(
      read(entries).map(({ host, port }) => `${host}:${port}`),
      ["10.0.0.0:80", "10.0.0.1:1", "10.0.0.1:2"],
    );
    assert.deepEqual(read([...entries].reverse()), read(entries));
  });

  const shapes: readonly unknown[] = [
    null,
    {},
    "[]",
    5,
    [null],
    [[]],
    [{}],
    [{ Node: {} }],
    [{ Service: {} }],
    [{ Node: [], Service: {} }],
  ];
  for (const shape of [...shapes, [{ Node: {}, Service: {}, Checks: {} }]]) {
    it(`are not found in ${JSON.stringify(shape)}`, () => {
      assert.throws(() => readInstances(shape, RULES), /^Error: answered with something that is not a list of instances$/);
    });
  }

  it("give endpoints that can be connected to, or a refusal, whatever is answered", () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom("10.0.0.1", "a.test", "passing", "critical", 80, 0, -1, ["x=y"], { zone: "a" }));
    const part = fc.dictionary(fc.constantFrom("Address", "Port", "Tags", "Meta", "Weights", "Node", "Locality", "Datacenter"), value);
    const checks = fc.oneof(value, fc.array(fc.record({ Status: value })));
    const answer = fc.oneof(
      fc.jsonValue(),
      fc.array(fc.record({ Node: part, Service: part, Checks: checks }, { requiredKeys: ["Node", "Service"] })),
    );
    fc.assert(
      fc.property(answer, fc.boolean(), (content, isPassingOnly) => {
        try {
          for (const endpoint of readInstances(content, { ...RULES, isPassingOnly }).endpoints) assertEndpoint(endpoint);
        } catch (error) {
          assert.match(String(error), /not a list of instances$/);
        }
      }),
      { numRuns: 500 },
    );
  });
});

function assertEndpoint({ host, port, weight, zone, priority, labels }: EndpointSpec): void {
  assert.match(host, /^[0-9a-z_.:%-]+$/);
  assert.ok(Number.isInteger(port) && port > 0 && port < 65_536);
  assert.ok(Number.isInteger(weight) && weight >= 0 && weight <= 1_000_000);
  assert.equal(typeof zone, "string");
  assert.equal(priority, 0);
  for (const label of Object.values(labels)) assert.equal(typeof label, "string");
}
