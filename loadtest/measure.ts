/** Measures one scenario: starts all contestants, sees that each does the job, then lets them take turns. */
import { mkdirSync, readFileSync, truncateSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Fixtures } from "./fixtures.js";
import { measureIdle } from "./idle.js";
import { type LoadResult, type LoadTarget, runAtRate, runLoad } from "./load.js";
import type { BenchOptions } from "./options.js";
import type { Peer, RunningPeer } from "./peers/peer.js";
import { cpuSeconds, processTree, residentBytes, stop } from "./processes.js";
import { type ContestantResult, type LoadSample, medianOf, type ScenarioResult } from "./results.js";
import type { PeerName, Scenario } from "./scenarios.js";
import { verify } from "./verify.js";

export interface Bench {
  readonly options: BenchOptions;
  readonly fixtures: Fixtures;
  /** Temporary; removed at the end. */
  readonly directory: string;
  readonly backendPort: number;
  /** The service that speaks gRPC. */
  readonly grpcPort: number;
  readonly idleClientPath: string;
  say(line: string): void;
}

interface Contestant {
  readonly peer: Peer;
  readonly running: RunningPeer;
  readonly target: LoadTarget;
  readonly result: ContestantResult;
}

/** A contestant that keeps this share of the rate counts as having kept up. */
const KEPT_SHARE = 0.97;
/** The main three: the fixed rate is chosen so that each of them has room. */
const PACE_MAKERS: readonly PeerName[] = ["windrose", "nginx", "haproxy"];

export async function measureScenario(bench: Bench, scenario: Scenario, peers: readonly Peer[]): Promise<ScenarioResult> {
  const result: ScenarioResult = { scenario, contestants: [], rate: 0, remarks: [] };
  bench.say(`\n${scenario.title}`);
  const contestants: Contestant[] = [];
  try {
    for (const peer of peers) {
      const contestant = await attempt(bench, result, peer.label, () => enter(bench, scenario, peer, contestants.length));
      if (contestant !== null) contestants.push(contestant);
    }
    for (let round = 1; round <= bench.options.rounds; round++) await playRound(bench, result, contestants, round);
    if (scenario.hasFixedRate) await playFixedRate(bench, result, contestants);
  } finally {
    for (const { running } of contestants) await stop(running.pid);
  }
  result.contestants.push(...contestants.map((contestant) => contestant.result));
  return result;
}

/** A contestant that fails is left out with a remark; its earlier figures stay visible, marked by it. */
async function attempt<T>(bench: Bench, result: ScenarioResult, label: string, action: () => Promise<T>): Promise<T | null> {
  try {
    return await action();
  } catch (error) {
    const remark = `${label}: ${(error as Error).message}`;
    if (!result.remarks.includes(remark)) result.remarks.push(remark);
    bench.say(`  ${remark}`);
    return null;
  }
}

async function enter(bench: Bench, scenario: Scenario, peer: Peer, index: number): Promise<Contestant> {
  const { options, fixtures } = bench;
  const backendPort = scenario.isGrpc ? bench.grpcPort : bench.backendPort;
  const directory = join(bench.directory, `${scenario.name}-${index}-${peer.name}`);
  mkdirSync(directory, { recursive: true });
  const port = await freePort();
  const running = await peer.start({
    scenario,
    fixtures,
    directory,
    core: options.gatewayCore,
    loadCore: options.loadCore,
    port,
    backendPort,
  });
  const target = {
    scenario,
    fixtures,
    port,
    routes: peer.routes,
    directory,
    core: options.loadCore,
    connections: scenario.connections || options.connections,
  };
  const result = { name: peer.name, label: peer.label, routes: peer.routes, version: peer.version() ?? "", load: [], rate: [], idle: [] };
  try {
    await verify(scenario, fixtures, port, peer.routes);
    // Memory that load has claimed would hide what idle connections need.
    if (scenario.kind === "load") await runLoad(target, options.warmUpSeconds);
  } catch (error) {
    await stop(running.pid);
    throw error;
  }
  return { peer, running, target, result };
}

