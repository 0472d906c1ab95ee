import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { describe, it } from "node:test";
import { startDemoServices } from "../../../src/cli/demo-services.js";
import type { ServiceSpec } from "../../../src/engine/model/snapshot.js";
import { findFreePorts } from "../../support/upstream.js";
import { BALANCE } from "../engine/balancing/endpoints.js";

function service(name: string, ports: readonly number[]): ServiceSpec {
  const endpoints = ports.map((port) => ({ host: "127.0.0.1", port, weight: 1, zone: "", priority: 0, labels: {} }));
  const limits = {
    connectTimeoutMs: 1000,
    keepAliveMs: 1000,
    connectionAgeMs: 0,
    maxConnections: 1,
    maxPendingRequests: 1,
    maxSlowClientPercent: 75,
    maxWebSockets: 1,
  };
  return {
    name,
    endpoints: { type: "static", endpoints },
    protocol: "http1",
    tls: null,
    http2: { maxConcurrentStreams: 1, streamWindowBytes: 65_535, maxStreamWindowBytes: 65_535, pingMs: 0 },
    balance: BALANCE,
    warmConnections: 0,
    maxRequests: 0,
    breakers: { endpoint: null, service: null },
    outlier: null,
    health: null,
    ...limits,
  };
}

describe("demo services", () => {
  it("answer on every endpoint with what they received", async () => {
    const ports = await findFreePorts(3);
    const demo = await startDemoServices([service("a", ports.slice(0, 2)), service("b", ports.slice(2))]);
    assert.ok(demo.ok);
    try {
      for (const [index, port] of ports.entries()) {
        const response = await fetch(`http://127.0.0.1:${port}/x?y=1`, { method: "POST", body: "ignored", headers: { "x-user": "alice" } });
        const expected = {
          service: index < 2 ? "a" : "b",
          endpoint: port,
          method: "POST",
          path: "/x?y=1",
          headers: { "x-user": "alice", "x-request-id": null },
        };
        assert.deepEqual(await response.json(), expected);
      }
      const head = await fetch(`http://127.0.0.1:${ports[0]}/`, { method: "HEAD" });
      assert.equal(await head.text(), "");
    } finally {
      await demo.close();
    }
    await assert.rejects(fetch(`http://127.0.0.1:${ports[0]}/`));
  });

  it("listen nowhere when one port is taken", async () => {
    const [free = 0, taken = 0] = await findFreePorts(2);
    const holder = createServer().listen({ port: taken, host: "127.0.0.1" });
    await once(holder, "listening");
    const demo = await startDemoServices([service("a", [free, taken])]);
    holder.close();
    assert.deepEqual(demo, { ok: false, problem: `port ${taken} on 127.0.0.1 is already in use; demo service "a" needs it` });
    await assert.rejects(fetch(`http://127.0.0.1:${free}/`));
  });
});
