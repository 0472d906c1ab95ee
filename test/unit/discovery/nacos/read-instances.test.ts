import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type InstanceRules, type Instances, readInstances } from "../../../../src/discovery/nacos/read-instances.js";

type Fields = Record<string, unknown>;

const V1: InstanceRules = { api: "v1", zoneKey: "" };

function host(fields: Fields = {}): Fields {
  return {
    ...{ ip: "10.0.0.1", port: 80, weight: 1, healthy: true, enabled: true, ephemeral: true, clusterName: "DEFAULT", metadata: {} },
    ...fields,
  };
}

function read(hosts: readonly unknown[], rules: Partial<InstanceRules> = {}, about: Fields = {}): Instances {
  return readInstances({ hosts, cacheMillis: 10_000, ...about }, { ...V1, ...rules });
}

describe("instances in Nacos", () => {
  it("are endpoints with their address, weight in hundredths, zone and labels", () => {
    assert.deepEqual(read([host({ weight: 0.5, clusterName: "hz", metadata: { version: "2" } })]).endpoints, [
      { host: "10.0.0.1", port: 80, weight: 50, zone: "hz", priority: 0, labels: { cluster: "hz", version: "2" } },
    ]);
    assert.equal(read([host({ metadata: { az: "z1" } })], { zoneKey: "az" }).endpoints[0]?.zone, "z1");
    assert.equal(read([host()], { zoneKey: "az" }).endpoints[0]?.zone, "");
    assert.equal(read([host()], { zoneKey: "constructor" }).endpoints[0]?.zone, "");
  });

  const weights: readonly (readonly [unknown, number])[] = [
    ...([
      [1, 100],
      [0, 0],
      [0.001, 1],
      [1e9, 1_000_000],
      [-1, 100],
      ["5", 100],
      [null, 100],
      [undefined, 100],
    ] as const),
  ];
  for (const [weight, expected] of weights) {
    it(`of weight ${weight} weigh ${expected}`, () => assert.equal(read([host({ weight })]).endpoints[0]?.weight, expected));
  }

  it("that are disabled or unhealthy are none, and what an old server leaves out holds", () => {
    const hosts = [
      host({ ip: "10.0.0.2", healthy: false }),
      host({ ip: "10.0.0.3", enabled: false }),
      host({ ip: "10.0.0.4", healthy: "yes" }),
    ];
    assert.deepEqual(
      read([...hosts, { ip: "10.0.0.5", port: 1 }]).endpoints.map((endpoint) => endpoint.host),
      ["10.0.0.5"],
    );
  });

  it("are told apart from those without a usable address, which are counted", () => {
    const { endpoints, note } = read([host(), host({ ip: "" }), host({ ip: "x y" }), host({ port: 0 })]);
    assert.equal(endpoints.length, 1);
    assert.equal(note, "instances in Nacos are left out: 2 with an unusable address, 1 with no port");
  });

  it("are all of them when Nacos protects the service, which is noted", () => {
    assert.match(read([host()], {}, { reachProtectionThreshold: true }).note, /protectThreshold/);
  });

  it("come with the time that they may be used", () => {
    assert.equal(read([]).cacheMs, 10_000);
    for (const cacheMillis of [0, -1, "5", null, undefined]) assert.equal(read([], {}, { cacheMillis }).cacheMs, null);
  });

  it("come in an envelope from later APIs", () => {
    const v2 = readInstances({ code: 0, message: "success", data: { hosts: [host()], cacheMillis: 3_000 } }, { api: "v2", zoneKey: "" });
    assert.deepEqual([v2.endpoints.length, v2.cacheMs], [1, 3_000]);
    const v3 = readInstances({ code: 0, message: "success", data: [host()] }, { api: "v3", zoneKey: "" });
    assert.deepEqual([v3.endpoints.length, v3.cacheMs], [1, null]);
    assert.throws(
      () => readInstances({ code: 20004, message: "secret", data: null }, { api: "v3", zoneKey: "" }),
      /^Error: answered with code 20004$/,
    );
  });

  for (const answer of [
    null,
    [],
    {},
    "x",
    { hosts: null },
    { hosts: {} },
    { hosts: [null] },
    { hosts: [[]] },
    { code: 0, data: { hosts: [] } },
  ]) {
    it(`are not found in ${JSON.stringify(answer)}`, () => {
      assert.throws(() => readInstances(answer, V1), /^Error: answered with something that is not a list of instances$/);
    });
  }

  it("give endpoints that can be connected to, or a refusal, whatever is answered", () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom("10.0.0.1", "a.test", 80, 0.5, true, false, { a: "b" }));
    const instance = fc.dictionary(fc.constantFrom("ip", "port", "weight", "healthy", "enabled", "clusterName", "metadata"), value);
    const answer = fc.oneof(fc.jsonValue(), fc.record({ hosts: fc.array(instance), cacheMillis: value }));
    fc.assert(
      fc.property(answer, fc.constantFrom("v1" as const, "v2" as const, "v3" as const), (content, api) => {
        try {
          const wrapped = api === "v1" ? content : { code: 0, data: content };
          const { endpoints, cacheMs } = readInstances(wrapped, { api, zoneKey: "" });
          assert.ok(cacheMs === null || cacheMs > 0);
          for (const { host: address, port, weight, zone } of endpoints) {
            assert.match(address, /^[0-9a-z_.:%-]+$/);
            assert.ok(
              Number.isInteger(port) && port > 0 && port < 65_536 && Number.isInteger(weight) && weight >= 0 && weight <= 1_000_000,
            );
            assert.equal(typeof zone, "string");
          }
        } catch (error) {
          assert.match(String(error), /not a list of instances$/);
        }
      }),
      { numRuns: 500 },
    );
  });
});
