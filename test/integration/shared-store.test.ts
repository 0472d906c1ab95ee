/** Registries of several gateways in one real Redis, as objects of this process: what is cut off, and what a store may hold, is up to the test. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { Registration } from "../../src/registry/instance.js";
import { createInstanceTable, type InstanceTable } from "../../src/registry/instance-table.js";
import { createKeptOrders } from "../../src/registry/kept-orders.js";
import { openRedisLink, type RedisLink, StoreFailure } from "../../src/registry/shared/redis-link.js";
import { createSharedRegistry, type SharedRegistry } from "../../src/registry/shared/shared-registry.js";
import { eventually } from "../support/gateway.js";
import { missingProgram } from "../support/programs.js";
import { type RedisServer, startRedis } from "../support/redis.js";

const TIMES = { graceMs: 60_000, drainMs: 60_000, retentionMs: 60_000 };
const REGISTRATION: Registration = {
  ...{ address: "10.0.0.1:80", weight: 1, zone: "", priority: 0, labels: {}, version: "", identity: "", leaseMs: 1_000 },
};

interface Member {
  readonly table: InstanceTable;
  readonly registry: SharedRegistry;
  readonly logged: readonly string[];
  cut(): void;
  heal(): void;
  /** As `one:up two:expired`. */
  states(): string;
}

describe("a registry in a store", { skip: missingProgram("redis-server") }, () => {
  let redis: RedisServer;
  let run = 0;
  const members: Member[] = [];

  before(async () => {
    redis = await startRedis();
  });
  beforeEach(() => {
    run++;
  });
  afterEach(async () => {
    for (const member of members) member.heal();
    await Promise.all(members.splice(0).map(({ registry }) => registry.close()));
  });
  after(() => redis?.stop());

  const key = (name: string): string => `test${run}:{registry}:${name}`;

  async function join(): Promise<Member> {
    const table = createInstanceTable();
    const logged: string[] = [];
    const spec = { host: "127.0.0.1", port: redis.port, username: "", password: "", database: 1, tls: null, prefix: `test${run}:` };
    let link: RedisLink | null = null;
    let isCut = false;
    const open = async (): Promise<RedisLink> => {
      if (isCut) throw new StoreFailure("is cut off");
      link = await openRedisLink(spec);
      return link;
    };
    const fixed = { times: TIMES, kept: createKeptOrders(), place: "redis", now: Date.now, settleMs: 0, onStatus: () => {} };
    const registry = createSharedRegistry({ ...fixed, table, open, log: (message) => logged.push(message) });
    await registry.ready;
    const member: Member = {
      ...{ table, registry, logged },
      cut() {
        isCut = true;
        link?.close();
      },
      heal() {
        isCut = false;
      },
      states: () =>
        table
          .instancesOf("orders")
          .instances.map(({ id, state }) => `${id}:${state}`)
          .join(" "),
    };
    members.push(member);
    return member;
  }

  it("keeps an instance whose heartbeats came to a gateway that was cut off, though the others have let it expire", async () => {
    const [a, b] = [await join(), await join()];
    for (const id of ["one", "two"]) await a.registry.register("orders", id, REGISTRATION);
    a.cut();
    // Else the others would wait for the one that fell silent.
    assert.equal(await redis.ask(`DEL ${key("gateways")}`), ":1");
    const beats = setInterval(() => a.registry.heartbeat("orders", "one"), 100);
    try {
      await eventually(() => b.states() === "one:expired two:expired", "the end of the leases at the other gateway");
      const expiredAtMs = b.table.get("orders", "one")?.changedAtMs ?? 0;
      await eventually(() => (a.table.get("orders", "one")?.renewedAtMs ?? 0) > expiredAtMs, "a heartbeat after that");
      assert.equal(a.states(), "one:up two:up", "nothing expires where the store is away");
      const seen: string[] = [];
      a.table.onChange("orders", () => seen.push(a.table.get("orders", "one")?.state ?? "gone"));
      clearInterval(beats);
      a.heal();
      await eventually(() => b.states() === "one:up two:expired", "the living one at the other gateway");
      assert.equal(a.states(), "one:up two:expired");
      assert.deepEqual([...new Set(seen)], ["up"], "it was not away here for a moment");
    } finally {
      clearInterval(beats);
    }
  });

  const future = "9000000000000000";
  const entries: readonly (readonly [string, string, string])[] = [
    ["a time that cannot be", "1700000000000001", "1700000000000001 orders/odd registered 9999999999999999"],
    ["a revision that cannot be", future, `${future} orders/odd registered 1700000000000`],
    ["nothing of it", future, `${future} what is this`],
  ];
  for (const [what, score, entry] of entries) {
    it(`is not kept out by an entry of the log with ${what}`, async () => {
      const a = await join();
      await a.registry.register("orders", "one", { ...REGISTRATION, leaseMs: 60_000 });
      assert.equal(await redis.ask(`ZADD ${key("log")} ${score} "${entry}"`), ":1");
      const b = await join();
      assert.equal(b.registry.trouble, "");
      assert.equal(b.states(), "one:up");
      await b.registry.register("orders", "two", { ...REGISTRATION, leaseMs: 60_000 });
      await eventually(() => a.states() === "one:up two:up" && b.states() === "one:up two:up", "what came after it");
      assert.deepEqual([a.registry.trouble, b.registry.trouble], ["", ""]);
      const events = b.table.historyOf("orders").map(({ id, event }) => `${id} ${event}`);
      assert.deepEqual(events, ["one registered", "two registered"]);
    });
  }

  it("shows no instance as renewed at a time that cannot be", async () => {
    const a = await join();
    for (const id of ["one", "two"]) await a.registry.register("orders", id, { ...REGISTRATION, leaseMs: 60_000 });
    assert.equal(await redis.ask(`ZADD ${key("due")} 1e300 orders/one`), ":0");
    await redis.ask(`ZINCRBY ${key("due")} 5000 orders/two`);
    const b = await join();
    const renewedAtMs = (id: string) => b.table.get("orders", id)?.renewedAtMs ?? Number.NaN;
    const registeredAtMs = renewedAtMs("two");
    await eventually(() => renewedAtMs("two") > registeredAtMs, "what the leases say");
    for (const id of ["one", "two"]) assert.ok(renewedAtMs(id) <= Date.now() + 1_000, `${renewedAtMs(id)}`);
  });
});
