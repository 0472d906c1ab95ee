/** `npm run bench`: compares Windrose with other gateways on this machine and writes what came out, good or bad. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeFixtures } from "./fixtures.js";
import { type Bench, freePort, measureScenario } from "./measure.js";
import { type BenchOptions, readOptions, USAGE } from "./options.js";
import { createCaddy } from "./peers/caddy.js";
import { createDirect, startGrpcService } from "./peers/direct.js";
import { createFastify } from "./peers/fastify.js";
import { createHaproxy } from "./peers/haproxy.js";
import { createNginx, startBackend } from "./peers/nginx.js";
import type { Peer } from "./peers/peer.js";
import { createWindrose } from "./peers/windrose.js";
import { killEverything, stop } from "./processes.js";
import { formatReport, type RunFacts } from "./report.js";
import type { ScenarioResult } from "./results.js";
import { FEW_ROUTES, MANY_ROUTES, PEER_NAMES, SCENARIOS, type Scenario } from "./scenarios.js";

/** Compiled files lie in `<root>/<out>/loadtest`. */
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const LOADTEST = join(ROOT, "loadtest");
const MAIN = fileURLToPath(new URL("../src/main.js", import.meta.url));
const GRPC_SERVICE = fileURLToPath(new URL("./grpc-service.js", import.meta.url));
const IDLE_CLIENT = fileURLToPath(new URL("./idle-client.js", import.meta.url));

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args, join(LOADTEST, "RESULTS.md"));
  if (options === null) {
    say(USAGE);
    return 0;
  }
  const missing = ["wrk", "h2load", "taskset", "nginx"].filter((tool) => spawnSync("sh", ["-c", `command -v ${tool}`]).status !== 0);
  if (missing.length > 0) throw new Error(`missing: ${missing.join(", ")}. Run loadtest/install-peers.sh first`);
  const peers = choosePeers(options);
  const scenarios = chooseScenarios(options);
  const results = await runAll(options, peers, scenarios);
  const report = formatReport(results, runFacts(options, args));
  say(`\n${report}`);
  if (options.outPath !== "") {
    writeFileSync(options.outPath, report);
    say(`Written to ${options.outPath}`);
  }
  return results.every((result) => result.remarks.length === 0) ? 0 : 1;
}

function choosePeers({ peers }: BenchOptions): Peer[] {
  refuseUnknown("peer", peers, PEER_NAMES);
  const all = [
    createWindrose(ROOT, MAIN),
    createNginx(),
    createHaproxy(),
    createCaddy(),
    createFastify(LOADTEST),
    createDirect(GRPC_SERVICE),
  ];
  const wanted = all.filter((peer) => peers.length === 0 || peers.includes(peer.name));
  for (const { label } of wanted.filter((peer) => peer.version() === null))
    say(`${label} is not installed and left out (loadtest/install-peers.sh)`);
  return wanted.filter((peer) => peer.version() !== null);
}

function chooseScenarios({ scenarios }: BenchOptions): Scenario[] {
  refuseUnknown(
    "scenario",
    scenarios,
    SCENARIOS.map((scenario) => scenario.name),
  );
  return SCENARIOS.filter((scenario) => scenarios.length === 0 || scenarios.includes(scenario.name));
}

function refuseUnknown(kind: string, names: readonly string[], known: readonly string[]): void {
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`no such ${kind}: ${unknown.join(", ")} (there are ${known.join(", ")})`);
}

async function runAll(options: BenchOptions, peers: readonly Peer[], scenarios: readonly Scenario[]): Promise<ScenarioResult[]> {
  const directory = mkdtempSync(join(tmpdir(), "windrose-bench-"));
  const removeDirectory = () => rmSync(directory, { recursive: true, force: true });
  process.once("exit", removeDirectory);
  const fixtures = writeFixtures(directory);
  const backendPort = await freePort();
  const backend = await startBackend(join(directory, "backend"), join(directory, "html"), backendPort, options.loadCore);
  const grpcPort = await freePort();
  const grpcService = await startGrpcService(GRPC_SERVICE, { port: grpcPort, core: options.loadCore, directory });
  const bench: Bench = { options, fixtures, directory, backendPort, grpcPort, idleClientPath: IDLE_CLIENT, say };
  const results: ScenarioResult[] = [];
  for (const scenario of scenarios) results.push(await measureScenario(bench, scenario, contestants(scenario, peers)));
  await stop(grpcService.pid);
  await stop(backend.pid);
  return results;
}

function contestants(scenario: Scenario, peers: readonly Peer[]): Peer[] {
  const able = peers.filter((peer) => scenario.peers.includes(peer.name));
  if (scenario.name !== "routes") return able;
  return able.flatMap(() => [FEW_ROUTES, MANY_ROUTES].map((routes) => createWindrose(ROOT, MAIN, routes)));
}

function runFacts({ rounds, seconds, connections }: BenchOptions, args: readonly string[]): RunFacts {
  const [cpu] = cpus();
  const memoryGib = Math.round(totalmem() / 2 ** 30);
  const wrk = /wrk\s+(\S+)/.exec(spawnSync("wrk", ["-v"], { encoding: "utf8" }).stdout)?.[1] ?? "";
  const h2load = spawnSync("h2load", ["--version"], { encoding: "utf8" }).stdout.trim();
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    machine: `${cpus().length} × ${cpu?.model.trim() ?? "unknown CPU"}, ${memoryGib} GiB, Linux ${release()}`,
    command: `npm run bench${args.length > 0 ? ` -- ${args.join(" ")}` : ""}`,
    rounds,
    seconds,
    connections,
    tools: `wrk ${wrk}, ${h2load}`,
  };
}

process.once("exit", killEverything);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exitCode = 1;
  killEverything();
}
