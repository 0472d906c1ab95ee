/** A thousand reloads while clients keep asking, and a reload of ten thousand routes: what it costs them, and what stays behind. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { after, before, describe, it, type TestContext } from "node:test";
import { type Gateway, startGateway } from "../support/gateway.js";
import { startLoad } from "../support/load.js";
import { NEEDS_PROC, primaryOf, workersOf } from "../support/processes.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

const TOKEN = "token-of-this-test-only";
const RELOADS = 1_000;
const MIB = 1024 * 1024;
/** Noise of collectors that have not run yet; one snapshot or runtime kept per reload would be several times this. */
const MAX_GROWTH_MIB = 60;
/** On a quiet machine 0.6 s; suites run on busy ones. */
const MAX_LARGE_RELOAD_MS = 8_000;

interface Applied {
  readonly result: string;
  readonly hasRolled: boolean;
  readonly durationMs: number;
}

describe("reloads under load", { skip: NEEDS_PROC }, () => {
  let upstream: HttpUpstream;
  let gateway: Gateway;
  const agent = new Agent({ keepAlive: true });

  before(async () => {
    upstream = await startHttpUpstream();
    gateway = await startGateway(document("one"));
  });
  after(async () => {
    agent.destroy();
    await gateway?.stop();
    await upstream?.close();
  });

  function document(value: string, routes = ""): string {
    return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }, { name: own, bind: "127.0.0.1:0", protocol: h2c }]
routes:
  - name: all
    filters: [{ responseHeaders: { set: { x-value: "${value}" } } }]
    backends: [{ service: app }]
${routes}
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0", token: ${TOKEN} }
telemetry: { accessLog: { path: "off" } }
workers: 2
`;
  }

  async function apply(text: string): Promise<Applied> {
    const response = await fetch(`${gateway.admin.url}/v1/apply`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
      body: JSON.stringify({ texts: [{ name: "windrose.yaml", text }] }),
    });
    const outcome = (await response.json()) as Applied;
    assert.equal(outcome.result, "applied", JSON.stringify(outcome).slice(0, 500));
    return outcome;
  }

  function timedRequest(): Promise<number> {
    const startedAt = performance.now();
    return new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port: gateway.port("plain"), agent }, (response) => {
        response.resume().once("end", () => resolve(performance.now() - startedAt));
      })
        .once("error", reject)
        .end();
    });
  }

  async function percentile99(requests: number): Promise<number> {
    const times: number[] = [];
    for (let i = 0; i < requests; i++) times.push(await timedRequest());
    return times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)] as number;
  }

  it("fail no request, and leave no memory behind", async (context: TestContext) => {
    const loads = (["keep-alive", "new connections", "http2"] as const).map((kind) =>
      startLoad({ kind, port: gateway.port(kind === "http2" ? "own" : "plain"), clients: 2 }),
    );
    for (let i = 0; i < 100; i++) await apply(document(`warm ${i}`));
    const pids = [primaryOf(gateway), ...workersOf(gateway)];
    const before = pids.map(residentMiB);
    const startedAt = performance.now();
    for (let i = 0; i < RELOADS; i++) assert.equal((await apply(document(`value ${i}`))).hasRolled, false);
    const seconds = (performance.now() - startedAt) / 1000;
    await Promise.all(loads.map((load) => load.stop()));
    assert.deepEqual([primaryOf(gateway), ...workersOf(gateway)], pids, "no process was replaced");
    const growth = pids.map((pid, index) => residentMiB(pid) - (before[index] as number));
    const done = loads.reduce((sum, load) => sum + load.done, 0);
    context.diagnostic(
      `${RELOADS} reloads in ${seconds.toFixed(1)} s, ${done} requests; growth ${growth.map((mib) => mib.toFixed(1))} MiB`,
    );
    assert.deepEqual(
      loads.flatMap((load) => load.failures),
      [],
    );
    assert.ok(done > 1_000, `${done} requests`);
    for (const mib of growth) assert.ok(mib < MAX_GROWTH_MIB, `${mib} MiB more`);
  });

  it("take ten thousand routes at once, and then a change among them", async (context: TestContext) => {
    const routes = Array.from(
      { length: 10_000 },
      (_, i) => `  - { name: r${i}, hostnames: [h${i % 50}.test], match: [{ path: { value: /p${i} } }], backends: [{ service: app }] }\n`,
    );
    const calm = await percentile99(300);
    const first = await apply(document("many", routes.join("")));
    let isOver = false;
    const during = (async () => {
      let worst = 0;
      while (!isOver) worst = Math.max(worst, await timedRequest());
      return worst;
    })();
    routes[5_000] = "  - { name: changed, match: [{ path: { value: /changed } }], filters: [{ respond: { status: 204 } }] }\n";
    const second = await apply(document("many", routes.join("")));
    isOver = true;
    context.diagnostic(
      `10,000 routes: ${first.durationMs} ms, a change among them ${second.durationMs} ms; slowest request meanwhile ${(await during).toFixed(1)} ms, p99 before ${calm.toFixed(1)} ms`,
    );
    assert.ok(second.durationMs < MAX_LARGE_RELOAD_MS, `${second.durationMs} ms`);
  });
});

function residentMiB(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
  return (Number(kib) * 1024) / MIB;
}
