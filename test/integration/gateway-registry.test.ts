/** The registry of a gateway while its configuration changes: addresses that overlap, moves that meet, and orders that a store has still to hear. */
import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { createGatewayRegistry, type GatewayRegistry } from "../../src/control/gateway-registry.js";
import type { RedisSpec, RegistrySpec } from "../../src/engine/model/registry.js";
import { fetchOnce } from "../support/client.js";
import { eventually } from "../support/gateway.js";
import { missingProgram } from "../support/programs.js";
import { type RedisServer, startRedis } from "../support/redis.js";
import { startHttpUpstream } from "../support/upstream.js";

const SKIP = missingProgram("redis-server");

function specOf(redis: RedisSpec | null, bind = { host: "127.0.0.1", port: 0 }): RegistrySpec {
  return { redis, bind, tokens: [], graceMs: 20_000, drainMs: 60_000, retentionMs: 60_000 };
}

function redisSpec({ port }: RedisServer, more: Partial<RedisSpec> = {}): RedisSpec {
  return { host: "127.0.0.1", port, username: "", password: "", database: 1, tls: null, prefix: "test:", ...more };
}

describe("the registry of a gateway", () => {
  const opened: GatewayRegistry[] = [];
  const logged: string[] = [];

  function create(): GatewayRegistry {
    const registry = createGatewayRegistry((message) => logged.push(message));
    opened.push(registry);
    return registry;
  }

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((registry) => registry.close()));
  });

  async function ask({ port }: GatewayRegistry, method: string, path: string, body?: object): Promise<number> {
    const content = body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    return (await fetchOnce(`http://127.0.0.1:${port}/v1/services/orders/instances${path}`, { method, ...content })).status;
  }

  /** As `one:up:10.0.0.1:80`. */
  async function known({ port }: GatewayRegistry): Promise<string> {
    const { text } = await fetchOnce(`http://127.0.0.1:${port}/v1/services/orders/instances`);
    const { instances } = JSON.parse(text) as { instances: { id: string; state: string; address: string }[] };
    return instances.map(({ id, state, address }) => `${id}:${state}:${address}`).join(" ");
  }

  const register = (registry: GatewayRegistry, id: string, address: string) => ask(registry, "PUT", `/${id}`, { address, lease: "1h" });

  it("moves from an address to all addresses with the same port, and back", async () => {
    const registry = create();
    assert.equal(await registry.move(specOf(null)), null);
    const { port } = registry;
    await register(registry, "one", "10.0.0.1:80");
    for (const host of ["0.0.0.0", "127.0.0.1"]) {
      assert.equal(await registry.move(specOf(null, { host, port })), null);
      assert.equal(registry.port, port);
      assert.equal(await known(registry), "one:up:10.0.0.1:80");
    }
  });

  it("listens where it did when the other address cannot be had", async () => {
    const registry = create();
    await registry.move(specOf(null));
    const { port } = registry;
    const other = await startHttpUpstream();
    try {
      const taken = Number(other.address.split(":")[1]);
      assert.match((await registry.move(specOf(null, { host: "127.0.0.1", port: taken }))) ?? "", /cannot be bound \(EADDRINUSE\)$/);
      assert.match((await registry.move(specOf(null, { host: "192.0.2.1", port }))) ?? "", /cannot be bound \(EADDRNOTAVAIL\)$/);
      assert.equal(registry.port, port);
      assert.equal(await register(registry, "one", "10.0.0.1:80"), 201);
    } finally {
      await other.close();
    }
  });

  it("is there again when what was released is taken back at once, with a slow store", { skip: SKIP }, async () => {
    const redis = await startRedis();
    try {
      const registry = create();
      assert.equal(await registry.move(specOf(redisSpec(redis))), null);
      const { port } = registry;
      await register(registry, "one", "10.0.0.1:80");
      redis.pause();
      const released = registry.release();
      const resumed = registry.resume();
      await released;
      redis.resume();
      assert.equal(await resumed, null);
      assert.equal(registry.port, port, "the port that the system had chosen");
      assert.equal(await known(registry), "one:up:10.0.0.1:80");
      assert.equal(await ask(registry, "POST", "/one/heartbeat"), 204);
    } finally {
      redis.resume();
      await redis.stop();
    }
  });

  /** What happens to the block of the store while the store is away. */
  const changes: readonly (readonly [string, (registry: GatewayRegistry, redis: RedisServer) => Promise<unknown>])[] = [
    ["another password", (registry, redis) => registry.move(specOf(redisSpec(redis, { username: "default", password: "" })))],
    [
      "memory meanwhile",
      async (registry, redis) => {
        await registry.move(specOf(null));
        await registry.move(specOf(redisSpec(redis)));
      },
    ],
    [
      "an upgrade that fails",
      async (registry) => {
        await registry.release();
        assert.equal(registry.port, 0);
        await registry.resume();
      },
    ],
  ];
  for (const [what, change] of changes) {
    it(`tells the store what was ordered while it was away, after ${what}`, { skip: SKIP }, async () => {
      const redis = await startRedis({ isPersistent: true });
      try {
        const registry = create();
        await registry.move(specOf(redisSpec(redis)));
        await register(registry, "moves", "10.0.0.1:80");
        await register(registry, "leaves", "10.0.0.2:80");
        logged.length = 0;
        await redis.kill();
        await eventually(() => logged.length > 0, "the loss of the store");
        assert.equal(await register(registry, "moves", "10.0.0.9:80"), 200);
        assert.equal(await ask(registry, "DELETE", "/leaves"), 204);
        await change(registry, redis);
        await redis.start();
        const other = create();
        await other.move(specOf(redisSpec(redis)));
        const expected = "leaves:draining:10.0.0.2:80 moves:up:10.0.0.9:80";
        for (const one of [registry, other]) await eventually(async () => (await known(one)) === expected, "what was ordered");
      } finally {
        await redis.stop();
      }
    });
  }
});
