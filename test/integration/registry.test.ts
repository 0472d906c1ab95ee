/** The built-in registry with a real gateway: register, heartbeat, expire, drain, restore, watch; who may do what. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Answer, fetchOnce } from "../support/client.js";
import { CONFIG_NAME, eventually, type Gateway, MAIN, startGateway } from "../support/gateway.js";
import { startLoad } from "../support/load.js";
import { NEEDS_PROC, primaryOf, workersOf } from "../support/processes.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

const TOKEN = "token-of-orders-0123456789";

interface Listed {
  readonly index: number;
  readonly instances: readonly { readonly id: string; readonly state: string; readonly weight: number }[];
}

describe("the registry", { skip: NEEDS_PROC }, () => {
  let one: HttpUpstream;
  let two: HttpUpstream;
  let gateway: Gateway;

  before(async () => {
    one = await startHttpUpstream(undefined, "one");
    two = await startHttpUpstream(undefined, "two");
    gateway = await startGateway(configuration("a"));
  });
  after(async () => {
    await gateway?.stop();
    await one?.close();
    await two?.close();
  });

  function configuration(value: string): string {
    return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes:
  - name: all
    filters: [{ responseHeaders: { set: { x-value: "${value}" } } }]
    backends: [{ service: orders }]
services: [{ name: orders, endpoints: { registry: {} } }]
registry:
  serve: true
  bind: "127.0.0.1:0"
  tokens: [{ name: orders, token: ${TOKEN}, services: [orders] }]
  grace: 1s
  drain: 500ms
  retention: 1m
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: 2
`;
  }

  function ask(method: string, path: string, body: unknown = null, token = TOKEN): Promise<Answer> {
    const headers = { authorization: `Bearer ${token}`, ...(body === null ? {} : { "content-type": "application/json" }) };
    return fetchOnce(`${gateway.registryUrl}/v1/services${path}`, {
      method,
      headers,
      ...(body === null ? {} : { body: JSON.stringify(body) }),
    });
  }

  async function register(id: string, upstream: HttpUpstream, more: object = {}): Promise<number> {
    return (await ask("PUT", `/orders/instances/${id}`, { address: upstream.address, lease: "1h", ...more })).status;
  }

  async function list(query = ""): Promise<Listed> {
    return JSON.parse((await ask("GET", `/orders/instances${query}`)).text) as Listed;
  }

  async function stateOf(id: string): Promise<string> {
    return (await list()).instances.find((instance) => instance.id === id)?.state ?? "gone";
  }

  async function served(): Promise<string> {
    const answers = await Promise.all(Array.from({ length: 16 }, () => fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/`)));
    return [...new Set(answers.map(({ status, text }) => (status === 200 ? (JSON.parse(text) as { name: string }).name : String(status))))]
      .sort()
      .join(" ");
  }

  it("sends requests to instances as they register and leave, without a failed request", async () => {
    assert.equal(await served(), "503");
    assert.equal(await register("one", one), 201);
    await eventually(async () => (await served()) === "one", "the first instance");
    const load = startLoad({ kind: "keep-alive", port: gateway.port("plain") });
    await load.more(20);
    assert.equal(await register("two", two), 201);
    await eventually(async () => (await served()) === "one two", "both instances");
    assert.equal((await ask("DELETE", "/orders/instances/one")).status, 204);
    assert.equal(await stateOf("one"), "draining");
    await eventually(async () => (await served()) === "two", "the second alone");
    await eventually(async () => (await stateOf("one")) === "removed", "the end of the drain");
    assert.equal((await ask("POST", "/orders/instances/one/restore")).status, 204);
    await eventually(async () => (await served()) === "one two", "the restored instance");
    await load.stop();
    assert.deepEqual(load.failures, []);
    const { events } = JSON.parse((await ask("GET", "/orders/history")).text) as { events: { id: string; event: string }[] };
    assert.deepEqual(
      events.map(({ id, event }) => `${id} ${event}`),
      ["one registered", "two registered", "one draining", "one removed", "one restored"],
    );
  });

  it("takes instances out that send no heartbeat, and back in with the next one", async () => {
    assert.equal(await register("two", two, { lease: "1s" }), 200);
    await eventually(async () => (await stateOf("two")) === "expired", "the end of the lease");
    await eventually(async () => (await served()) === "one", "the other instance alone");
    assert.equal((await ask("POST", "/orders/instances/two/heartbeat")).status, 204);
    assert.equal(await stateOf("two"), "up");
    await eventually(async () => (await served()) === "one two", "both");
    await eventually(async () => (await stateOf("two")) === "removed", "the end of the grace");
    assert.equal((await ask("POST", "/orders/instances/two/heartbeat")).status, 404);
    assert.equal(await register("two", two), 201);
  });

  it("answers a long poll when something changes, and at the end of the wait", async () => {
    const { index } = await list();
    const unchanged = await list(`?index=${index}&wait=50ms`);
    assert.equal(unchanged.index, index);
    const poll = list(`?index=${index}&wait=30s`);
    await register("two", two, { weight: 7 });
    const changed = await poll;
    assert.ok(changed.index > index);
    assert.equal(changed.instances.find(({ id }) => id === "two")?.weight, 7);
  });

  const refused: readonly (readonly [what: string, status: number, call: () => Promise<Answer>])[] = [
    ["no token", 401, () => fetchOnce(`${gateway.registryUrl}/v1/services`)],
    ["another token", 401, () => ask("GET", "", null, "wrong-token-0123456789")],
    ["another service", 403, () => ask("PUT", "/billing/instances/a", { address: "127.0.0.1:1" })],
    ["a web page", 403, () => fetchOnce(`${gateway.registryUrl}/v1/services`, { headers: { origin: "http://evil.test" } })],
    ["an unknown path", 404, () => ask("GET", "/orders/nothing")],
    ["a strange name", 404, () => ask("PUT", "/orders/instances/%2e%2e", {})],
    ["another method", 405, () => ask("POST", "/orders/instances/a")],
    ["a host name", 422, () => ask("PUT", "/orders/instances/a", { address: "evil.test:80" })],
    ["port 0", 422, () => ask("PUT", "/orders/instances/a", { address: "10.0.0.1:0" })],
    ["an unknown field", 422, () => ask("PUT", "/orders/instances/a", { address: "10.0.0.1:1", wieght: 1 })],
    ["a negative weight", 422, () => ask("PUT", "/orders/instances/a", { address: "10.0.0.1:1", weight: -1 })],
    ["a short lease", 422, () => ask("PUT", "/orders/instances/a", { address: "10.0.0.1:1", lease: "1ms" })],
    ["no object", 422, () => ask("PUT", "/orders/instances/a", [])],
    ["too much", 413, () => ask("PUT", "/orders/instances/a", { address: "10.0.0.1:1", zone: "z".repeat(20_000) })],
    ["a strange index", 400, () => ask("GET", "/orders/instances?index=x")],
  ];
  for (const [what, status, call] of refused) {
    it(`refuses ${what} with ${status}`, async () => {
      const answer = await call();
      assert.equal(answer.status, status, answer.text);
      assert.equal(answer.headers["content-type"], "application/problem+json");
      assert.ok(!answer.text.includes(TOKEN));
    });
  }

  it("`windrose register` registers a command, goes on after the registry forgot it, and drains it at the end", async () => {
    const three = spawn(
      process.execPath,
      [MAIN, "register", "--service", "orders", "--address", two.address, "--id", "three", "--lease", "1s", "--drain", "300ms"].concat([
        ...[
          "--label",
          "version=v3",
          "--registry",
          gateway.registryUrl,
          "--",
          process.execPath,
          "-e",
          "setInterval(() => {}, 1000); process.on('SIGTERM', () => process.exit(7))",
        ],
      ]),
      { stdio: "inherit", env: { ...process.env, WINDROSE_REGISTRY_TOKEN: TOKEN } },
    );
    const exit = new Promise((resolve) => three.once("exit", resolve));
    await eventually(async () => (await stateOf("three")) === "up", "the registration");
    // Removed and restored states alike: the next heartbeat must bring it back or keep it.
    await ask("DELETE", "/orders/instances/three");
    await eventually(async () => (await stateOf("three")) === "removed", "the end of its drain");
    await eventually(async () => (await stateOf("three")) === "up", "its return");
    three.kill("SIGTERM");
    await eventually(async () => (await stateOf("three")) === "draining", "its drain");
    assert.equal(await exit, 7);
  });

  it("keeps instances across a reload, and shows its token nowhere", async () => {
    writeFileSync(join(gateway.directory, CONFIG_NAME), configuration("b"));
    await eventually(async () => (await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/`)).headers["x-value"] === "b", "the reload");
    assert.deepEqual([await stateOf("one"), await stateOf("two")], ["up", "up"]);
    assert.equal(await served(), "one two");
    assert.ok(!(await (await fetch(`${gateway.admin.url}/v1/config`)).text()).includes(TOKEN));
    assert.ok(!gateway.stderr().includes(TOKEN));
  });

  it("goes on with the last endpoints when the primary dies, until instances are back", async () => {
    // The memory on disk is written half a second after a change.
    await eventually(async () => {
      const { sources } = (await (await fetch(`${gateway.admin.url}/v1/sources`)).json()) as { sources: { changedAt: string }[] };
      return Date.now() - Date.parse(sources[0]?.changedAt ?? "") > 1_500;
    }, "the memory on disk");
    const dead = primaryOf(gateway);
    const before = workersOf(gateway);
    process.kill(dead, "SIGKILL");
    await eventually(
      () => {
        const now = workersOf(gateway);
        return now.length === 2 && !now.some((pid) => before.includes(pid));
      },
      "new workers",
      20_000,
    );
    await eventually(async () => (await served().catch(() => "")) === "one two", "the last endpoints");
    const beat = async (): Promise<number> => (await ask("POST", "/orders/instances/one/heartbeat").catch(() => ({ status: 0 }))).status;
    await eventually(async () => (await beat()) === 404, "the new primary's registry, at the same address");
    assert.equal(await register("one", one), 201);
    assert.equal(await served(), "one two");
  });
});
