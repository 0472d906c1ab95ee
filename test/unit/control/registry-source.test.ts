/** What becomes of instances when they become endpoints. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { endpointsOf } from "../../../src/control/registry-source.js";
import type { Instance } from "../../../src/registry/instance.js";

const INSTANCE: Instance = {
  ...{
    id: "1",
    address: "10.0.0.1:80",
    weight: 2,
    zone: "a",
    priority: 1,
    labels: { version: "of labels", tier: "gold" },
    version: "",
    identity: "",
  },
  ...{ leaseMs: 1_000, state: "up", registeredAtMs: 1, renewedAtMs: 1, changedAtMs: 1, revision: 0 },
};
const ENDPOINT = { host: "10.0.0.1", port: 80, weight: 2, zone: "a", priority: 1, labels: INSTANCE.labels };

test("version and identity are labels, before those of the same name", () => {
  const identity = "spiffe://a.test/orders";
  assert.deepEqual(endpointsOf([INSTANCE], false), [ENDPOINT]);
  assert.deepEqual(endpointsOf([{ ...INSTANCE, version: "v2", identity }], false)[0]?.labels, { version: "v2", tier: "gold", identity });
});

test("what drains stays without weight, what expired goes, unless more are still to come back", () => {
  const others: Instance[] = [
    { ...INSTANCE, id: "2", address: "10.0.0.2:80", state: "draining" },
    { ...INSTANCE, id: "3", address: "[fd00::3]:80", state: "expired" },
    { ...INSTANCE, id: "4", address: "10.0.0.4:80", state: "removed" },
  ];
  const weights = (isSettling: boolean) => endpointsOf([INSTANCE, ...others], isSettling).map(({ host, weight }) => `${host} ${weight}`);
  assert.deepEqual(weights(false), ["10.0.0.1 2", "10.0.0.2 0"]);
  assert.deepEqual(weights(true), ["10.0.0.1 2", "10.0.0.2 0", "fd00::3 0", "10.0.0.4 0"]);
});

test("of two with one address the one that is up counts, then the later one", () => {
  const later: Instance = { ...INSTANCE, id: "2", weight: 5, registeredAtMs: 2 };
  assert.deepEqual(endpointsOf([later, INSTANCE], false), [{ ...ENDPOINT, weight: 5 }]);
  assert.deepEqual(endpointsOf([{ ...later, state: "draining" }, INSTANCE], false), [ENDPOINT]);
});
