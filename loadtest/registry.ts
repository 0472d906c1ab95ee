/**
 * What the built-in registry costs: 10,000 instances in 50 services, each on a connection of its own with a heartbeat every 10 s; then as many
 * heartbeats as go. In memory and in a real Redis; CPU time of the primary and of redis-server, read from /proc. The gateway is held to one
 * core, Redis and the clients to the other. After `npm run build`: node dist/loadtest/registry.js [--instances 10000] [--seconds 20] [--store memory,redis]
 */
import { execFileSync } from "node:child_process";
import { Agent, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startGateway } from "../test/support/gateway.js";
import { primaryOf } from "../test/support/processes.js";
import { startRedis } from "../test/support/redis.js";
import { cpuSeconds, processTree, residentBytes } from "./processes.js";

const SERVICES = 50;
const PERIOD_SECONDS = 10;
const STEPS_PER_SECOND = 20;
const BURST_SECONDS = 5;
const BURST_CONNECTIONS = 64;
const TOKEN = "token-of-the-load-test-0123456789";
const CORES = { gateway: "0", clients: "1" };

interface Target {
  readonly port: number;
  readonly primary: number;
  /** 0: none. */
  readonly redis: number;
}

interface Answers {
  readonly latenciesMs: number[];
  failed: number;
}

const { values } = parseArgs({
  options: {
    instances: { type: "string", default: "10000" },
    seconds: { type: "string", default: "20" },
    store: { type: "string", default: "memory,redis" },
  },
});
const INSTANCES = Number(values.instances);
const SECONDS = Number(values.seconds);

function configuration(store: string): string {
  return `
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: s0 }] }]
services: [${Array.from({ length: SERVICES }, (_, i) => `{ name: s${i}, endpoints: { registry: {} } }`).join(", ")}]
registry: { serve: true, bind: "127.0.0.1:0", tokens: [{ name: all, token: ${TOKEN}, services: ["*"] }], ${store} }
admin: { bind: "127.0.0.1:0" }
telemetry: { accessLog: { path: "off" } }
workers: 1
`;
}

function pathOf(i: number): string {
  return `/v1/services/s${i % SERVICES}/instances/i${i}`;
}

/** One connection for each instance, as real ones have. */
const agents = new Map<number, Agent>();

function agentOf(i: number): Agent {
  const agent = agents.get(i) ?? new Agent({ keepAlive: true, maxSockets: 1 });
  agents.set(i, agent);
  return agent;
}

function ask(
  agent: Agent,
  port: number,
  { method, path, body }: { method: string; path: string; body?: string },
  answers: Answers,
): Promise<void> {
  const begun = performance.now();
  const headers = { authorization: `Bearer ${TOKEN}`, ...(body === undefined ? {} : { "content-type": "application/json" }) };
  return new Promise((resolve) => {
    const end = (isGood: boolean): void => {
      if (!isGood) answers.failed++;
      answers.latenciesMs.push(performance.now() - begun);
      resolve();
    };
    request({ agent, port, host: "127.0.0.1", method, path, headers }, (response) => {
      const isGood = (response.statusCode ?? 500) < 300;
      response.resume().once("end", () => end(isGood));
    })
      .once("error", () => end(false))
      .end(body);
  });
}

async function inTurn(count: number, connections: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const line = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: connections }, line));
}

function say(what: string, { latenciesMs, failed }: Answers, seconds: number, used: string): void {
  const sorted = latenciesMs.sort((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1);
  const rate = Math.round(sorted.length / seconds);
  process.stdout.write(
    `  ${what}: ${sorted.length} in ${seconds.toFixed(1)} s (${rate}/s), ${failed} failed, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms; ${used}\n`,
  );
}

function used({ primary, redis }: Target): () => string {
  const before = [cpuSeconds([primary]), redis === 0 ? 0 : cpuSeconds([redis])] as const;
  const begun = performance.now();
  return () => {
    const seconds = (performance.now() - begun) / 1000;
    const share = (now: number, then: number): string => `${(((now - then) / seconds) * 100).toFixed(1)}% of a core`;
    const ofRedis = redis === 0 ? "" : `, Redis ${share(cpuSeconds([redis]), before[1])}`;
    return `primary ${share(cpuSeconds([primary]), before[0])}${ofRedis}, ${Math.round(residentBytes([primary]) / 2 ** 20)} MiB`;
  };
}

async function measure(target: Target): Promise<void> {
  const { port } = target;
  const registered: Answers = { latenciesMs: [], failed: 0 };
  let cost = used(target);
  let begun = performance.now();
  const body = (i: number): string =>
    JSON.stringify({ address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:80`, lease: "30s", version: "v1", labels: { a: "b" } });
  await inTurn(INSTANCES, BURST_CONNECTIONS, (i) => ask(agentOf(i), port, { method: "PUT", path: pathOf(i), body: body(i) }, registered));
  say("register", registered, (performance.now() - begun) / 1000, cost());
  await delay(2_000);
  const idle = used(target);
  await delay(5_000);
  process.stdout.write(`  without heartbeats: ${idle()}\n`);
  const beats: Answers = { latenciesMs: [], failed: 0 };
  cost = used(target);
  begun = performance.now();
  const perStep = INSTANCES / PERIOD_SECONDS / STEPS_PER_SECOND;
  const pending: Promise<void>[] = [];
  for (let step = 0; step < SECONDS * STEPS_PER_SECOND; step++) {
    await delay(Math.max(0, begun + (step * 1000) / STEPS_PER_SECOND - performance.now()));
    for (let k = 0; k < perStep; k++) {
      const i = (step * perStep + k) % INSTANCES;
      pending.push(ask(agentOf(i), port, { method: "POST", path: `${pathOf(i)}/heartbeat` }, beats));
    }
  }
  await Promise.all(pending);
  say("heartbeats", beats, (performance.now() - begun) / 1000, cost());
  const burst: Answers = { latenciesMs: [], failed: 0 };
  cost = used(target);
  begun = performance.now();
  const until = begun + BURST_SECONDS * 1000;
  const line = async (_: unknown, first: number): Promise<void> => {
    for (let i = first; performance.now() < until; i += BURST_CONNECTIONS) {
      await ask(agentOf(i % INSTANCES), port, { method: "POST", path: `${pathOf(i % INSTANCES)}/heartbeat` }, burst);
    }
  };
  await Promise.all(Array.from({ length: BURST_CONNECTIONS }, line));
  say("as many as go", burst, (performance.now() - begun) / 1000, cost());
  for (const agent of agents.values()) agent.destroy();
  agents.clear();
}

async function run(store: string): Promise<void> {
  process.stdout.write(`${store}, ${INSTANCES} instances\n`);
  const redis = store === "redis" ? await startRedis() : null;
  const gateway = await startGateway(
    configuration(redis === null ? "" : `store: redis, redis: { url: "redis://127.0.0.1:${redis.port}" }`),
  );
  try {
    for (const pid of processTree(gateway.process.pid ?? 0))
      execFileSync("taskset", ["-a", "-p", "-c", CORES.gateway, `${pid}`], { stdio: "ignore" });
    for (const pid of [process.pid, redis?.pid ?? process.pid])
      execFileSync("taskset", ["-a", "-p", "-c", CORES.clients, `${pid}`], { stdio: "ignore" });
    const port = Number(new URL(gateway.registryUrl).port);
    await measure({ port, primary: primaryOf(gateway), redis: redis?.pid ?? 0 });
  } finally {
    await gateway.stop();
    await redis?.stop();
  }
}

for (const store of values.store.split(",")) await run(store);
