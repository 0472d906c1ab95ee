/** Gateways that share one registry in a real Redis: what one hears all know, and nothing gets lost when the store or a gateway does. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { selfSigned } from "../support/certificates.js";
import { type Answer, fetchOnce } from "../support/client.js";
import { CONFIG_NAME, eventually, type Gateway, type GatewayOptions, startGateway } from "../support/gateway.js";
import { missingProgram } from "../support/programs.js";
import { type RedisServer, startRedis } from "../support/redis.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

const PASSWORD = "hunter2-of-the-store";
const SKIP = missingProgram("redis-server");

interface Seen {
  readonly id: string;
  readonly state: string;
  readonly weight: number;
  readonly renewedAt: string;
}

interface SourceSeen {
  readonly status: string;
  readonly ageSeconds: number;
  readonly lastError: string;
}

function configuration(store: string): string {
  return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: orders }] }]
services: [{ name: orders, endpoints: { registry: { minimumEndpoints: 0 } } }]
registry: { serve: true, bind: "127.0.0.1:0", grace: 20s, drain: 500ms, retention: 1m, ${store} }
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: 1
`;
}

function inRedis({ port }: RedisServer, password = PASSWORD): string {
  return `store: redis, redis: { url: "redis://:${password}@127.0.0.1:${port}/1", prefix: "test:" }`;
}

function ask(gateway: Gateway, method: string, path: string, body: unknown = null): Promise<Answer> {
  const content = body === null ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return fetchOnce(`${gateway.registryUrl}/v1/services${path}`, { method, ...content });
}

async function register(gateway: Gateway, id: string, { address }: { readonly address: string }, lease = "1h"): Promise<number> {
  return (await ask(gateway, "PUT", `/orders/instances/${id}`, { address, lease })).status;
}

async function list(gateway: Gateway): Promise<{ readonly index: number; readonly instances: readonly Seen[] }> {
  return JSON.parse((await ask(gateway, "GET", "/orders/instances")).text) as { index: number; instances: Seen[] };
}

/** As `one:up two:expired`. */
async function states(gateway: Gateway): Promise<string> {
  return (await list(gateway)).instances.map(({ id, state }) => `${id}:${state}`).join(" ");
}

async function history(gateway: Gateway): Promise<readonly string[]> {
  const { events } = JSON.parse((await ask(gateway, "GET", "/orders/history")).text) as { events: { id: string; event: string }[] };
  return events.map(({ id, event }) => `${id} ${event}`);
}

async function source(gateway: Gateway): Promise<SourceSeen> {
  const { sources } = (await (await fetch(`${gateway.admin.url}/v1/sources`)).json()) as { sources: SourceSeen[] };
  return sources[0] as SourceSeen;
}

