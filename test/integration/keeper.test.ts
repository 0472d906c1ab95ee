/**
 * What becomes of requests while the processes above the workers die or are replaced: nothing. Under load by clients of every
 * kind; "failed" counts every request that got no 200.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { type CertificateFiles, developmentCertificates, EDGE_TLS } from "../support/certificates.js";
import { fetchOnce } from "../support/client.js";
import { eventually, type Gateway, MAIN, startGateway } from "../support/gateway.js";
import { type Load, startLoad, startLoads } from "../support/load.js";
import { childrenOf, descendantsOf, isRunning, killAll, NEEDS_PROC, parentOf, primaryOf, workersOf } from "../support/processes.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";
import { openWebSocket, startWebSocketUpstream, type WebSocketUpstream } from "../support/web-socket.js";

const SERVICE_MS = 2;

describe("keeper, primary and workers", { skip: NEEDS_PROC, concurrency: false }, () => {
  let upstream: HttpUpstream;
  let sockets: WebSocketUpstream;
  let certificates: CertificateFiles;

  before(async () => {
    certificates = await developmentCertificates();
    upstream = await startHttpUpstream((_request, response) => void setTimeout(() => response.end("ok"), SERVICE_MS));
    sockets = await startWebSocketUpstream();
  });
  after(async () => {
    await upstream?.close();
    await sockets?.close();
  });

  const configuration = (): string => `
listeners:
  - { name: plain, bind: "127.0.0.1:0", protocol: http }
  - { name: edge, bind: "127.0.0.1:0", protocol: https, tls: ${EDGE_TLS} }
  - { name: mixed, bind: "127.0.0.1:0", protocol: h2, tls: ${EDGE_TLS} }
  - { name: wire, bind: "127.0.0.1:0", protocol: h2c }
routes:
  - { name: live, match: [{ path: { type: PathPrefix, value: /live } }], backends: [{ service: sockets }] }
  - name: limited
    match: [{ path: { type: PathPrefix, value: /limited } }]
    filters: [{ rateLimit: { limit: 1000000, per: 1h, key: header.x-user } }]
    backends: [{ service: app }]
  - { name: all, match: [{ path: { type: PathPrefix, value: / } }], backends: [{ service: app }] }
services:
  - { name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }
  - { name: sockets, endpoints: { static: [{ address: "${sockets.address}" }] } }
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: off } }
drain: { timeout: 5s }
workers: 2
`;

  const start = async (): Promise<Gateway> => await startGateway(configuration(), { files: certificates });

  /** Of all kinds on all listeners; on uWebSockets.js no new connections, which cannot be promised there (see roll.test.ts). */
  const startClients = (gateway: Gateway): Load => {
    const ca = certificates["ca.pem"];
    return startLoads([
      { kind: "keep-alive", port: gateway.port("plain"), clients: 3 },
      { kind: "keep-alive", port: gateway.port("edge"), ca, clients: 2 },
      { kind: "http2", port: gateway.port("mixed"), ca, clients: 2 },
      { kind: "http2", port: gateway.port("wire"), clients: 2 },
      { kind: "new connections", port: gateway.port("wire"), clients: 2 },
    ]);
  };

  const readiness = async (gateway: Gateway): Promise<number> =>
    await fetchOnce(`${gateway.admin.url}/readyz`).then(
      ({ status }) => status,
      () => 0,
    );

  /** With the same admin port, another primary and other workers. */
  async function untilReplaced(gateway: Gateway, primary: number, workers: readonly number[]): Promise<void> {
    await eventually(() => !isRunning(primary) && !workers.some(isRunning), "the former processes to end", 15_000);
    await eventually(async () => (await readiness(gateway)) === 200, "the new primary to be ready");
    assert.equal(workersOf(gateway).length, 2);
    assert.equal(childrenOf(gateway.process.pid ?? 0).length, 1);
  }

  function noFailure(t: TestContext, load: Load): void {
    t.diagnostic(`${load.done} requests answered, ${load.failures.length} failed, ${load.repeated} HTTP/2 streams repeated`);
    assert.deepEqual(load.failures, []);
  }

  async function endsClean(gateway: Gateway, others: readonly number[] = []): Promise<void> {
    const family = [...others, ...descendantsOf(gateway.process.pid ?? 0)];
    assert.equal((await gateway.stop()).code, 0);
    await eventually(() => !family.some(isRunning), "every process to end");
  }

  it("a primary that is killed costs no request, and a WebSocket lives until its worker drains", async (t) => {
    const gateway = await start();
    try {
      const load = startClients(gateway);
      const socket = await openWebSocket(`ws://127.0.0.1:${gateway.port("plain")}/live`);
      await load.more(50);
      const [primary, workers] = [primaryOf(gateway), workersOf(gateway)];
      const ports = gateway.ports;
      process.kill(primary, "SIGKILL");
      await eventually(() => !isRunning(primary), "the primary to end");
      assert.ok(workers.every(isRunning), "the workers serve on");
      assert.equal(socket.socket.readyState, socket.socket.OPEN);
      await untilReplaced(gateway, primary, workers);
      await load.more(100);
      await load.stop();
      noFailure(t, load);
      assert.deepEqual(gateway.ports, ports);
      assert.match(gateway.stderr(), /the primary ended unexpectedly; its workers serve on/);
      await eventually(() => socket.socket.readyState === socket.socket.CLOSED, "the WebSocket to be closed by the drain");
      await endsClean(gateway, workers);
    } finally {
      await gateway.stop("SIGKILL");
    }
  });

  it("a primary that hangs is killed and replaced, at the cost of no request", async (t) => {
    const gateway = await startGateway(`${configuration()}supervision: { stallTimeout: 1s }\n`, { files: certificates });
    try {
      const load = startClients(gateway);
      await load.more(50);
      const [primary, workers] = [primaryOf(gateway), workersOf(gateway)];
      process.kill(primary, "SIGSTOP");
      await untilReplaced(gateway, primary, workers);
      await load.more(100);
      await load.stop();
      noFailure(t, load);
      assert.match(gateway.stderr(), /the primary hangs: killed/);
      await endsClean(gateway, workers);
    } finally {
      await gateway.stop("SIGKILL");
    }
  });

  it("a primary that is killed again while it starts is started again", async (t) => {
    const gateway = await start();
    try {
      const load = startClients(gateway);
      const [first, workers] = [primaryOf(gateway), workersOf(gateway)];
      for (let victim = first, round = 0; round < 3; round++) {
        process.kill(victim, "SIGKILL");
        victim = await eventually(() => childrenOf(gateway.process.pid ?? 0).find((pid) => pid !== victim), "another primary");
      }
      assert.ok(workers.every(isRunning));
      await untilReplaced(gateway, first, workers);
      await load.more(50);
      await load.stop();
      noFailure(t, load);
      await endsClean(gateway, workers);
    } finally {
      await gateway.stop("SIGKILL");
    }
  });

  it("SIGTERM while the primary is being replaced leaves nothing behind", async () => {
    const gateway = await start();
    try {
      const family = descendantsOf(gateway.process.pid ?? 0);
      process.kill(primaryOf(gateway), "SIGKILL");
      await eventually(() => /ended unexpectedly/.test(gateway.stderr()), "the keeper to notice");
      const later = descendantsOf(gateway.process.pid ?? 0);
      await gateway.stop();
      await eventually(() => ![...family, ...later].some(isRunning), "every process to end");
    } finally {
      await gateway.stop("SIGKILL");
    }
  });

  it("a keeper that is killed costs no request, and the primary stops by signal", async (t) => {
    const gateway = await start();
    const [primary, workers] = [primaryOf(gateway), workersOf(gateway)];
    try {
      const load = startClients(gateway);
      await load.more(50);
      process.kill(gateway.process.pid ?? 0, "SIGKILL");
      await eventually(() => /the keeper process has gone/.test(gateway.stderr()), "the primary to notice");
      // It replaces workers without a keeper, too: they get its own copies of the sockets.
      await load.more(100);
      assert.equal(await readiness(gateway), 200);
      await load.stop();
      noFailure(t, load);
      process.kill(workers[0] as number, "SIGKILL");
      await eventually(() => childrenOf(primary).filter((pid) => pid !== workers[0]).length === 2, "the worker to be replaced");
      await eventually(async () => (await fetchOnce(`http://127.0.0.1:${gateway.port("wire")}/`)).status === 200, "requests to be served");
      const left = descendantsOf(primary);
      process.kill(primary, "SIGTERM");
      await eventually(() => ![primary, ...left].some(isRunning), "every process to end");
    } finally {
      killAll([primary, ...descendantsOf(primary), ...workers]);
      await gateway.stop("SIGKILL");
    }
  });

  it("workers that have lost keeper and primary serve on, rate limits too, and drain on SIGTERM", async (t) => {
    const gateway = await start();
    try {
      const load = startClients(gateway);
      const limited = startLoad({ kind: "new connections", port: gateway.port("wire"), path: "/limited" });
      await limited.more(50);
      const [primary, workers] = [primaryOf(gateway), workersOf(gateway)];
      killAll([gateway.process.pid ?? 0, primary]);
      await eventually(() => !isRunning(primary), "the primary to end");
      await load.more(50);
      await limited.more(50);
      assert.ok(workers.every(isRunning));
      await Promise.all([load.stop(), limited.stop()]);
      noFailure(t, load);
      assert.deepEqual(limited.failures, []);
      for (const pid of workers) process.kill(pid, "SIGTERM");
      await eventually(() => !workers.some(isRunning), "the workers to end");
    } finally {
      await gateway.stop("SIGKILL");
    }
  });

  it("an upgrade costs no request, and moves the admin port", async (t) => {
    const gateway = await start();
    try {
      const load = startClients(gateway);
      await load.more(50);
      const [primary, workers] = [primaryOf(gateway), workersOf(gateway)];
      const socket = await openWebSocket(`ws://127.0.0.1:${gateway.port("plain")}/live`);
      gateway.process.kill("SIGUSR2");
      await eventually(() => /"msg":"draining"/.test(gateway.stderr()), "the old primary to drain");
      assert.equal(socket.socket.readyState, socket.socket.OPEN, "a WebSocket is in no hurry while others serve");
      await untilReplaced(gateway, primary, workers);
      assert.equal((await socket.closed).code, 1001);
      await load.more(100);
      await load.stop();
      noFailure(t, load);
      assert.match(gateway.stderr(), /upgrade: the new primary serves/);
      await endsClean(gateway, workers);
    } finally {
      await gateway.stop("SIGKILL");
    }
  });

  /** Code on disk that an upgrade finds, and the reason that is given for its failure. */
  const BROKEN: readonly (readonly [what: string, code: string, reason: RegExp])[] = [
    ["ends at once", "process.exit(3);", /the new primary ended before it served \(exit code 3\)/],
    ["is killed", 'process.kill(process.pid, "SIGKILL");', /the new primary ended before it served \(SIGKILL\)/],
    [
      "ends when it is its turn, and the old one has let go of the admin port",
      'process.on("message", ({ type }) => type === "takeOver" && process.exit(4)).send({ type: "prepared" });',
      /the new primary ended before it served \(exit code 4\)/,
    ],
  ];

  it("an upgrade to code that fails leaves the old processes as they are, and a later one works", async (t) => {
    const sound = `await import(${JSON.stringify(pathToFileURL(MAIN).href)});`;
    const gateway = await startGateway(configuration(), { files: { ...certificates, "program.mjs": sound }, program: "program.mjs" });
    try {
      const load = startClients(gateway);
      const before = descendantsOf(gateway.process.pid ?? 0);
      const [primary, workers] = [primaryOf(gateway), workersOf(gateway)];
      const program = join(gateway.directory, "program.mjs");
      for (const [what, code, reason] of BROKEN) {
        writeFileSync(program, code);
        gateway.process.kill("SIGUSR2");
        await eventually(() => reason.test(gateway.stderr()), what);
        await load.more(30);
        await eventually(async () => (await readiness(gateway)) === 200, "the admin port to answer");
        assert.deepEqual(descendantsOf(gateway.process.pid ?? 0), before);
      }
      writeFileSync(program, sound);
      gateway.process.kill("SIGUSR2");
      await untilReplaced(gateway, primary, workers);
      await load.stop();
      noFailure(t, load);
      await endsClean(gateway, workers);
    } finally {
      await gateway.stop("SIGKILL");
    }
  });

  it("a listener that is taken out of the configuration frees its port, which an upgrade does not bring back", async () => {
    const gateway = await start();
    const isFree = (): Promise<boolean> =>
      fetchOnce(`http://127.0.0.1:${gateway.port("wire")}/`).then(
        () => false,
        ({ code }: NodeJS.ErrnoException) => code === "ECONNREFUSED",
      );
    try {
      writeFileSync(join(gateway.directory, "windrose.yaml"), configuration().replace(/.*name: wire.*\n/, ""));
      gateway.process.kill("SIGHUP");
      await eventually(isFree, "the port to be free");
      const [primary, workers] = [primaryOf(gateway), workersOf(gateway)];
      gateway.process.kill("SIGUSR2");
      await untilReplaced(gateway, primary, workers);
      assert.ok(await isFree());
      assert.equal((await fetchOnce(`http://127.0.0.1:${gateway.port("plain")}/`)).status, 200);
      await endsClean(gateway, workers);
    } finally {
      await gateway.stop("SIGKILL");
    }
  });

  it("an old primary that is killed during an upgrade does not stop the new one", async (t) => {
    const gateway = await start();
    try {
      const load = startClients(gateway);
      const [primary, workers] = [primaryOf(gateway), workersOf(gateway)];
      gateway.process.kill("SIGUSR2");
      await eventually(() => childrenOf(gateway.process.pid ?? 0).length === 2, "the new primary");
      process.kill(primary, "SIGKILL");
      await untilReplaced(gateway, primary, workers);
      await load.stop();
      noFailure(t, load);
      await endsClean(gateway, workers);
    } finally {
      await gateway.stop("SIGKILL");
    }
  });

  it("SIGTERM in the middle of a roll leaves nothing behind", async () => {
    const gateway = await start();
    try {
      const rolled = configuration().replace("protocol: http }", "protocol: http, timeouts: { connectionAge: 1m } }");
      writeFileSync(join(gateway.directory, "windrose.yaml"), rolled);
      gateway.process.kill("SIGHUP");
      await eventually(() => workersOf(gateway).length > 2, "a new worker beside the old");
      const family = descendantsOf(gateway.process.pid ?? 0);
      assert.equal((await gateway.stop()).code, 0);
      await eventually(() => !family.some(isRunning), "every process to end");
    } finally {
      await gateway.stop("SIGKILL");
    }
  });

  it("SIGTERM in the middle of an upgrade leaves nothing behind", async () => {
    const gateway = await start();
    try {
      gateway.process.kill("SIGUSR2");
      await eventually(() => workersOf(gateway).length > 2, "new workers beside the old");
      const family = descendantsOf(gateway.process.pid ?? 0);
      await gateway.stop();
      await eventually(() => !family.some(isRunning), "every process to end");
      assert.ok(family.every((pid) => parentOf(pid) === 0 || !isRunning(pid)));
    } finally {
      await gateway.stop("SIGKILL");
    }
  });
});