async function playRound(bench: Bench, result: ScenarioResult, contestants: readonly Contestant[], round: number): Promise<void> {
  const { scenario } = result;
  for (const contestant of contestants) {
    const { label } = contestant.peer;
    if (scenario.kind === "idle") {
      const measure = () =>
        measureIdle(scenario, contestant.running, bench.idleClientPath, contestant.target.directory, bench.options.loadCore);
      // Memory once given to connections is seldom given back: only the first reading means anything.
      const sample = round === 1 ? await attempt(bench, result, label, measure) : null;
      if (sample === null) continue;
      contestant.result.idle.push(sample);
      bench.say(`  ${label}: ${(sample.grownBytes / 2 ** 20).toFixed(1)} MiB for ${sample.connections} connections`);
    } else {
      const sample = await attempt(bench, result, label, () => measureLoad(bench, contestant, result));
      if (sample === null) continue;
      contestant.result.load.push(sample);
      bench.say(
        `  round ${round}  ${label}: ${sample.cpuMicrosPerRequest.toFixed(1)} µs/request, ${Math.round(sample.requestsPerSecond)}/s`,
      );
    }
  }
}

async function measureLoad(bench: Bench, { peer, running, target }: Contestant, result: ScenarioResult): Promise<LoadSample> {
  const { seconds } = bench.options;
  const pids = processTree(running.pid);
  const worker = running.workerPid === null ? [] : [running.workerPid];
  if (running.accessLogPath !== null) truncateSync(running.accessLogPath);
  const countedBefore = (await running.countRequests?.()) ?? 0;
  const cpuBefore = cpuSeconds(pids);
  const workerCpuBefore = cpuSeconds(worker);
  const load = await runLoad(target, seconds);
  const cpu = cpuSeconds(pids) - cpuBefore;
  const workerCpu = cpuSeconds(worker) - workerCpuBefore;
  await checkBooks(running, load, countedBefore, peer.label, result);
  return {
    ...load,
    cpuMicrosPerRequest: (cpu / load.requests) * 1e6,
    workerCpuMicrosPerRequest: worker.length === 0 ? null : (workerCpu / load.requests) * 1e6,
    coreShare: cpu / seconds,
    residentBytes: residentBytes(pids),
  };
}

/** The contestant's own counters and its log must agree with the load generator: work left undone would flatter it. */
async function checkBooks(
  running: RunningPeer,
  load: LoadResult,
  countedBefore: number,
  label: string,
  result: ScenarioResult,
): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 300));
  const remark = (text: string) => {
    if (!result.remarks.includes(text)) result.remarks.push(text);
  };
  if (running.countRequests !== null && (await running.countRequests()) - countedBefore < load.requests) {
    remark(`${label}: its metrics counted fewer requests than were answered`);
  }
  if (running.accessLogPath === null) return;
  const lines = countLines(running.accessLogPath);
  if (lines < load.requests * 0.99)
    remark(`${label}: logged only ${((lines / load.requests) * 100).toFixed(1)} % of the requests in a round`);
}

function countLines(path: string): number {
  let lines = 0;
  for (const byte of readFileSync(path)) if (byte === 10) lines++;
  return lines;
}

/** p99 under saturation says how fast a contestant is, not how even: at one rate for all it can be compared. */
async function playFixedRate(bench: Bench, result: ScenarioResult, contestants: readonly Contestant[]): Promise<void> {
  const { options } = bench;
  const paces = contestants.filter(({ peer, result: { load } }) => PACE_MAKERS.includes(peer.name) && load.length > 0);
  const slowest = Math.min(...paces.map((contestant) => medianOf(contestant.result.load, (sample) => sample.requestsPerSecond)));
  const rate = options.rate > 0 ? options.rate : Math.floor(slowest / 2 / options.connections) * options.connections;
  if (!Number.isFinite(rate) || rate < options.connections) return;
  result.rate = rate;
  for (let round = 1; round <= Math.min(3, options.rounds); round++) {
    for (const { peer, target, result: figures } of contestants) {
      const sample = await attempt(bench, result, `${peer.label} at ${rate}/s`, () => runAtRate(target, rate, options.seconds));
      if (sample === null) continue;
      const hasKeptRate = sample.answeredShare >= KEPT_SHARE;
      figures.rate.push({ p50Ms: sample.p50Ms, p99Ms: sample.p99Ms, hasKeptRate });
      bench.say(`  ${rate}/s  ${peer.label}: p99 ${sample.p99Ms.toFixed(2)} ms${hasKeptRate ? "" : " (could not keep up)"}`);
    }
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