async function served(gateway: Gateway): Promise<string> {
  const answers = await Promise.all(Array.from({ length: 12 }, () => fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/`)));
  return [...new Set(answers.map(({ status, text }) => (status === 200 ? (JSON.parse(text) as { name: string }).name : String(status))))]
    .sort()
    .join(" ");
}

/** Heartbeats five times in a second, to the gateways in turn; every answer is kept. */
function heartbeats(id: string, gateways: readonly Gateway[]): { readonly answers: number[]; stop(): void } {
  const answers: number[] = [];
  let turn = 0;
  const timer = setInterval(() => {
    const gateway = gateways[turn++ % gateways.length] as Gateway;
    ask(gateway, "POST", `/orders/instances/${id}/heartbeat`).then(
      ({ status }) => answers.push(status),
      () => answers.push(0),
    );
  }, 200);
  return { answers, stop: () => clearInterval(timer) };
}

/** Gateways of a case, and what they share. */
interface World {
  readonly redis: RedisServer;
  readonly a: Gateway;
  readonly b: Gateway;
  beat(id: string, gateways: readonly Gateway[]): { readonly answers: readonly number[]; stop(): void };
  /** One more of them. */
  start(store?: string): Promise<Gateway>;
}

/** One process each, where workers make no difference: many of them run at once. */
const SINGLE = { args: ["--single"] };

async function createWorld(t: TestContext, options: GatewayOptions = SINGLE): Promise<World> {
  const redis = await startRedis({ password: PASSWORD });
  const gateways: Gateway[] = [];
  const beating: { stop(): void }[] = [];
  t.after(async () => {
    for (const beats of beating) beats.stop();
    redis.resume();
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await redis.stop();
  });
  const start = async (store = inRedis(redis)): Promise<Gateway> => {
    const gateway = await startGateway(configuration(store), options);
    gateways.push(gateway);
    return gateway;
  };
  const beat = (id: string, beaten: readonly Gateway[]) => {
    const beats = heartbeats(id, beaten);
    beating.push(beats);
    return beats;
  };
  const [a, b] = await Promise.all([start(), start()]);
  return { redis, a, b, beat, start };
}

/** Cases wait most of their time, so several run at once; the longest come first. */
describe("a registry shared in Redis", { skip: SKIP, concurrency: 6 }, () => {
  let one: HttpUpstream;
  let two: HttpUpstream;

  before(async () => {
    one = await startHttpUpstream(undefined, "one");
    two = await startHttpUpstream(undefined, "two");
  });
  after(async () => {
    await one?.close();
    await two?.close();
  });

  it("loses no instance and expires none twice when a gateway is killed", async (t) => {
    const { a, b, beat, start } = await createWorld(t);
    await register(a, "one", one, "3s");
    await register(a, "two", two, "3s");
    const first = beat("one", [a]);
    await eventually(async () => (await states(b)) === "one:up two:up", "both");
    await a.stop("SIGKILL");
    first.stop();
    const { answers } = beat("one", [b]);
    await eventually(async () => (await states(b)) === "one:up two:expired", "the end of the lease of the one without heartbeats", 20_000);
    assert.deepEqual([...new Set(answers)], [204]);
    const c = await start();
    assert.equal(await states(c), "one:up two:expired", "known as soon as it is ready");
    assert.deepEqual(
      (await history(c)).filter((event) => !event.endsWith("registered")),
      ["two expired"],
    );
  });

  it("expires nothing while the store hangs, obeys meanwhile, and writes it down later", async (t) => {
    const { redis, a, b, beat } = await createWorld(t);
    await register(a, "one", one, "1s");
    const { answers } = beat("one", [a, b]);
    await eventually(async () => (await states(b)) === "one:up", "the instance");
    redis.pause();
    await eventually(async () => (await source(a)).lastError !== "" && (await source(b)).lastError !== "", "the errors");
    assert.match((await source(a)).lastError, /does not answer$/);
    assert.equal(await register(a, "two", two, "1h"), 201, "registered without the store");
    await eventually(async () => (await served(a)) === "one two", "its endpoint, here");
    assert.equal(await states(b), "one:up");
    await eventually(async () => (await source(b)).ageSeconds >= 4, "an outage of four leases");
    assert.equal(await states(b), "one:up");
    redis.resume();
    await eventually(async () => (await states(b)) === "one:up two:up", "what was ordered meanwhile");
    await eventually(async () => (await source(b)).lastError === "", "the end of the trouble");
    const count = answers.length;
    await eventually(() => answers.length > count + 30, "six more seconds");
    assert.deepEqual([...new Set(answers)], [204]);
    assert.ok(!(await history(b)).some((event) => event.endsWith("expired")), (await history(b)).join());
    assert.equal((await ask(b, "DELETE", "/orders/instances/two")).status, 204);
    await eventually(async () => (await states(a)) === "one:up two:removed", "the next order");
  });

  it("finds everything as it was after a restart of a store with persistence, all gateways restarted too", async () => {
    const redis = await startRedis({ isPersistent: true, password: PASSWORD });
    let gateway = await startGateway(configuration(inRedis(redis)), SINGLE);
    try {
      await register(gateway, "one", one, "3s");
      await register(gateway, "two", { address: "127.0.0.1:9" }, "1h");
      await ask(gateway, "DELETE", "/orders/instances/two");
      await eventually(async () => (await states(gateway)) === "one:up two:removed", "both");
      const before = await history(gateway);
      await gateway.stop("SIGKILL");
      await redis.kill();
      const away = Date.now();
      await eventually(() => Date.now() - away > 4_000, "longer than the lease");
      await redis.start();
      gateway = await startGateway(configuration(inRedis(redis)), SINGLE);
      assert.equal(await states(gateway), "one:up two:removed", "no lease runs while nobody can reach the store");
      assert.deepEqual(await history(gateway), before);
      assert.equal((await ask(gateway, "POST", "/orders/instances/one/heartbeat")).status, 204);
      await eventually(async () => (await states(gateway)) === "one:expired two:removed", "time goes on", 20_000);
    } finally {
      await gateway.stop();
      await redis.stop();
    }
  });

  for (const key of ["instances", "due", "meta", "log"]) {
    it(`repairs a store whose ${key} were evicted or deleted`, async (t) => {
      const { redis, a, b, beat, start } = await createWorld(t);
      await register(a, "one", one, "2s");
      await register(a, "two", two);
      beat("one", [a]);
      await eventually(async () => (await states(b)) === "one:up two:up", "both");
      assert.equal(await redis.ask(`DEL test:{registry}:${key}`), ":1");
      const c = await start();
      await eventually(async () => (await states(c)) === "one:up two:up", "both at a new gateway", 40_000);
      assert.equal((await ask(c, "DELETE", "/orders/instances/two")).status, 204);
      for (const gateway of [a, b]) {
        await eventually(async () => (await states(gateway)) === "one:up two:removed", "that time goes on for them", 20_000);
      }
    });
  }

  it("loses no instance when the store is killed and comes back empty, and tells gateways that start later", async (t) => {
    const { redis, a, b, beat, start } = await createWorld(t);
    await register(a, "one", one, "2s");
    await register(b, "two", two, "2s");
    const answers = [beat("one", [a]).answers, beat("two", [b]).answers];
    await eventually(async () => (await states(a)) === "one:up two:up", "both");
    await redis.kill();
    await eventually(async () => (await source(a)).lastError !== "" && (await source(b)).lastError !== "", "the errors");
    const { status, lastError } = await source(b);
    assert.equal(status, "stale");
    assert.match(lastError, /^redis:\/\/127\.0\.0\.1:\d+ (cannot be reached \(ECONNREFUSED\)|has closed the connection)$/);
    const before = answers.map(({ length }) => length);
    await eventually(
      () => answers.every(({ length }, i) => length > (before[i] as number) + 15),
      "three seconds of heartbeats without a store",
    );
    assert.equal(await states(a), "one:up two:up");
    await redis.start();
    await eventually(async () => (await source(a)).status === "ready" && (await source(b)).status === "ready", "the store");
    const c = await start();
    await eventually(async () => (await states(c)) === "one:up two:up", "all of it at a new gateway");
    await eventually(async () => (await served(c)) === "one two", "its endpoints");
    assert.deepEqual([...new Set(answers.flat())], [204]);
    for (const gateway of [a, b, c]) assert.ok(!(await history(gateway)).some((event) => event.endsWith("expired")));
  });

  it("keeps an instance whose heartbeats come to any gateway, and lets one without expire once", async (t) => {
    const { a, b, beat } = await createWorld(t);
    await register(a, "one", one, "2s");
    await register(a, "two", two, "1s");
    await eventually(async () => (await states(b)) === "one:up two:up", "both");
    const { answers } = beat("one", [a, b]);
    await eventually(async () => (await states(b)) === "one:up two:expired", "the end of a lease");
    await eventually(() => answers.length >= 25, "five seconds of heartbeats");
    assert.deepEqual([...new Set(answers)], [204]);
    assert.deepEqual(await history(a), ["one registered", "two registered", "two expired"]);
    assert.equal((await ask(b, "POST", "/orders/instances/two/heartbeat")).status, 204);
    await eventually(async () => (await states(a)) === "one:up two:up", "its return");
    await eventually(async () => (await served(a)) === "one two", "its requests");
  });

  it("makes what registers at one gateway an endpoint of all within a second", async (t) => {
    const { a, b } = await createWorld(t, {});
    assert.equal(await register(a, "one", one), 201);
    const begun = Date.now();
    await eventually(async () => (await served(b)) === "one", "the instance at the other gateway");
    assert.ok(Date.now() - begun < 1_000, `${Date.now() - begun} ms`);
    assert.equal(await register(b, "one", one), 200, "known at both");
    assert.equal((await ask(b, "DELETE", "/orders/instances/one")).status, 204);
    await eventually(async () => (await states(a)) !== "one:up", "its drain at the first");
    await eventually(async () => (await states(a)) === "one:removed", "its removal");
    assert.equal((await ask(a, "POST", "/orders/instances/one/heartbeat")).status, 404);
    assert.equal((await ask(a, "POST", "/orders/instances/one/restore")).status, 204);
    await eventually(async () => (await served(b)) === "one", "the restored instance");
    await eventually(async () => (await history(a)).length === (await history(b)).length, "one history");
    assert.deepEqual(await history(a), ["one registered", "one draining", "one removed", "one restored"]);
    assert.deepEqual(await history(b), await history(a));
    assert.equal((await list(a)).index, (await list(b)).index, "an index means the same everywhere");
  });

  it("decides orders that come to two gateways at once, for both alike", async (t) => {
    const { a, b } = await createWorld(t);
    const orders = [
      (gateway: Gateway) => register(gateway, "one", one),
      (gateway: Gateway) => ask(gateway, "DELETE", "/orders/instances/one"),
      (gateway: Gateway) => ask(gateway, "POST", "/orders/instances/one/restore"),
      (gateway: Gateway) => ask(gateway, "POST", "/orders/instances/one/heartbeat"),
      (gateway: Gateway) => ask(gateway, "PUT", "/orders/instances/one", { address: two.address, weight: 3 }),
    ];
    for (let round = 0; round < 60; round++) {
      const [first, second] = [orders[round % 5], orders[(round * 7 + 3) % 5]];
      await Promise.all([first?.(a), second?.(b), first?.(b)]);
    }
    await eventually(async () => JSON.stringify((await list(a)).index) === JSON.stringify((await list(b)).index), "the last change");
    const known = async (gateway: Gateway) => (await list(gateway)).instances.map(({ renewedAt: _, ...rest }) => rest);
    assert.deepEqual(await known(a), await known(b));
    assert.deepEqual(await history(a), await history(b));
  });

  it("shows the password nowhere, and says what is wrong with it", async (t) => {
    const { redis, b, start } = await createWorld(t);
    const a = await start(inRedis(redis, "wrong-hunter2"));
    assert.match((await source(a)).lastError, /^redis:\/\/127\.0\.0\.1:\d+ refuses user name or password$/);
    assert.equal(await register(a, "one", one), 201, "it is a registry all the same");
    const shown = await Promise.all(["config", "sources", "config/status", "versions"].map((path) => fetch(`${a.admin.url}/v1/${path}`)));
    for (const answer of shown) assert.doesNotMatch(await answer.text(), /hunter2/);
    assert.doesNotMatch(a.stderr() + a.stdout(), /hunter2/);
    assert.deepEqual((await list(b)).instances, []);
    writeFileSync(join(a.directory, CONFIG_NAME), configuration(inRedis(redis)));
    await eventually(async () => (await states(b)) === "one:up", "what was registered, after the right password");
  });

  it("takes what is in memory along to the store, and back", async (t) => {
    const { redis, b, start } = await createWorld(t);
    const a = await start("store: memory");
    await register(a, "one", one);
    await register(b, "two", two);
    writeFileSync(join(a.directory, CONFIG_NAME), configuration(inRedis(redis)));
    await eventually(async () => (await states(a)) === "one:up two:up" && (await states(b)) === "one:up two:up", "both at both");
    writeFileSync(join(a.directory, CONFIG_NAME), configuration("store: memory"));
    const store = async () => ((await (await fetch(`${a.admin.url}/v1/config`)).json()) as { registry: { store: string } }).registry.store;
    await eventually(async () => (await store()) === "memory", "the other store");
    assert.equal((await ask(a, "DELETE", "/orders/instances/two")).status, 204);
    await eventually(async () => (await states(a)) === "one:up two:removed", "its effect here alone");
    assert.equal(await states(b), "one:up two:up");
  });

  it("verifies a store with TLS by the root it was given, and tells when it cannot", async () => {
    const directory = mkdtempSync(join(tmpdir(), "windrose-redis-tls-"));
    const { cert, key } = selfSigned("localhost");
    const files = { cert: join(directory, "cert.pem"), key: join(directory, "key.pem") };
    writeFileSync(files.cert, cert);
    writeFileSync(files.key, key);
    const redis = await startRedis({ password: PASSWORD, tls: files });
    const store = (tls: string) => `store: redis, redis: { url: "rediss://:${PASSWORD}@127.0.0.1:${redis.port}", tls: { ${tls} } }`;
    const trusted = `ca: "${files.cert}", serverName: localhost`;
    const [a, b] = await Promise.all([
      startGateway(configuration(store(trusted)), SINGLE),
      startGateway(configuration(store("serverName: localhost")), SINGLE),
    ]);
    try {
      await register(a, "one", { address: "127.0.0.1:9" });
      assert.equal((await source(a)).lastError, "");
      assert.match((await source(b)).lastError, /cannot be reached \(DEPTH_ZERO_SELF_SIGNED_CERT\)$/);
      writeFileSync(join(b.directory, CONFIG_NAME), configuration(store(trusted)));
      await eventually(async () => (await states(b)) === "one:up", "the instance, after the right root");
    } finally {
      await Promise.all([a.stop(), b.stop()]);
      await redis.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
