/**
 * Healthy clients while hostile ones attack in every slow way at once and flood besides: each is served, about as soon as
 * otherwise, from a worker that stays small. The attacks are those of `npm run hostile`, in processes of their own; what a
 * busy machine does to latency shows at the service as well, which is asked directly at the same time.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Child } from "../../loadtest/child.js";
import type { AttackReport } from "../../loadtest/hostile/attacker.js";
import { type Backend, probe, startAttack, startBackend } from "../../loadtest/hostile/children.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { workerPid } from "../support/processes.js";
import { metric, peakMiB, residentMiB, untilIdle } from "./attack-support.js";

/** Bodies that trickle are cut after five seconds, and their connections two seconds later: the attack lasts longer. */
const HEALTHY = { isTls: false, prefix: "", rate: 25, seconds: 8 };
const ALONE = { isTls: false, prefix: "", rate: 100, seconds: 1 };
/** Attack → connections at once. */
const SIZES = { slowloris: 150, "slow-bodies": 150, "slow-readers": 40, connections: 50 } as const;
/** The readers ask for 400 MiB together. */
const MAX_GROWTH_MIB = 120;

describe("under attack", () => {
  let backend: Backend;
  let gateway: Gateway;
  const attackers = new Map<string, Child<AttackReport>>();

  before(async () => {
    backend = await startBackend("");
    gateway = await startGateway(`
listeners: [{ name: public, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: app }] }]
services: [{ name: app, endpoints: { static: [{ address: "127.0.0.1:${backend.port}" }] } }]
telemetry: { accessLog: { path: off } }
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
  });
  after(async () => {
    for (const attacker of attackers.values()) attacker.kill();
    await gateway?.stop();
    backend?.child.kill();
  });

  it("healthy clients are all served, about as soon as otherwise, from a worker that stays small", { timeout: 60_000 }, async () => {
    const port = gateway.port("public");
    const worker = workerPid(gateway);
    const alone = await probe({ ...ALONE, port });
    const residentBefore = residentMiB(worker);

    for (const [name, size] of Object.entries(SIZES)) {
      attackers.set(name, startAttack({ name, size, target: { httpPort: port, httpsPort: 0, h2cPort: 0, prefix: "" } }));
    }
    const isUp = (): boolean => [...attackers.values()].every((attacker) => attacker.report?.isUp === true);
    await eventually(isUp, "all attacks to be up");
    const [healthy, direct] = await Promise.all([probe({ ...HEALTHY, port }), probe({ ...HEALTHY, port: backend.port })]);

    assert.deepEqual([direct.errors, direct.firstError, healthy.errors, healthy.firstError], [0, "", 0, ""]);
    assert.ok(healthy.requests >= 200, `${healthy.requests} healthy requests`);
    const boundMs = 50 + 10 * (alone.p50Ms + direct.p50Ms);
    assert.ok(healthy.p50Ms < boundMs, `median ${healthy.p50Ms} ms, alone ${alone.p50Ms} ms, at the service ${direct.p50Ms} ms`);
    const grown = peakMiB(worker) - residentBefore;
    assert.ok(grown < MAX_GROWTH_MIB, `${Math.round(grown)} MiB more`);
    const isCut = (): boolean => (attackers.get("slow-bodies")?.report?.cut ?? 0) >= SIZES["slow-bodies"];
    await eventually(isCut, "every trickling body to be cut");
    assert.equal(workerPid(gateway), worker, "the worker is still the first one");
  });

  it("nothing of it is left once the attackers have gone", { timeout: 60_000 }, async () => {
    for (const attacker of attackers.values()) attacker.kill();
    await untilIdle(gateway);
    await eventually(async () => (await metric(gateway, "windrose_downstream_connections")) === 0, "no connections", 20_000);
    assert.doesNotMatch(gateway.stderr(), /ended unexpectedly|bug/);
  });
});

/** Two attackers for each place at the service, none of them slow enough for the limits that every client has. */
const FEW = 12;
const CROWD = 2 * FEW;
/** All pairs of listeners and services are in slow-clients.test.ts; these are told by their latency. */
const CROWDS = [
  { name: "crowd-readers", listener: "http", version: "http1" },
  { name: "stream-bodies", listener: "h2c", version: "http2" },
] as const;

describe("more slow clients than a service has places", () => {
  let backend: Backend;
  let gateway: Gateway;

  before(async () => {
    backend = await startBackend("");
    gateway = await startGateway(`
listeners:
  - { name: http, bind: "127.0.0.1:0", protocol: http }
  - { name: h2c, bind: "127.0.0.1:0", protocol: h2c }
routes:
  - { name: http1, match: [{ path: { type: PathPrefix, value: /http1 } }], backends: [{ service: http1 }], timeouts: { request: 0s } }
  - { name: http2, match: [{ path: { type: PathPrefix, value: /http2 } }], backends: [{ service: http2 }], timeouts: { request: 0s } }
services:
  - { name: http1, circuit: { maxConnections: ${FEW} }, endpoints: { static: [{ address: "127.0.0.1:${backend.port}" }] } }
  - name: http2
    protocol: h2c
    circuit: { maxConnections: 1 }
    http2: { maxConcurrentStreams: ${FEW} }
    endpoints: { static: [{ address: "127.0.0.1:${backend.http2Port}" }] }
telemetry: { accessLog: { path: off } }
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
  });
  after(async () => {
    await gateway?.stop();
    backend?.child.kill();
  });

  for (const { name, listener, version } of CROWDS) {
    it(`${name} over ${listener}: others are served by an ${version} service as soon as otherwise`, { timeout: 60_000 }, async () => {
      const ports = { httpPort: gateway.port("http"), httpsPort: 0, h2cPort: gateway.port("h2c") };
      const prefix = `/${version}`;
      const healthy = { port: gateway.port(listener), isTls: false, prefix };
      const attacker = startAttack({ name, size: CROWD, target: { ...ports, prefix } });
      try {
        await eventually(async () => (await metric(gateway, "http_server_active_requests")) >= CROWD, "the attack to be up");
        // What came with the first wave may still wait for its turn.
        const isCalm = async (): Promise<boolean> => (await probe({ ...healthy, rate: 20, seconds: 0.5 })).errors === 0;
        await eventually(isCalm, "the first wave to be over", 15_000);
        const [served, direct] = await Promise.all([
          probe({ ...healthy, rate: 25, seconds: 3 }),
          probe({ ...healthy, port: backend.port, rate: 25, seconds: 3 }),
        ]);
        assert.deepEqual([served.errors, served.firstError], [0, ""]);
        const boundMs = 50 + 20 * direct.p50Ms;
        assert.ok(served.p50Ms < boundMs, `median ${served.p50Ms} ms, at the service ${direct.p50Ms} ms`);
        assert.ok(served.maxMs < 2_000 + 20 * direct.maxMs, `at most ${served.maxMs} ms, at the service ${direct.maxMs} ms`);
      } finally {
        attacker.kill();
      }
      await untilIdle(gateway);
    });
  }

  it("the worker has survived it", () => {
    assert.doesNotMatch(gateway.stderr(), /ended unexpectedly|bug/);
  });
});
