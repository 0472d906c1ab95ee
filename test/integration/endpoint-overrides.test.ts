/** Drained endpoints and weights by admin call: what they do to traffic, where they show, and what they outlive. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { CONFIG_NAME, eventually, type Gateway, MAIN, startGateway, watchProcess } from "../support/gateway.js";
import { isRunning, NEEDS_PROC, primaryOf, workersOf } from "../support/processes.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";
import { openWebSocket, startWebSocketUpstream, type WebSocketUpstream } from "../support/web-socket.js";

const TOKEN = "admin-0123456789abcdef";
const READER = "reader-0123456789abcdef";
const FILE = "endpoints.yaml";
const WORKERS = 2;

interface Override {
  readonly service: string;
  readonly address: string;
  readonly weight: number | null;
  readonly isDraining: boolean;
  readonly note: string;
  readonly author: string;
  readonly weightUntil: string | null;
  readonly drainingUntil: string | null;
  readonly isPresent: boolean;
}

describe("overrides of endpoints", { skip: NEEDS_PROC }, () => {
  /** Of the configuration and the state: it stays when the gateway is started again. */
  let folder: string;
  let one: HttpUpstream;
  let two: HttpUpstream;
  let sockets: WebSocketUpstream;
  let gateway: Gateway;
  const held: (() => void)[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "windrose-overrides-"));
    one = await startHttpUpstream(answerAs("one"), "one");
    two = await startHttpUpstream(answerAs("two"), "two");
    sockets = await startWebSocketUpstream();
    await start();
  });
  after(async () => {
    await gateway?.stop();
    for (const upstream of [one, two, sockets]) await upstream?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    for (const { service, address } of await overrides()) await restore(service, address);
    await eventually(async () => (await namesServed("/")).length === 2, "both endpoints");
  });

  /** `/held` is answered when the test says so. */
  function answerAs(name: string): Parameters<typeof startHttpUpstream>[0] {
    return ({ target }, response) => {
      if (target === "/held") held.push(() => response.end(name));
      else response.end(name);
    };
  }

  async function start(): Promise<void> {
    const config = join(folder, CONFIG_NAME);
    writeFileSync(config, configuration());
    writeFound(list(one, two));
    // The last of a flag counts.
    gateway = await startGateway("", { args: ["-c", config, "--state", join(folder, "state")] });
  }

  function configuration(value = "a"): string {
    return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes:
  - { name: sticky, match: [{ path: { type: PathPrefix, value: /sticky } }], backends: [{ service: sticky }] }
  - { name: found, match: [{ path: { type: PathPrefix, value: /found } }], backends: [{ service: found }] }
  - { name: socket, match: [{ path: { type: PathPrefix, value: /socket } }], backends: [{ service: socket }] }
  - name: all
    filters: [{ responseHeaders: { set: { x-value: "${value}" } } }]
    backends: [{ service: app }]
services:
  - { name: app, endpoints: { static: [{ address: "${one.address}" }, { address: "${two.address}" }] } }
  - name: sticky
    balance: { algorithm: ringHash, hashOn: { path: true } }
    endpoints: { static: [{ address: "${one.address}" }, { address: "${two.address}" }] }
  - { name: found, endpoints: { file: { path: ${FILE}, minimumEndpoints: 0 } } }
  - { name: socket, endpoints: { static: [{ address: "${sockets.address}" }] } }
admin: { bind: "127.0.0.1:0", token: ${TOKEN}, tokens: [{ name: viewer, role: read, token: ${READER} }] }
telemetry: { accessLog: { path: "off" } }
workers: ${WORKERS}
`;
  }

  function list(...upstreams: readonly HttpUpstream[]): string {
    return upstreams.map(({ address }) => `- { address: "${address}" }\n`).join("") || "[]";
  }

  function writeFound(text: string): void {
    const path = join(folder, FILE);
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }

  async function ask(method: string, path: string, body?: unknown, token = TOKEN) {
    const answer = await fetch(`${gateway.admin.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, never> };
  }

  const pathOf = (service: string, address: string): string => `/v1/services/${service}/endpoints/${address}/override`;

  async function set(service: string, { address }: { readonly address: string }, body: object): Promise<void> {
    const answer = await ask("PUT", pathOf(service, address), body);
    assert.deepEqual([answer.status, answer.body["isKept"]], [200, true], JSON.stringify(answer.body));
  }

  async function restore(service: string, address: string): Promise<void> {
    assert.equal((await ask("DELETE", pathOf(service, address))).status, 200);
  }

  async function overrides(): Promise<Override[]> {
    return (await ask("GET", "/v1/overrides")).body["overrides"] as unknown as Override[];
  }

  async function textAt(path: string): Promise<string> {
    const { status, text } = await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}${path}`);
    return status === 200 ? text : String(status);
  }

  /** By enough connections that all workers have their say. */
  async function namesServed(path: string, count = 32): Promise<string[]> {
    return [...new Set(await Promise.all(Array.from({ length: count }, () => textAt(path))))].sort();
  }

  const untilServed = (path: string, names: string): Promise<unknown> =>
    eventually(async () => (await namesServed(path)).join() === names, `${names} at ${path}`);

  async function run(...args: readonly string[]) {
    const env = { ...process.env, WINDROSE_ADMIN: gateway.admin.url, WINDROSE_ADMIN_TOKEN: TOKEN, NO_COLOR: "1" };
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"], env });
    return await watchProcess(child).exit;
  }

  it("a drained endpoint gets no new requests in any worker, finishes what it has, and comes back", async () => {
    held.length = 0;
    const waiting = Array.from({ length: 8 }, () => textAt("/held"));
    await eventually(() => held.length === 8, "requests under way");
    await set("app", one, { isDraining: true });
    await untilServed("/", "two");
    for (let i = 0; i < 5; i++) assert.deepEqual(await namesServed("/"), ["two"]);
    for (const answer of held) answer();
    assert.deepEqual([...new Set(await Promise.all(waiting))].sort(), ["one", "two"]);
    await restore("app", one.address);
    await untilServed("/", "one,two");
  });

  it("WebSockets of a drained endpoint stay open", async () => {
    const client = await openWebSocket(`ws://127.0.0.1:${gateway.port("plain")}/socket`);
    await sockets.untilArrived(1);
    await set("socket", sockets, { weight: 0 });
    await eventually(async () => (await textAt("/socket")) === "503", "no more requests");
    client.socket.send("still here");
    await client.untilMessages(1);
    assert.equal(client.messages[0]?.data.toString(), "still here");
    client.socket.close(1000);
    await client.closed;
  });

  it("sticky requests of a drained endpoint move, and come back with it", async () => {
    const paths = Array.from({ length: 20 }, (_, index) => `/sticky/${index}`);
    const homes = new Map(await Promise.all(paths.map(async (path) => [path, await textAt(path)] as const)));
    assert.equal(new Set(homes.values()).size, 2);
    await set("sticky", one, { isDraining: true });
    await eventually(async () => (await Promise.all(paths.map(textAt))).every((name) => name === "two"), "all at two");
    await restore("sticky", one.address);
    await eventually(async () => (await Promise.all(paths.map(textAt))).join() === [...homes.values()].join(), "all at home");
  });

  it("shows in services, overrides and explain, and is audited", async () => {
    await set("app", one, { weight: 7, isDraining: true, note: "disk is full", ttlMs: 60_000 });
    const [override] = await overrides();
    const { weightUntil, drainingUntil, ...rest } = override as Override;
    assert.ok(Date.parse(weightUntil ?? "") > Date.now() && drainingUntil === weightUntil);
    const expected = { service: "app", address: one.address, weight: 7, isDraining: true, note: "disk is full", author: "admin" };
    assert.deepEqual({ ...rest, setAt: "" }, { ...expected, isPresent: true, setAt: "" });
    const { services } = (await ask("GET", "/v1/services")).body as unknown as {
      services: { name: string; endpoints: { address: string; state: string; weight: number; reasons: string[]; override: Override }[] }[];
    };
    const endpoint = services.find(({ name }) => name === "app")?.endpoints.find(({ address }) => address === one.address);
    assert.deepEqual([endpoint?.state, endpoint?.weight, endpoint?.override.note], ["draining", 7, "disk is full"]);
    assert.match(endpoint?.reasons[0] ?? "", /^drained until \S+, weight set to 7 until \S+ by admin at \S+: disk is full$/);
    const explained = await ask("POST", "/v1/explain", { request: "GET http://localhost/" });
    assert.match(JSON.stringify(explained.body), /"weight":7,.*draining, drained until \S+, weight set to 7 until \S+ by admin/);
    const { entries } = (await ask("GET", "/v1/audit?limit=1")).body as unknown as { entries: Record<string, string>[] };
    const [entry] = entries;
    assert.deepEqual(
      [entry?.["operation"], entry?.["caller"], entry?.["note"], entry?.["outcome"]],
      ["setOverride", "admin", "disk is full", "set"],
    );
    assert.equal(entry?.["versionBefore"], entry?.["versionAfter"]);
    const metrics = await (await fetch(`${gateway.admin.url}/metrics`, { headers: { authorization: `Bearer ${READER}` } })).text();
    assert.deepEqual(
      metrics.split("\n").filter((line) => /^windrose_(endpoint_overrides|upstream_endpoints)\{windrose_service="app"/.test(line)),
      [
        'windrose_upstream_endpoints{windrose_service="app",windrose_state="healthy"} 1',
        'windrose_upstream_endpoints{windrose_service="app",windrose_state="unhealthy"} 0',
        'windrose_upstream_endpoints{windrose_service="app",windrose_state="draining"} 1',
        'windrose_endpoint_overrides{windrose_service="app",windrose_kind="draining"} 1',
        'windrose_endpoint_overrides{windrose_service="app",windrose_kind="weight"} 1',
      ],
    );
  });

  it("weights share the requests out, and 0 takes none", async () => {
    await set("app", one, { weight: 0 });
    await untilServed("/", "two");
    await set("app", one, { weight: 9 });
    const before = one.requests.length;
    await eventually(async () => (await namesServed("/")).length === 2, "both again");
    const after = one.requests.length;
    for (let i = 0; i < 10; i++) await namesServed("/", 20);
    const share = (one.requests.length - after) / 200;
    assert.ok(before <= after && share > 0.85 && share < 0.95, `${share} of the requests`);
  });

  it("is over when it expires", async () => {
    await set("app", one, { isDraining: true, ttlMs: 1_000 });
    await untilServed("/", "two");
    await untilServed("/", "one,two");
    assert.deepEqual(await overrides(), []);
    assert.match(gateway.stderr(), /override of endpoint \S+ of service app is over/);
  });

  it("refuses what it cannot mean: unknown services, static endpoints that are not there, nothing said, readers", async () => {
    const put = async (path: string, body: unknown, token?: string): Promise<number> => (await ask("PUT", path, body, token)).status;
    const drained = { isDraining: true };
    assert.equal(await put(pathOf("none", one.address), drained), 404);
    assert.equal(await put(pathOf("app", "127.0.0.1:1"), drained), 404);
    assert.equal(await put(pathOf("found", "127.0.0.1:1"), drained), 200);
    assert.equal(await put(pathOf("found", "nonsense"), drained), 422);
    assert.equal(await put(pathOf("found", "%5B::1%5D:80"), drained), 200);
    assert.equal(await put(pathOf("found", "a:80%2F..%2Fb"), drained), 404);
    assert.equal(await put(pathOf("app", one.address), {}), 400);
    assert.equal(await put(pathOf("app", one.address), { weight: -1 }), 400);
    assert.equal(await put(pathOf("app", one.address), { ...drained, note: "\u001b]0;mine\u0007" }), 400);
    assert.equal(await put(pathOf("app", one.address), { ...drained, drainingUntil: "tomorrow" }), 400);
    assert.equal(await put(pathOf("app", one.address), { isDraining: true, extra: 1 }), 400);
    assert.equal(await put(pathOf("app", one.address), drained, READER), 403);
    assert.equal((await ask("DELETE", pathOf("app", one.address))).status, 404);
    assert.deepEqual(
      (await overrides()).map(({ address, isPresent }) => [address, isPresent]),
      [
        ["127.0.0.1:1", false],
        ["[::1]:80", false],
      ],
    );
  });

  it("waits for an endpoint that is found at run time and goes and comes", async () => {
    await set("found", one, { isDraining: true });
    await untilServed("/found", "two");
    writeFound(list(two));
    await eventually(async () => (await overrides())[0]?.isPresent === false, "one is gone");
    writeFound(list(two, one));
    await eventually(async () => (await overrides())[0]?.isPresent === true, "one is back");
    assert.deepEqual(await namesServed("/found"), ["two"]);
  });

  it("outlives a reload, a worker, the primary, an upgrade and the gateway, and makes no version", async () => {
    await set("app", one, { isDraining: true });
    await untilServed("/", "two");
    const versions = async () => ((await ask("GET", "/v1/versions")).body["versions"] as unknown as unknown[]).length;
    const before = await versions();
    writeFileSync(join(folder, CONFIG_NAME), configuration("b"));
    await eventually(async () => (await fetch(`http://127.0.0.1:${gateway.port("plain")}/`)).headers.get("x-value") === "b", "the reload");
    assert.deepEqual(await namesServed("/"), ["two"]);
    assert.equal(await versions(), before + 1);

    const [worker] = workersOf(gateway);
    process.kill(worker as number, "SIGKILL");
    await eventually(() => workersOf(gateway).length === WORKERS && !workersOf(gateway).includes(worker as number), "another worker");
    await eventually(
      async () => ((await ask("GET", "/v1/info")).body["workers"] as unknown as { state: string }[]).every(isReady),
      "ready",
    );
    assert.deepEqual(await namesServed("/"), ["two"]);

    const primary = primaryOf(gateway);
    process.kill(primary, "SIGKILL");
    await eventually(() => !isRunning(primary) && isAnswering(), "another primary", 20_000);
    assert.deepEqual(await namesServed("/"), ["two"]);
    assert.equal((await overrides()).length, 1);

    // Said while the next primary is being started, or just before.
    const old = primaryOf(gateway);
    const upgrade = ask("POST", "/v1/upgrade", {});
    await set("app", one, { isDraining: true, note: "during the upgrade" }).catch(() => {});
    assert.equal((await upgrade).status, 202);
    await eventually(() => !isRunning(old) && isAnswering(), "the upgrade", 20_000);
    assert.equal((await overrides()).length, 1);
    assert.deepEqual(await namesServed("/"), ["two"]);

    await gateway.stop();
    assert.equal(statSync(stateFile()).mode & 0o777, 0o600);
    await start();
    assert.equal((await overrides()).length, 1);
    assert.deepEqual(await namesServed("/"), ["two"]);
  });

  const isReady = ({ state }: { readonly state: string }): boolean => state === "ready";
  const isAnswering = (): Promise<boolean> =>
    ask("GET", "/v1/info").then(
      ({ status }) => status === 200,
      () => false,
    );
  function stateFile(): string {
    const [name = ""] = readdirSync(join(folder, "state"));
    return join(folder, "state", name, "overrides.json");
  }

  it("what was answered for is there after a kill in the middle of many", async () => {
    const answered = new Set<string>();
    let isOver = false;
    const say = async (worker: number): Promise<void> => {
      for (let i = 0; !isOver; i++) {
        const address = `10.0.${worker}.1:${1_000 + i}`;
        const answer = await ask("PUT", pathOf("found", address), { weight: 1 }).catch(() => null);
        if (answer === null) return;
        assert.deepEqual([answer.status, answer.body["isKept"]], [200, true]);
        answered.add(address);
      }
    };
    const saying = Promise.all([1, 2, 3, 4].map(say));
    await eventually(() => answered.size > 40, "some are answered");
    const primary = primaryOf(gateway);
    process.kill(primary, "SIGKILL");
    await eventually(() => !isRunning(primary), "its end");
    isOver = true;
    await saying;
    await eventually(isAnswering, "another primary", 20_000);
    const kept = new Set((await overrides()).map(({ address }) => address));
    assert.deepEqual(
      [...answered].filter((address) => !kept.has(address)),
      [],
    );
    assert.ok(kept.size <= answered.size + 4);
  });

  it("status tells of drained endpoints and of sources that fail", async () => {
    assert.doesNotMatch((await run("status")).stdout, /^(service|source) /m);
    await set("app", one, { isDraining: true });
    writeFound("- { address: nonsense }");
    const stale = await eventually(async () => {
      const { stdout } = await run("status");
      return /^source /m.test(stdout) ? stdout : null;
    }, "the source");
    assert.match(stale, /^service {6}app: 1 drained$/m);
    assert.match(stale, /^source {7}found: stale, endpoints are \S+ old \(file \S+\): .*nonsense/m);
    const { troubles } = JSON.parse((await run("status", "--json")).stdout);
    assert.deepEqual([troubles.services[0].name, troubles.services[0].drained, troubles.sources[0].status], ["app", 1, "stale"]);
    writeFound(list(one, two));
    await eventually(async () => !/^source /m.test((await run("status")).stdout), "the source is well");
  });

  it("commands say the same: drain, weight, restore and services", async () => {
    const drained = await run("drain", "app", one.address, "--for", "30m", "--note", "new kernel");
    assert.equal(drained.code, 0, drained.stderr);
    assert.match(drained.stdout, new RegExp(`^${one.address} of service app is drained until 20\\S+\n$`));
    const weighed = await run("weight", "app", one.address, "5");
    assert.match(weighed.stdout, /is drained until 20\S+ and has weight 5 until restored\n$/);
    const { stdout } = await run("services", "app");
    assert.match(stdout, /^app http1, roundRobin, 1 of 2 endpoints healthy\n/);
    assert.match(
      stdout,
      new RegExp(`^ {2}${one.address} +draining +5 +- +0 +drained until \\S+, weight set to 5 by admin at \\S+: new kernel$`, "m"),
    );
    assert.equal((await run("restore", "app", one.address)).code, 0);
    const again = await run("restore", "app", one.address);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /refused with 404: There is no such endpoint: endpoint \S+ of service app has no override/);
    const codes = await Promise.all([
      run("drain", "app"),
      run("weight", "app", one.address, "-1"),
      run("drain", "app", one.address, "--for", "soon"),
      run("services", "none"),
    ]);
    assert.deepEqual(
      codes.map(({ code }) => code),
      [64, 64, 64, 1],
    );
    assert.equal(readFileSync(stateFile(), "utf8"), '{"overrides":[]}');
  });

  // The last one: it ends the gateway.
  it("what is taken back while the gateway drains stays so, and a disk that refuses is told of", async () => {
    held.length = 0;
    await set("app", two, { isDraining: true });
    await set("found", two, { isDraining: true });
    const blocked = `${stateFile()}.tmp`;
    mkdirSync(blocked);
    const refused = await ask("DELETE", pathOf("found", two.address));
    assert.deepEqual([refused.status, refused.body["isKept"]], [200, false]);
    rmdirSync(blocked);
    const waiting = textAt("/held");
    await eventually(() => held.length === 1, "a request under way");
    gateway.process.kill("SIGTERM");
    await eventually(() => /"draining"/.test(gateway.stderr()), "the drain");
    const restored = await ask("DELETE", pathOf("app", two.address));
    assert.deepEqual([restored.status, restored.body["isKept"]], [200, true]);
    for (const answer of held) answer();
    assert.equal(await waiting, "one");
    const file = stateFile();
    await gateway.exited();
    assert.equal(readFileSync(file, "utf8"), '{"overrides":[]}');
  });
});
