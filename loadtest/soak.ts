/**
 * `npm run soak`: a real gateway between clients and services that misbehave at random, for as long as asked. It passes
 * when nothing crashed, grew, got stuck or was answered wrongly. The parts are in soak/.
 */
import { existsSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { tcpMemoryAborts } from "../test/support/tcp-memory.js";
import type { Child } from "./child.js";
import { writeFixtures } from "./fixtures.js";
import type { Metrics } from "./metrics.js";
import { cpuSeconds, killEverything } from "./processes.js";
import { startLoad, startServices } from "./soak/children.js";
import { complaints, DRAIN_MS, type SoakedGateway, startGateway, UPSTREAM_KEEP_ALIVE_MS } from "./soak/gateway.js";
import type { LoadReport } from "./soak/load.js";
import { readSoakOptions, SOAK_USAGE, type SoakOptions } from "./soak/options.js";
import type { ServicesReport } from "./soak/services.js";
import { formatResult, progressLine } from "./soak/summary.js";
import { failuresOf, type GatewayCounts, type Leftovers, type SoakResult } from "./soak/verdict.js";
import { growthOf, openDescriptors, type Sample, takeSample } from "./soak/watch.js";

interface Run {
  readonly options: SoakOptions;
  readonly gateway: SoakedGateway;
  readonly services: Child<ServicesReport>;
  readonly load: Child<LoadReport>;
  readonly descriptorsBefore: number;
  readonly tcpMemoryAbortsBefore: number;
  readonly samples: Sample[];
  readonly accidents: string[];
}

const MAIN = fileURLToPath(new URL("../src/main.js", import.meta.url));
const SAMPLE_MS = 1_000;
const PROGRESS_SECONDS = 30;
/** Longer than the longest exchange. */
const STOP_MS = 60_000;
/** uWebSockets.js closes connections that say nothing after 10 to 14 s. */
const DOWNSTREAM_MS = 20_000;
const MAX_LOG_BYTES = 200 * 1024 * 1024;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(args: readonly string[]): Promise<number> {
  const options = readSoakOptions(args);
  if (options === null) {
    say(SOAK_USAGE);
    return 0;
  }
  const directory = mkdtempSync(join(tmpdir(), "windrose-soak-"));
  if (options.keepsDirectory) say(`Configuration and logs are in ${directory}`);
  else process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const run = await start(options, directory);
  const coreShare = await soak(run);
  const leftovers = await settle(run);
  const result = await finish(run, leftovers, coreShare);
  const failures = failuresOf(result, DRAIN_MS);
  say(`\n${formatResult(result, failures)}`);
  if (options.outPath !== "") writeFileSync(options.outPath, `${JSON.stringify({ failures, ...result }, null, 1)}\n`);
  return failures.length === 0 ? 0 : 1;
}

async function start(options: SoakOptions, directory: string): Promise<Run> {
  const { seed, gatewayCores, loadCores, workers } = options;
  const fixtures = writeFixtures(directory);
  const { child: services, ports } = await startServices(seed, loadCores);
  process.once("exit", () => services.kill());
  const gateway = await startGateway({
    mainPath: MAIN,
    directory,
    fixtures,
    workers,
    cores: gatewayCores,
    servicePorts: ports,
    logsAll: options.keepsDirectory,
  });
  const load = startLoad(
    { ...options, ...fixtures, ports: gateway.ports, webSocketPort: options.isWebSocketDirect ? (ports.socket[0] ?? 0) : 0 },
    loadCores,
  );
  process.once("exit", () => load.kill());
  const descriptorsBefore = gateway.workerPids.reduce((sum, pid) => sum + openDescriptors(pid), 0);
  say(`Seed ${seed}: ${options.clients} clients, ${options.webSockets} WebSocket clients, ${workers} workers, for ${options.seconds} s`);
  return { options, gateway, services, load, descriptorsBefore, tcpMemoryAbortsBefore: tcpMemoryAborts(), samples: [], accidents: [] };
}

// ── Under load ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Returns what the gateway used of a core; early when a process of the run has ended. */
async function soak(run: Run): Promise<number> {
  const startedAt = performance.now();
  const pids = [run.gateway.pid, ...run.gateway.workerPids];
  const cpuBefore = cpuSeconds(pids);
  let requestsBefore = 0;
  for (let second = 1; second <= run.options.seconds; second++) {
    await delay(Math.max(0, startedAt + second * SAMPLE_MS - performance.now()));
    if (!sample(run, second)) return 0;
    if (second % PROGRESS_SECONDS !== 0) continue;
    requestsBefore = await showProgress(run, requestsBefore);
    boundLog(run.gateway.accessLogPath);
  }
  return (cpuSeconds(pids) - cpuBefore) / run.options.seconds;
}

function sample({ gateway, load, services, samples, accidents }: Run, second: number): boolean {
  try {
    samples.push(takeSample(gateway.pid, gateway.workerPids, second));
  } catch (error) {
    accidents.push(`after ${second} s a process of the gateway is gone: ${(error as Error).message}`);
  }
  for (const { end } of [load, services]) if (end !== "") accidents.push(`after ${second} s ${end}`);
  return accidents.length === 0;
}

async function showProgress(run: Run, requestsBefore: number): Promise<number> {
  const { load, services, samples, gateway } = run;
  const last = samples.at(-1);
  if (load.report === null || services.report === null || last === undefined) return requestsBefore;
  const { requests } = load.report.http;
  const requestsPerSecond = (requests - requestsBefore) / PROGRESS_SECONDS;
  say(progressLine({ sample: last, load: load.report, services: services.report, metrics: await gateway.metrics(), requestsPerSecond }));
  return requests;
}

/** As log rotation by copying does it. */
function boundLog(path: string): void {
  if (existsSync(path) && statSync(path).size > MAX_LOG_BYTES) truncateSync(path);
}

// ── Afterwards ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Stops the load and waits until nothing of it is left, or ought not to be any more. */
async function settle(run: Run): Promise<Leftovers> {
  const { load, services, gateway, descriptorsBefore } = run;
  if (load.end === "") load.send("stop");
  await until(() => load.end !== "" || load.report?.isStopped === true, STOP_MS);
  const stoppedAt = performance.now();
  const metric = async (name: string): Promise<number> => (await gateway.metrics()).sum(name);
  const isQuiet = async (): Promise<boolean> =>
    (await metric("http_server_active_requests")) === 0 && (await metric("windrose_downstream_connections")) === 0;
  await until(isQuiet, DOWNSTREAM_MS);
  const downstreamSeconds = (performance.now() - stoppedAt) / 1000;
  await until(() => Object.values(services.report?.open ?? {}).every((count) => count === 0), UPSTREAM_KEEP_ALIVE_MS * 2);
  const descriptors = (): number => gateway.workerPids.reduce((sum, pid) => sum + openDescriptors(pid), 0);
  await until(() => descriptors() <= descriptorsBefore, SAMPLE_MS * 2);
  return {
    activeClients: load.report?.active ?? 0,
    activeExchanges: await metric("http_server_active_requests"),
    downstreamConnections: await metric("windrose_downstream_connections"),
    downstreamSeconds,
    upstreamConnections: services.report?.open ?? {},
    descriptorsBefore,
    descriptorsAfter: descriptors(),
  };
}

async function until(isTrue: () => boolean | Promise<boolean>, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isTrue()) && performance.now() < deadline) await delay(100);
}

