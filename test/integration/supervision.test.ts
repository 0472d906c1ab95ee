/** Workers that die, hang, grow or crash again and again, under load: how many requests that costs, and what is said about it. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fetchOnce } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { type Load, startLoad, startLoads } from "../support/load.js";
import { isRunning, NEEDS_PROC, primaryOf, workersOf } from "../support/processes.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

const SERVICE_MS = 2;
/** Of both listeners together: a dead worker cannot have had more requests in flight. */
const KEPT_CLIENTS = 6;

describe("supervision of workers", { skip: NEEDS_PROC, concurrency: false }, () => {
  let upstream: HttpUpstream;
  before(async () => {
    upstream = await startHttpUpstream((_request, response) => void setTimeout(() => response.end("ok"), SERVICE_MS));
  });
  after(async () => await upstream?.close());

  const start = async (supervision: string, workers = 2): Promise<Gateway> =>
    await startGateway(`
listeners:
  - { name: plain, bind: "127.0.0.1:0", protocol: http }
  - { name: wire, bind: "127.0.0.1:0", protocol: h2c }
routes: [{ name: all, listeners: [plain, wire], backends: [{ service: app }] }]
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: off } }
drain: { timeout: 5s }
workers: ${workers}
supervision: ${supervision}
`);

  const startClients = (gateway: Gateway): Load =>
    startLoads([
      { kind: "keep-alive", port: gateway.port("plain"), clients: KEPT_CLIENTS / 2 },
      { kind: "http2", port: gateway.port("wire"), clients: KEPT_CLIENTS / 2 },
    ]);

  const metric = async (gateway: Gateway, line: RegExp): Promise<number> =>
    Number(line.exec((await fetchOnce(`${gateway.admin.url}/metrics`)).text)?.[1] ?? Number.NaN);
  const readiness = async (gateway: Gateway) => await fetchOnce(`${gateway.admin.url}/readyz`);

  it("a killed worker costs its own requests in flight and no other", async (t) => {
    const gateway = await start("{}");
    try {
      const load = startClients(gateway);
      await load.more(100);
      const [victim] = workersOf(gateway);
      process.kill(victim as number, "SIGKILL");
      await eventually(() => !isRunning(victim as number) && workersOf(gateway).length === 2, "the worker to be replaced");
      await load.more(200);
      await load.stop();
      t.diagnostic(`${load.done} requests answered, ${load.failures.length} failed of at most ${KEPT_CLIENTS} in flight`);
      assert.ok(load.failures.length <= KEPT_CLIENTS, load.failures.join("\n"));
      assert.equal(await metric(gateway, /^windrose_worker_restarts_total (\d+)/m), 1);
    } finally {
      await gateway.stop();
    }
  });

  it("a worker that hangs is replaced and killed: only its own requests fail", async (t) => {
    const gateway = await start("{ stallTimeout: 2s }");
    try {
      const load = startClients(gateway);
      await load.more(100);
      const [victim] = workersOf(gateway);
      process.kill(victim as number, "SIGSTOP");
      await eventually(() => !isRunning(victim as number), "the worker to be killed");
      assert.equal(workersOf(gateway).length, 2, "its successor was there before");
      await load.more(200);
      await load.stop();
      t.diagnostic(`${load.done} requests answered, ${load.failures.length} failed of at most ${KEPT_CLIENTS} in flight`);
      assert.ok(load.failures.length <= KEPT_CLIENTS, load.failures.join("\n"));
      assert.equal(await metric(gateway, /^windrose_worker_replacements_total\{reason="stalled"\} (\d+)/m), 1);
      assert.match(gateway.stderr(), /worker hangs: replaced and killed/);
    } finally {
      await gateway.stop();
    }
  });

  it("a worker that is too large is replaced without a failed request, and not again at once", async (t) => {
    // Any worker is larger than this: the successor is, too, and has to wait.
    const gateway = await start("{ maxWorkerMemory: 8MiB }");
    try {
      const load = startClients(gateway);
      const before = workersOf(gateway);
      await eventually(() => before.some((pid) => !isRunning(pid)), "a worker to be replaced", 15_000);
      await load.more(200);
      await load.stop();
      t.diagnostic(`${load.done} requests answered, ${load.failures.length} failed, ${load.repeated} HTTP/2 streams repeated`);
      assert.deepEqual(load.failures, []);
      assert.equal(await metric(gateway, /^windrose_worker_replacements_total\{reason="memory"\} (\d+)/m), 1);
      assert.match(gateway.stderr(), /larger than supervision.maxWorkerMemory/);
    } finally {
      await gateway.stop();
    }
  });

  it("too many crashes make it not ready while the others serve, and it recovers by itself", async (t) => {
    const gateway = await start("{ maxCrashes: 3, crashWindow: 5s }");
    try {
      const load = startLoad({ kind: "new connections", port: gateway.port("wire") });
      const [first, survivor] = workersOf(gateway);
      for (let victim = first as number, crash = 1; crash <= 3; crash++) {
        process.kill(victim, "SIGKILL");
        if (crash < 3) victim = await eventually(() => workersOf(gateway).find((pid) => pid !== victim && pid !== survivor), "a successor");
      }
      const refused = await eventually(async () => {
        const answer = await readiness(gateway);
        return answer.status === 503 ? answer : null;
      }, "not ready");
      assert.match(refused.text, /3 workers crashed within 5 s/);
      assert.equal(await metric(gateway, /^windrose_worker_crash_loop (\d)/m), 1);
      await load.more(100);
      await eventually(async () => (await readiness(gateway)).status === 200, "ready again");
      assert.equal(await metric(gateway, /^windrose_worker_crash_loop (\d)/m), 0);
      await load.stop();
      t.diagnostic(`${load.done} requests answered, ${load.failures.length} failed in 3 crashes`);
      assert.match(gateway.stderr(), /workers crash too often: not ready[\s\S]*workers have stopped crashing: ready again/);
      assert.ok(load.failures.length <= 3 * 4, load.failures.join("\n"));
    } finally {
      await gateway.stop();
    }
  });

  it("a primary that was stopped blames no worker for the time", async () => {
    const gateway = await start("{ stallTimeout: 1s }");
    try {
      const [primary, workers] = [primaryOf(gateway), workersOf(gateway)];
      process.kill(primary, "SIGSTOP");
      const load = startLoad({ kind: "keep-alive", port: gateway.port("plain") });
      const goOnAt = Date.now() + 2_500;
      await eventually(() => Date.now() > goOnAt, "more than the stall timeout to pass");
      process.kill(primary, "SIGCONT");
      await eventually(async () => (await readiness(gateway)).status === 200, "the primary to answer");
      await load.more(100);
      await load.stop();
      assert.deepEqual(load.failures, []);
      assert.deepEqual(workersOf(gateway), workers);
      assert.doesNotMatch(gateway.stderr(), /hangs/);
    } finally {
      await gateway.stop();
    }
  });

  it("SIGTERM while a worker hangs leaves nothing behind", async () => {
    const gateway = await start("{ stallTimeout: 2s }");
    const workers = workersOf(gateway);
    process.kill(workers[0] as number, "SIGSTOP");
    assert.equal((await gateway.stop()).code, 0);
    await eventually(() => !workers.some(isRunning), "every worker to end");
  });
});
