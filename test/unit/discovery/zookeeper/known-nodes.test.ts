import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { KnownNodes } from "../../../../src/discovery/zookeeper/known-nodes.js";
import { readNode } from "../../../../src/discovery/zookeeper/read-endpoint.js";

const PLAIN = { isTls: false };
const at = (host: string, port: number) => ({ host, port, weight: 1, zone: "", priority: 0, labels: {} });

describe("nodes in ZooKeeper", () => {
  const instance = (changes: object): string =>
    JSON.stringify({ name: "app", id: "1", address: "10.0.0.5", port: 80, sslPort: 443, ...changes });

  it("are instances as Curator writes them", () => {
    assert.deepEqual(readNode("uuid", instance({ payload: null, enabled: true }), PLAIN), at("10.0.0.5", 80));
    assert.deepEqual(readNode("uuid", instance({}), { isTls: true }), at("10.0.0.5", 443));
    assert.deepEqual(readNode("uuid", instance({ sslPort: null }), { isTls: true }), at("10.0.0.5", 80));
    assert.equal(readNode("uuid", instance({ port: null }), PLAIN), "no port");
    assert.equal(readNode("10.0.0.9:80", instance({ address: "0.0.0.0" }), PLAIN), "an unusable address");
    assert.deepEqual(readNode("uuid", instance({ enabled: false }), PLAIN), { ...at("10.0.0.5", 80), weight: 0 });
    assert.deepEqual(readNode("uuid", instance({ payload: { v: "2", n: 1 } }), PLAIN), { ...at("10.0.0.5", 80), labels: { v: "2" } });
  });

  it("are instances as Spring Cloud writes them", () => {
    const payload = (metadata: object) => instance({ payload: { "@class": "o.s.ZookeeperInstance", id: "a", name: "app", metadata } });
    const up = { zone: "b", instance_status: "UP" };
    assert.deepEqual(readNode("uuid", payload(up), PLAIN), {
      ...at("10.0.0.5", 80),
      zone: "b",
      labels: { instance_status: "UP", zone: "b" },
    });
    const off = readNode("uuid", payload({ instance_status: "OUT_OF_SERVICE" }), PLAIN);
    assert.ok(typeof off !== "string" && off.weight === 0);
  });

  it("are our own form, host:port, or named so", () => {
    assert.deepEqual(readNode("x", '{"address":"10.0.0.5:80","weight":3}', PLAIN), { ...at("10.0.0.5", 80), weight: 3 });
    assert.deepEqual(readNode("10.0.0.9:80", "10.0.0.5:80", PLAIN), at("10.0.0.5", 80));
    assert.deepEqual(readNode("10.0.0.9:80", "", PLAIN), at("10.0.0.9", 80));
    assert.deepEqual(readNode("10.0.0.9:80", "10.0.0.5", PLAIN), at("10.0.0.9", 80));
    assert.equal(readNode("10.0.0.9:80", "{", PLAIN), "a value that is not JSON");
    assert.equal(readNode("x", "", PLAIN), "an empty value");
    assert.equal(readNode("x:99999", "hello", PLAIN), "an unusable address");
  });

  it("are known as they are, whatever happens between two looks at them", () => {
    // A server as the protocol describes it: a watch is told of one change, and only who read since then is told again.
    const step = fc.record({ name: fc.constantFrom("a", "b", "c"), act: fc.constantFrom("put", "remove", "list", "take", "read") });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const known = new KnownNodes("/p", PLAIN);
        const server = new Map<string, number>();
        const dataWatches = new Set<string>();
        let isListWatched = false;
        let port = 0;
        const reading: string[] = [];
        const told = (name: string, type: "dataChanged" | "deleted"): void => {
          if (dataWatches.delete(name)) known.event(type, `/p/${name}`);
        };
        const listChanged = (): void => {
          if (isListWatched) known.event("childrenChanged", "/p");
          isListWatched = false;
        };
        const acts: Record<string, (name: string) => void> = {
          put(name) {
            const isNew = !server.has(name);
            server.set(name, ++port);
            if (isNew) listChanged();
            else told(name, "dataChanged");
          },
          remove(name) {
            if (!server.delete(name)) return;
            told(name, "deleted");
            listChanged();
          },
          list() {
            if (!known.takeList()) return;
            isListWatched = true;
            known.list([...server.keys()]);
          },
          take: () => void reading.push(...known.takeReads()),
          read() {
            const name = reading.shift();
            const found = name === undefined ? undefined : server.get(name);
            if (name === undefined) return;
            if (found === undefined) return known.drop(name);
            dataWatches.add(name);
            known.read(name, { text: `10.0.0.1:${found}`, writtenAt: BigInt(found) });
          },
        };
        for (const { act, name } of steps) acts[act]?.(name);
        // When nothing more happens, a conversation goes round until nothing is to be asked.
        for (let i = 0; i < 4; i++) {
          acts["list"]?.("");
          acts["take"]?.("");
          while (reading.length > 0) acts["read"]?.("");
        }
        const ports = known.gather().endpoints.map((endpoint) => endpoint.port);
        assert.deepEqual(
          ports,
          [...server.values()].sort((a, b) => a - b),
        );
      }),
      { numRuns: 1_000 },
    );
  });
});