async function finish(run: Run, leftovers: Leftovers, coreShare: number): Promise<SoakResult> {
  const { options, gateway, load, services, samples, accidents } = run;
  if (load.report === null || services.report === null) throw new Error("the load or the services never reported");
  const counts = countsOf(await gateway.metrics());
  const { code, tookMs } = await gateway.terminate();
  await until(() => gateway.workerPids.every((pid) => !existsSync(`/proc/${pid}`)), SAMPLE_MS);
  const workersLeft = gateway.workerPids.filter((pid) => existsSync(`/proc/${pid}`)).length;
  load.kill();
  services.kill();
  return {
    options,
    http: load.report.http,
    webSocket: load.report.webSocket,
    violationCount: services.report.violationCount,
    violations: services.report.violations,
    endpointClosings: services.report.closings,
    gateway: counts,
    worstDelayMs: load.report.worstDelayMs,
    coreShare,
    tcpMemoryAborts: tcpMemoryAborts() - run.tcpMemoryAbortsBefore,
    growth: growthOf(samples, options.seconds),
    samples,
    leftovers,
    exit: { code, tookMs, workersLeft },
    complaints: complaints(gateway.logPath),
    accidents,
  };
}

function countsOf(metrics: Metrics): GatewayCounts {
  return {
    statuses: metrics.by("windrose_requests_total", "http_response_status_code"),
    localReplies: metrics.by("windrose_local_replies_total", "error_type"),
    aborts: metrics.by("windrose_aborted_exchanges_total", "error_type"),
    retries: metrics.sum("windrose_upstream_retries_total"),
    restarts: metrics.sum("windrose_worker_restarts_total"),
  };
}

process.once("exit", killEverything);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`soak: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
process.exit();
