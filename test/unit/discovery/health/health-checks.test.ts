import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, it } from "node:test";
import {
  createHealthChecks,
  type FollowedService,
  type HealthChecks,
  type ServiceHealth,
} from "../../../../src/discovery/health/health-checks.js";
import type { HealthSpec } from "../../../../src/engine/model/snapshot.js";
import { eventually } from "../../../support/gateway.js";
import { endpointSpec } from "../../engine/balancing/endpoints.js";

const HEALTH: HealthSpec = {
  probe: { type: "http", method: "GET", path: "/", host: "", statuses: [{ from: 200, to: 299 }], port: 0 },
  intervalMs: 50,
  timeoutMs: 1_000,
  unhealthyAfter: 2,
  healthyAfter: 1,
};

/** Many addresses of 127/8 that one server answers for; those in `failing` get 500. */
async function startMany() {
  const failing = new Set<string>();
  const waiting: (() => void)[] = [];
  const state = { failing, waiting, isHolding: false, atOnce: 0, mostAtOnce: 0, asked: 0 };
  const server = createServer((request, response) => {
    state.asked++;
    state.mostAtOnce = Math.max(state.mostAtOnce, ++state.atOnce);
    const answer = (): void => {
      state.atOnce--;
      response.writeHead(failing.has(request.socket.localAddress ?? "") ? 500 : 200).end();
    };
    if (state.isHolding) waiting.push(answer);
    else answer();
  });
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  return Object.assign(state, { port: (server.address() as AddressInfo).port, close: () => server.close() });
}

describe("health checks of many endpoints", () => {
  const open: { close(): unknown }[] = [];
  after(() => {
    for (const each of open) each.close();
  });

  function follow(): { checks: HealthChecks; told: ServiceHealth[] } {
    const told: ServiceHealth[] = [];
    const checks = createHealthChecks({ onChange: (health) => told.push(health), log: () => undefined, random: Math.random });
    open.push({ close: () => checks.stop() });
    return { checks, told };
  }

  function service(hosts: readonly string[], port: number, health: HealthSpec | null = HEALTH): FollowedService {
    return { name: "app", endpoints: hosts.map((host) => endpointSpec(host, { port })), protocol: "http1", tls: null, health };
  }

  const hostsOf = (count: number) => Array.from({ length: count }, (_, index) => `127.0.${1 + (index >> 8)}.${index & 255}`);

  it("never has more than 64 under way, and tells of hundreds of changes in a few messages", async () => {
    const many = await startMany();
    open.push(many);
    const hosts = hostsOf(300);
    many.isHolding = true;
    const { checks, told } = follow();
    for (const host of hosts) many.failing.add(host);
    checks.follow([service(hosts, many.port)]);
    await eventually(() => many.waiting.length === 64, "64 are under way");
    many.isHolding = false;
    for (const answer of many.waiting.splice(0)) answer();
    await eventually(() => told.at(-1)?.unhealthy.length === 300, "all are known to be unhealthy");
    assert.ok(many.mostAtOnce <= 64);
    assert.ok(told.length < 100, `${told.length} messages`);
    assert.deepEqual(
      told.map(({ version }) => version),
      told.map((_, index) => index + 1),
    );
  });

  it("keeps what is known of endpoints that stay, and forgets the others", async () => {
    const many = await startMany();
    open.push(many);
    const [a, b, c] = hostsOf(3) as [string, string, string];
    const { checks, told } = follow();
    many.failing.add(a);
    many.failing.add(b);
    checks.follow([service([a, b], many.port)]);
    await eventually(() => told.at(-1)?.unhealthy.length === 2, "both are unhealthy");
    many.isHolding = true;
    checks.follow([service([b, c], many.port)]);
    await eventually(() => told.at(-1)?.unhealthy.length === 1, "one is gone");
    assert.deepEqual(told.at(-1)?.unhealthy, [`${b}:${many.port}`]);
    assert.equal(checks.recordOf("app", `${a}:${many.port}`), null);
    assert.equal(checks.recordOf("app", `${b}:${many.port}`)?.state, "unhealthy");
    assert.equal(checks.recordOf("app", `${c}:${many.port}`)?.state, "unknown");
    assert.deepEqual(checks.state()[0]?.unhealthy, [`${b}:${many.port}`]);
    checks.follow([service([b, c], many.port, null)]);
    await eventually(() => told.at(-1)?.unhealthy.length === 0, "nothing is said of it any more");
    assert.deepEqual(checks.state(), []);
    for (const answer of many.waiting.splice(0)) answer();
  });

  it("keeps the last five results, and asks nobody after it has been stopped", async () => {
    const many = await startMany();
    open.push(many);
    const { checks } = follow();
    checks.follow([service(["127.0.0.1"], many.port)]);
    const id = `127.0.0.1:${many.port}`;
    await eventually(() => many.asked > 8, "it is checked again and again");
    const record = checks.recordOf("app", id);
    assert.equal(record?.checks.length, 5);
    assert.ok(record?.checks.every(({ text }) => text === "answered with status 200"));
    checks.stop();
    assert.equal(checks.recordOf("app", id), null);
    // A source may tell of endpoints for a little longer.
    checks.follow([service(["127.0.0.1", "127.0.0.3"], many.port)]);
    assert.equal(checks.recordOf("app", id), null);
    await eventually(() => many.atOnce === 0, "the last one is answered");
    const { asked } = many;
    const { checks: others } = follow();
    others.follow([service(["127.0.0.2"], many.port)]);
    await eventually(() => (others.recordOf("app", `127.0.0.2:${many.port}`)?.checks.length ?? 0) >= 5, "another one goes on");
    const ownChecks = 6;
    assert.ok(many.asked - asked <= ownChecks);
  });

  it("says what failed when a name has several addresses", async () => {
    const { checks, told } = follow();
    checks.follow([service(["localhost"], 1)]);
    await eventually(() => told.length > 0, "nobody is there");
    assert.match(checks.recordOf("app", "localhost:1")?.checks[0]?.text ?? "", /^connect E/);
  });
});
