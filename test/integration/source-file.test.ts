/** Services whose endpoints come from a file: rewritten under load, broken, gone; reloads and restarts of workers. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { CONFIG_NAME, eventually, type Gateway, startGateway } from "../support/gateway.js";
import { startLoad } from "../support/load.js";
import { NEEDS_PROC, primaryOf, workersOf } from "../support/processes.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

const FILE = "endpoints.yaml";
const WORKERS = 2;

interface SourceView {
  readonly service: string;
  readonly status: string;
  readonly endpoints: number;
  readonly version: number;
  readonly lastError: string;
  readonly ageSeconds: number | null;
}

describe("endpoints from a file", { skip: NEEDS_PROC }, () => {
  let one: HttpUpstream;
  let two: HttpUpstream;
  let gateway: Gateway;

  before(async () => {
    one = await startHttpUpstream(undefined, "one");
    two = await startHttpUpstream(undefined, "two");
    gateway = await startGateway(configuration("a"), { files: { [FILE]: list(one) } });
  });
  after(async () => {
    await gateway?.stop();
    await one?.close();
    await two?.close();
  });
  beforeEach(async () => {
    write(list(one));
    await eventually(async () => (await source()).status === "ready" && (await namesServed()).join() === "one", "the first endpoint alone");
  });

  function configuration(value: string): string {
    return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes:
  - name: all
    filters: [{ responseHeaders: { set: { x-value: "${value}" } } }]
    backends: [{ service: app }]
services: [{ name: app, endpoints: { file: { path: ${FILE} } } }]
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: ${WORKERS}
`;
  }

  function list(...upstreams: readonly HttpUpstream[]): string {
    return upstreams.map(({ address }) => `- { address: "${address}" }\n`).join("") || "[]";
  }

  function write(text: string): void {
    const path = join(gateway.directory, FILE);
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }

  async function source(): Promise<SourceView> {
    const { sources } = (await (await fetch(`${gateway.admin.url}/v1/sources`)).json()) as { sources: SourceView[] };
    assert.equal(sources.length, 1);
    return sources[0] as SourceView;
  }

  /** Of the primary that answers now; -1: none does. */
  async function uptimeOf(): Promise<number> {
    const text = await fetch(`${gateway.admin.url}/metrics`)
      .then((response) => response.text())
      .catch(() => "");
    return Number(/^windrose_uptime_seconds (\S+)$/m.exec(text)?.[1] ?? -1);
  }

  async function nameServed(): Promise<string> {
    const { status, text } = await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/`);
    return status === 200 ? (JSON.parse(text) as { name: string }).name : String(status);
  }

  /** By enough connections that all workers have their say. */
  async function namesServed(): Promise<string[]> {
    return [...new Set(await Promise.all(Array.from({ length: 32 }, nameServed)))].sort();
  }

  it("follows the file under load without a failed request", async () => {
    const load = startLoad({ kind: "keep-alive", port: gateway.port("plain") });
    for (let i = 0; i < 10; i++) {
      const { version } = await source();
      write(i % 2 === 0 ? list(one, two) : list(i % 4 === 1 ? two : one));
      await eventually(async () => (await source()).version > version, `change ${i}`);
      await load.more(50);
    }
    await load.stop();
    assert.deepEqual(load.failures, []);
    assert.ok(load.done >= 500);
    assert.ok(two.requests.length > 0);
  });

  it("keeps the last endpoints while the file has problems, and says where they are", async () => {
    write(`- { address: "${two.address}" }\n- { address: "nonsense" }\n`);
    const { lastError, endpoints, status } = await eventually(async () => {
      const view = await source();
      return view.status === "stale" ? view : null;
    }, "the problem");
    assert.match(lastError, new RegExp(`/${FILE}:2:14 \\[1\\]\\.address "nonsense" is not an endpoint address`));
    assert.deepEqual([endpoints, status], [1, "stale"]);
    assert.deepEqual(await namesServed(), ["one"]);
    assert.ok(gateway.stderr().includes(`${FILE}:2:14`), gateway.stderr());
    const metrics = await (await fetch(`${gateway.admin.url}/metrics`)).text();
    assert.match(metrics, /windrose_source_up\{windrose_service="app",windrose_source="file"\} 0/);
    assert.match(metrics, /windrose_source_endpoints\{windrose_service="app",windrose_source="file"\} 1/);
  });

  it("keeps the last endpoints when the file is gone, empty, or names none", async () => {
    const path = join(gateway.directory, FILE);
    const problems: readonly (readonly [() => void, RegExp])[] = [
      [() => rmSync(path), /cannot be read: no such file/],
      [() => write(""), /is empty/],
      [() => write("[]"), /names 0 endpoints .* minimumEndpoints \(1\)/],
      [() => write(`- { address: "${two.address}", weight: 0 }`), /names 0 endpoints/],
    ];
    for (const [make, expected] of problems) {
      make();
      await eventually(async () => expected.test((await source()).lastError), String(expected));
      assert.deepEqual(await namesServed(), ["one"]);
    }
  });

  it("gives the set to workers that are started again", async () => {
    write(list(two));
    await eventually(async () => (await namesServed()).join() === "two", "the second endpoint");
    const before = workersOf(gateway).sort();
    for (const pid of before) process.kill(pid, "SIGKILL");
    await eventually(() => {
      const now = workersOf(gateway);
      return now.length === WORKERS && !now.some((pid) => before.includes(pid));
    }, "new workers");
    await eventually(async () => (await namesServed().catch(() => [])).join() === "two", "the second endpoint by new workers");
  });

  it("begins with the last endpoints when the primary dies while the file is gone", async () => {
    write(list(two));
    await eventually(async () => (await namesServed()).join() === "two", "the second endpoint");
    const kept = await eventually(() => {
      const state = join(gateway.directory, "state");
      const names = readdirSync(state, { recursive: true, encoding: "utf8" });
      const found = names.find((name) => name.endsWith("endpoints.json"));
      const path = found === undefined ? null : join(state, found);
      return path !== null && readFileSync(path, "utf8").includes(String(two.port)) ? path : null;
    }, "the memory on disk");
    assert.equal(statSync(kept).mode & 0o777, 0o600);
    rmSync(join(gateway.directory, FILE));
    await eventually(async () => (await source()).status === "stale", "the loss");
    const uptime = await uptimeOf();
    process.kill(primaryOf(gateway), "SIGKILL");
    await eventually(async () => {
      const now = await uptimeOf();
      return now >= 0 && now < uptime;
    }, "another primary");
    await eventually(async () => (await source()).lastError.includes("no such file"), "the new primary's source");
    assert.deepEqual(await namesServed(), ["two"]);
  });

  it("keeps what it knows across a reload, also while the file is gone", async () => {
    const { version } = await source();
    rmSync(join(gateway.directory, FILE));
    await eventually(async () => (await source()).status === "stale", "the loss");
    writeFileSync(join(gateway.directory, CONFIG_NAME), configuration("b").replace(`path: ${FILE}`, `path: ${FILE}, minimumEndpoints: 0`));
    await eventually(async () => (await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/`)).headers["x-value"] === "b", "the reload");
    assert.deepEqual(await namesServed(), ["one"]);
    assert.equal((await source()).version, version);
    write("[]");
    await eventually(async () => (await namesServed()).join() === "503", "no endpoint, as minimumEndpoints: 0 allows");
    writeFileSync(join(gateway.directory, CONFIG_NAME), configuration("a"));
    await eventually(async () => (await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/`)).headers["x-value"] === "a", "the reload");
  });
});
