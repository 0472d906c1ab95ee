/**
 * `npm run hostile`: how healthy clients fare while hostile ones attack. One core belongs to the gateway (one worker);
 * attackers, backend and the healthy client share the other, the attackers at the lowest priority. The parts are in hostile/.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { writeFixtures } from "./fixtures.js";
import type { Attack } from "./hostile/attacks.js";
import { probe, startAttack, startBackend } from "./hostile/children.js";
import { type AttackedGateway, startNginxPeer, startWindrose } from "./hostile/gateways.js";
import { HOSTILE_USAGE, type HostileOptions, readHostileOptions } from "./hostile/options.js";
import type { ProbeOptions } from "./hostile/probe.js";
import { formatRows, type Measurement, type Row } from "./hostile/table.js";
import { nginxVersion } from "./peers/nginx.js";
import { cpuSeconds, deniedSeconds, killEverything, residentBytes } from "./processes.js";

interface Run {
  readonly options: HostileOptions;
  readonly backendPort: number;
  readonly windrose: AttackedGateway;
  /** Null without nginx. */
  readonly nginx: AttackedGateway | null;
}

const MAIN = fileURLToPath(new URL("../src/main.js", import.meta.url));
const MIB = 2 ** 20;
const PAGE_BYTES = 4096;
const WARM_UP_SECONDS = 3;
const UP_DEADLINE_MS = 20_000;
/** Until a gateway has forgotten an attack. */
const CALM_DEADLINE_MS = 30_000;
const SETTLE_DEADLINE_MS = 10_000;
/** A core is busy with the beginning of an attack above this. */
const BUSY_SHARE = 0.3;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(args: readonly string[]): Promise<number> {
  const options = readHostileOptions(args);
  if (options === null) {
    say(HOSTILE_USAGE);
    return 0;
  }
  const rows = await measureAll(await start(options));
  const report = formatRows(rows, options, args);
  say(`\n${report}`);
  if (options.outPath !== "") writeFileSync(options.outPath, report);
  return rows.every(({ healthy }) => healthy.errors === 0) ? 0 : 1;
}

async function start(options: HostileOptions): Promise<Run> {
  const directory = mkdtempSync(join(tmpdir(), "windrose-hostile-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const { child, port: backendPort, http2Port: backendHttp2Port } = await startBackend(options.loadCore);
  process.once("exit", () => child.kill());
  const setting = {
    mainPath: MAIN,
    directory,
    fixtures: writeFixtures(directory),
    core: options.gatewayCore,
    backendPort,
    backendHttp2Port,
  };
  const windrose = await startWindrose(setting);
  const nginx = options.isWithoutNginx || nginxVersion() === null ? null : await startNginxPeer(setting);
  return { options, backendPort, windrose, nginx };
}

async function measureAll(run: Run): Promise<Row[]> {
  const { options, windrose } = run;
  const rows: Row[] = [];
  for (const isTls of [false, true]) {
    const attacks = options.attacks.filter((attack) => attack.isTls === isTls);
    if (attacks.length === 0) continue;
    await probeAt(run, windrose, { isTls, prefix: "", seconds: WARM_UP_SECONDS });
    rows.push(await measureRow(run, isTls, null));
    for (const attack of attacks) rows.push(await measureRow(run, isTls, attack));
  }
  return rows;
}

async function measureRow(run: Run, isTls: boolean, attack: Attack | null): Promise<Row> {
  const title = attack?.title ?? `nobody attacks${isTls ? " (https)" : ""}`;
  say(`${title} …`);
  const measurement = await measure(run, run.windrose, isTls, attack);
  const nginx = run.nginx === null ? null : await measure(run, run.nginx, isTls, attack);
  return { title, isTls, nginx: nginx?.healthy ?? null, ...measurement };
}

async function measure(run: Run, gateway: AttackedGateway, isTls: boolean, attack: Attack | null): Promise<Measurement> {
  const { httpPort, httpsPort, h2cPort, workerPid } = gateway;
  const { loadCore, seconds } = run.options;
  const prefix = attack?.prefix ?? "";
  const target = { httpPort, httpsPort, h2cPort, prefix };
  const attacker = attack === null ? null : startAttack({ name: attack.name, size: attack.size, target }, loadCore);
  const removeAttacker = () => attacker?.kill();
  process.once("exit", removeAttacker);
  try {
    if (attacker !== null) await waitFor(() => attacker.report?.isUp === true, `the attack "${attack?.title}" to be up`, UP_DEADLINE_MS);
    if (attack?.kind === "hold") await settle(gateway);
    const [deniedBefore, startedAt] = [deniedSeconds(workerPid), performance.now()];
    const { healthy, direct } = await probeAt(run, gateway, { isTls, prefix, seconds });
    const deniedShare = (deniedSeconds(workerPid) - deniedBefore) / ((performance.now() - startedAt) / 1000);
    const { opened, cut } = attacker?.report ?? { opened: 0, cut: 0 };
    return { healthy, direct, opened, cut, deniedShare, residentMib: residentBytes([workerPid]) / MIB, kernelMib: tcpMib() };
  } finally {
    removeAttacker();
    process.off("exit", removeAttacker);
    await waitFor(async () => (await gateway.openConnections()) === 0, "the attackers' connections to be gone", CALM_DEADLINE_MS);
  }
}

/** At the gateway and, for comparison, at the backend itself. */
async function probeAt(
  run: Run,
  gateway: AttackedGateway,
  { isTls, prefix, seconds }: Pick<ProbeOptions, "isTls" | "prefix" | "seconds">,
): Promise<Pick<Measurement, "healthy" | "direct">> {
  const { rate, loadCore } = run.options;
  const [healthy, direct] = await Promise.all([
    probe({ port: isTls ? gateway.httpsPort : gateway.httpPort, isTls, prefix, rate, seconds }, loadCore),
    probe({ port: run.backendPort, isTls: false, prefix, rate, seconds }, loadCore),
  ]);
  return { healthy, direct };
}

/** Lets the beginning of an attack pass: a hundred downloads fill a hundred socket buffers first. */
async function settle({ workerPid }: AttackedGateway): Promise<void> {
  const deadline = performance.now() + SETTLE_DEADLINE_MS;
  for (let isBusy = true; isBusy && performance.now() < deadline; ) {
    const before = cpuSeconds([workerPid]);
    await delay(1000);
    isBusy = cpuSeconds([workerPid]) - before > BUSY_SHARE;
  }
}

async function waitFor(isTrue: () => boolean | Promise<boolean>, what: string, deadlineMs: number): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await delay(50);
  }
}

function tcpMib(): number {
  const pages = /^TCP: .* mem (\d+)/m.exec(readFileSync("/proc/net/sockstat", "utf8"))?.[1];
  return (Number(pages) * PAGE_BYTES) / MIB;
}

process.once("exit", killEverything);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`hostile: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
process.exit();
