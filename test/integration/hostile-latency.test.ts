/**
 * Healthy clients while hostile ones attack in every slow way at once and flood besides: each is served, about as soon as
 * otherwise, from a worker that stays small. The attacks are those of `npm run hostile`, in processes of their own; what a
 * busy machine does to latency shows at the service as well, which is asked directly at the same time.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Child } from "../../loadtest/child.js";
import type { AttackReport } from "../../loadtest/hostile/attacker.js";
import type { BackendReport } from "../../loadtest/hostile/backend.js";
import { probe, startAttack, startBackend } from "../../loadtest/hostile/children.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { workerPid } from "../support/processes.js";
import { metric, peakMiB, residentMiB, untilIdle } from "./attack-support.js";

/** Bodies that trickle are cut after five seconds, and their connections two seconds later: the attack lasts longer. */
const HEALTHY = { isTls: false, rate: 25, seconds: 8 };
const ALONE = { isTls: false, rate: 100, seconds: 1 };
/** Attack → connections at once. */
const SIZES = { slowloris: 150, "slow-bodies": 150, "slow-readers": 40, connections: 50 } as const;
/** The readers ask for 400 MiB together. */
const MAX_GROWTH_MIB = 120;

describe("under attack", () => {
  let backend: { child: Child<BackendReport>; port: number };
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
      attackers.set(name, startAttack({ name, size, target: { httpPort: port, httpsPort: 0 } }));
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
