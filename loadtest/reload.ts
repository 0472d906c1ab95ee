/**
 * `npm run reload`: what a reload costs those who ask meanwhile. A fixed rate of requests over 64 connections for some seconds; in every
 * other second the configuration file is saved once. Reported are the requests that failed, and the 99th percentile of seconds with
 * and without a reload. Gateway (all its processes) on one core, load and service on the other.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startBackend } from "./hostile/children.js";
import { type Launched, launch } from "./launch.js";
import { scrape } from "./metrics.js";
import { killEverything, residentBytes } from "./processes.js";

const MAIN = fileURLToPath(new URL("../src/main.js", import.meta.url));
const CONNECTIONS = 64;
const MIB = 2 ** 20;

const FLAGS = {
  seconds: { type: "string", default: "20" },
  rate: { type: "string", default: "3000" },
  routes: { type: "string", default: "10" },
  reloads: { type: "string", default: "1" },
  "gateway-core": { type: "string", default: "1" },
  "load-core": { type: "string", default: "0" },
} as const;

/** The second of a reload, or as long as it took. */
interface Period {
  readonly startMs: number;
  readonly endMs: number;
}

/** After the last worker has said that it serves. */
const SETTLE_MS = 200;

interface Setting {
  readonly seconds: number;
  readonly rate: number;
  readonly routes: number;
  /** Per second with reloads. */
  readonly reloads: number;
  readonly gatewayCore: string;
  readonly loadCore: string;
}

function readSetting(args: readonly string[]): Setting {
  const { values } = parseArgs({ args: [...args], options: FLAGS });
  const [seconds, rate, routes, reloads] = [values.seconds, values.rate, values.routes, values.reloads].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  return { seconds, rate, routes, reloads, gatewayCore: values["gateway-core"], loadCore: values["load-core"] };
}

function configuration(backendPort: number, routes: number, value: string): object {
  const others = Array.from({ length: routes - 1 }, (_, i) => ({
    name: `r${i}`,
    hostnames: [`h${i % 50}.test`],
    match: [{ path: { type: "PathPrefix", value: `/r${i}` } }],
    backends: [{ service: "backend" }],
  }));
  return {
    listeners: [{ name: "http", bind: "127.0.0.1:0", protocol: "http" }],
    routes: [{ name: "all", filters: [{ responseHeaders: { set: { "x-value": value } } }], backends: [{ service: "backend" }] }, ...others],
    services: [{ name: "backend", endpoints: { static: [{ address: `127.0.0.1:${backendPort}` }] } }],
    telemetry: { accessLog: { path: "off" } },
    admin: { bind: "127.0.0.1:0" },
    workers: 1,
  };
}

async function main(args: readonly string[]): Promise<number> {
  const setting = readSetting(args);
  const directory = mkdtempSync(join(tmpdir(), "windrose-reload-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const { child, port } = await startBackend(setting.loadCore);
  process.once("exit", () => child.kill());
  const launched = await launch({
    mainPath: MAIN,
    directory,
    core: setting.gatewayCore,
    configuration: configuration(port, setting.routes, "0"),
  });
  const save = (value: string): void => {
    writeFileSync(join(directory, "next"), JSON.stringify(configuration(port, setting.routes, value), null, 2));
    renameSync(join(directory, "next"), join(directory, "windrose.json"));
  };
  // Warm: code is compiled, the thread that loads is there.
  await load(setting, directory, launched, 3);
  for (let i = 0; i < 5; i++) await saveAndWait(save, `warm-${i}`, launched);
  const before = residentMiB(launched);
  const reloaded: Period[] = [];
  let count = 0;
  const reloads = (async () => {
    for (const endsAt = Date.now() + setting.seconds * 1_000; Date.now() < endsAt - 3_000; ) {
      await delay(2_000);
      const startMs = Date.now();
      for (let i = 0; i < setting.reloads; i++) await saveAndWait(save, `value-${count++}`, launched);
      reloaded.push({ startMs, endMs: Math.max(Date.now() + SETTLE_MS, startMs + 1_000) });
    }
  })();
  const log = await load(setting, directory, launched, setting.seconds);
  await reloads;
  print(setting, log, reloaded, count, residentMiB(launched) - before);
  return 0;
}

/** Saved, and served by every worker. */
async function saveAndWait(save: (value: string) => void, value: string, { adminPort }: Launched): Promise<void> {
  const applied = async (): Promise<number> => (await scrape(adminPort)).sum("windrose_snapshot_timestamp_seconds");
  const former = await applied();
  save(value);
  while ((await applied()) === former) await delay(5);
}

/** Lines of start (µs since the epoch), status, duration (µs). */
async function load({ rate, loadCore }: Setting, directory: string, launched: Launched, seconds: number): Promise<string> {
  const logPath = join(directory, "h2load.tsv");
  rmSync(logPath, { force: true });
  const perClient = Math.max(1, Math.round(rate / CONNECTIONS));
  const options = ["--h1", "-t1", `-c${CONNECTIONS}`, `--rps=${perClient}`, `-D${seconds}`, `--log-file=${logPath}`];
  await new Promise<void>((resolve, reject) => {
    execFile("taskset", ["-c", loadCore, "h2load", ...options, `http://127.0.0.1:${launched.port("http")}/`], (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  return readFileSync(logPath, "utf8");
}

function residentMiB({ workerPids }: Launched): number {
  return residentBytes(workerPids) / MIB;
}

function print(setting: Setting, log: string, reloaded: readonly Period[], count: number, grownMiB: number): void {
  const rows = log
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t"));
  const failed = rows.filter(([, status]) => status !== "200").length;
  const isNearReload = (at: number): boolean => reloaded.some(({ startMs, endMs }) => at >= startMs && at < endMs);
  const [busy, calm]: [number[], number[]] = [[], []];
  for (const [start, status, duration] of rows) {
    if (status === "200") (isNearReload(Number(start) / 1000) ? busy : calm).push(Number(duration) / 1000);
  }
  const [p99, reloadP99] = [percentile(calm, 0.99), percentile(busy, 0.99)];
  process.stdout.write(
    [
      `${setting.routes} routes, ${setting.rate} requests/s, ${count} reloads in ${setting.seconds} s: ${rows.length} requests, ${failed} failed`,
      `p99 without reload ${p99.toFixed(2)} ms (${calm.length}), in the second of a reload ${reloadP99.toFixed(2)} ms (${busy.length}): ${(reloadP99 / p99).toFixed(2)} ×`,
      `slowest ${percentile(calm, 1).toFixed(1)} and ${percentile(busy, 1).toFixed(1)} ms; worker memory ${grownMiB.toFixed(1)} MiB more\n`,
    ].join("\n"),
  );
}

function percentile(values: number[], share: number): number {
  values.sort((a, b) => a - b);
  return values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN;
}

main(process.argv.slice(2)).then(
  (code) => {
    killEverything();
    process.exit(code);
  },
  (error: unknown) => {
    killEverything();
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    process.exit(1);
  },
);
