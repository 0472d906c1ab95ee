import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { LifeTimes, Registration } from "../../../src/registry/instance.js";
import { createInstanceTable } from "../../../src/registry/instance-table.js";
import { createMemoryRegistry } from "../../../src/registry/memory-registry.js";
import { readRegistration, splitAddress } from "../../../src/registry/registration.js";

const TIMES = { graceMs: 100, drainMs: 50, retentionMs: 1_000 };
const REGISTRATION: Registration = {
  address: "10.0.0.1:80",
  weight: 1,
  zone: "",
  priority: 0,
  labels: {},
  version: "",
  identity: "",
  leaseMs: 10,
};

/** A registry whose clock the test turns. */
function createRegistry(times: LifeTimes) {
  const table = createInstanceTable();
  let clockMs = 0;
  const registry = createMemoryRegistry({ table, times, now: () => clockMs, settleMs: 0 });
  const at = <T>(nowMs: number, what: () => T): T => {
    clockMs = nowMs;
    return what();
  };
  return {
    register: (service: string, id: string, registration: Registration, nowMs: number) =>
      at(nowMs, () => registry.register(service, id, registration)),
    heartbeat: (service: string, id: string, nowMs: number) => at(nowMs, () => registry.heartbeat(service, id)),
    drain: (service: string, id: string, nowMs: number) => at(nowMs, () => registry.drain(service, id)),
    restore: (service: string, id: string, nowMs: number) => at(nowMs, () => registry.restore(service, id)),
    sweep: (nowMs: number) => at(nowMs, () => registry.sweep()),
    instancesOf: (service: string) => table.instancesOf(service),
    services: () => table.services(),
    historyOf: (service: string) => table.historyOf(service),
    onChange: (service: string, changed: () => void) => table.onChange(service, changed),
  };
}

describe("a registry in memory", () => {
  it("lets an instance without heartbeats expire, be removed, and go", () => {
    const registry = createRegistry(TIMES);
    const stateAt = (nowMs: number): string => {
      registry.sweep(nowMs);
      return registry.instancesOf("a").instances[0]?.state ?? "gone";
    };
    registry.register("a", "1", REGISTRATION, 0);
    assert.deepEqual([9, 10, 109, 110, 1_109, 1_110].map(stateAt), ["up", "expired", "expired", "removed", "removed", "gone"]);
    assert.deepEqual(registry.services(), []);
  });

  it("keeps one with heartbeats, and raises no index for them", () => {
    const registry = createRegistry(TIMES);
    registry.register("a", "1", REGISTRATION, 0);
    const { index } = registry.instancesOf("a");
    for (let nowMs = 5; nowMs < 500; nowMs += 5) {
      assert.ok(registry.heartbeat("a", "1", nowMs));
      registry.sweep(nowMs);
      assert.equal(registry.register("a", "1", REGISTRATION, nowMs), "updated");
    }
    assert.equal(registry.instancesOf("a").index, index);
  });

  it("does not bring back with a heartbeat what drains or was removed", () => {
    const registry = createRegistry(TIMES);
    registry.register("a", "1", REGISTRATION, 0);
    registry.drain("a", "1", 1);
    assert.ok(registry.heartbeat("a", "1", 2));
    assert.equal(registry.instancesOf("a").instances[0]?.state, "draining");
    registry.sweep(51);
    assert.equal(registry.heartbeat("a", "1", 52), false);
    assert.equal(registry.register("a", "1", REGISTRATION, 53), "created");
    assert.deepEqual(
      registry.historyOf("a").map(({ event }) => event),
      ["registered", "draining", "removed", "registered"],
    );
  });

  it("is full at 20,000 instances, and has room again when some are gone", () => {
    const registry = createRegistry(TIMES);
    for (let i = 0; i < 20_000; i++) assert.equal(registry.register(`s${i % 100}`, `${i}`, REGISTRATION, 0), "created");
    assert.equal(registry.register("s1", "one-more", REGISTRATION, 0), "full");
    assert.equal(registry.register("s1", "1", REGISTRATION, 1), "updated");
    for (const nowMs of [100, 300, 2_000]) registry.sweep(nowMs);
    assert.equal(registry.register("s1", "one-more", REGISTRATION, 2_001), "created");
  });

  it("counts right and tells of every visible change, whatever happens in which order", () => {
    const step = fc.record({
      what: fc.constantFrom("register", "heartbeat", "drain", "restore", "sweep"),
      id: fc.constantFrom("1", "2", "3"),
      passMs: fc.nat(60),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const registry = createRegistry(TIMES);
        let nowMs = 0;
        let told = 0;
        registry.onChange("a", () => told++);
        for (const { what, id, passMs } of steps) {
          nowMs += passMs;
          const visible = (): string => JSON.stringify(registry.instancesOf("a").instances.map((one) => [one.id, one.state]));
          const [before, index] = [visible(), registry.instancesOf("a").index];
          if (what === "register") registry.register("a", id, REGISTRATION, nowMs);
          else if (what === "sweep") registry.sweep(nowMs);
          else registry[what as "heartbeat" | "drain" | "restore"]("a", id, nowMs);
          const hasChanged = visible() !== before;
          assert.equal(registry.instancesOf("a").index > index, hasChanged, what);
        }
        assert.equal(told, registry.historyOf("a").length);
      }),
    );
  });
});

describe("a registration", () => {
  it("has an IP address and defaults for the rest", () => {
    assert.deepEqual(readRegistration({ address: "10.0.0.1:80" }), { ok: true, registration: { ...REGISTRATION, leaseMs: 30_000 } });
    assert.deepEqual(splitAddress("[FD00::1]:81"), { host: "fd00::1", port: 81 });
    for (const address of [
      "localhost:80",
      "10.0.0.1",
      "10.0.0.256:1",
      "[::1",
      "fd00::1:80",
      "10.0.0.1:70000",
      "10.0.0.1:0",
      " 10.0.0.1:1",
    ]) {
      assert.equal(splitAddress(address), null, address);
    }
  });

  it("of any JSON is taken or refused, never an exception", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        readRegistration(value);
        readRegistration({ address: "10.0.0.1:80", labels: value, zone: value, lease: value, weight: value });
      }),
    );
  });
});
