/** The gateway under test: its configuration, its start as a user would start it, its metrics and its end. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AUDIENCE, type Fixtures, ISSUER } from "../fixtures.js";
import { type Launched, launch } from "../launch.js";
import { Metrics, scrape } from "../metrics.js";
import { isRunning } from "../processes.js";
import { MAX_UPLOAD_BYTES } from "./kinds.js";
import type { ServiceName } from "./services.js";

export interface GatewaySetting {
  readonly mainPath: string;
  readonly directory: string;
  readonly fixtures: Fixtures;
  readonly workers: number;
  readonly cores: string;
  readonly logsAll: boolean;
  readonly servicePorts: Readonly<Record<ServiceName, readonly number[]>>;
}

export interface SoakedGateway {
  readonly pid: number;
  readonly workerPids: readonly number[];
  readonly ports: { readonly plain: number; readonly secure: number };
  readonly logPath: string;
  readonly accessLogPath: string;
  metrics(): Promise<Metrics>;
  /** Sends SIGTERM; resolves with the exit code, or null when it had to be killed. */
  terminate(): Promise<{ readonly code: number | null; readonly tookMs: number }>;
}

/** How long the pool keeps what it does not use; short, so that the end of the run need not wait. */
export const UPSTREAM_KEEP_ALIVE_MS = 5_000;
export const DRAIN_MS = 10_000;
/** Good exchanges leave few lines, unless somebody means to read them; failures always do. */
const LOG_SHARE = 0.01;
/** What it says at its start is no log, and no complaint. */
const GREETING = /^windrose(?: \d|: listening on |: admin on )/;

export async function startGateway(setting: GatewaySetting): Promise<SoakedGateway> {
  const { directory, mainPath, cores } = setting;
  const accessLogPath = join(directory, "access.log");
  const launched = await launch({ mainPath, directory, core: cores, configuration: configuration(setting, accessLogPath) });
  const { pid, workerPids, logPath, adminPort } = launched;
  return {
    pid,
    workerPids,
    ports: { plain: launched.port("plain"), secure: launched.port("secure") },
    logPath,
    accessLogPath,
    // Nothing when the gateway has ended: the run has failed then, and shall still be told about.
    metrics: async () => (isRunning(pid) ? await scrape(adminPort) : new Metrics("")),
    terminate: () => terminate(launched),
  };
}

function configuration({ fixtures, workers, servicePorts, logsAll }: GatewaySetting, accessLogPath: string): object {
  const listener = {
    bind: "127.0.0.1:0",
    limits: { maxBodyBytes: MAX_UPLOAD_BYTES, maxConnections: 5_000 },
    timeouts: { request: "10s", streamIdle: "20s" },
  };
  const tls = { certificates: [{ cert: fixtures.certPath, key: fixtures.keyPath }] };
  return {
    listeners: [
      { ...listener, name: "plain", protocol: "http" },
      { ...listener, name: "secure", protocol: "https", tls },
    ],
    routes: routes(),
    services: Object.entries(servicePorts).map(([name, ports]) => ({
      name,
      endpoints: { static: ports.map((port) => ({ address: `127.0.0.1:${port}` })) },
      timeouts: { keepAlive: `${UPSTREAM_KEEP_ALIVE_MS}ms` },
    })),
    providers: {
      jwt: [{ name: "main", issuer: ISSUER, audiences: [AUDIENCE], algorithms: ["RS256"], jwks: { inline: { keys: [fixtures.jwk] } } }],
    },
    telemetry: { accessLog: { path: accessLogPath, sample: logsAll ? 1 : LOG_SHARE } },
    admin: { bind: "127.0.0.1:0" },
    drain: { timeout: `${DRAIN_MS}ms` },
    workers,
  };
}

function routes(): object[] {
  const filters = [{ jwt: { provider: "main" } }, { rateLimit: { limit: 3, per: "1s", key: "jwt.sub" } }];
  const always = { budgetPercent: 100, budgetMinPerSecond: 10_000 };
  return [
    route("steady", { timeouts: { request: "30s" } }),
    route("faulty"),
    route("stale"),
    route("chatty"),
    route("rude"),
    route("down"),
    route("socket"),
    route("refusing", { retry: { attempts: 2, ...always } }),
    route("slow", { timeouts: { request: "1500ms" } }),
    route("flaky", {
      timeouts: { backendRequest: "2s" },
      retry: { attempts: 2, on: ["connect-failure", "reset", "timeout", "500", "503"], ...always },
    }),
    { ...route("limited", { filters }), backends: [{ service: "steady" }] },
  ];
}

function route(name: string, more: object = {}): object {
  return { name, match: [{ path: { type: "PathPrefix", value: `/${name}` } }], backends: [{ service: name }], ...more };
}

async function terminate({ child, pid }: Launched): Promise<{ code: number | null; tookMs: number }> {
  const startedAt = performance.now();
  if (!isRunning(pid)) return { code: child.exitCode, tookMs: 0 };
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const killer = setTimeout(() => child.kill("SIGKILL"), DRAIN_MS + 5_000);
  const code = await exited;
  clearTimeout(killer);
  return { code, tookMs: performance.now() - startedAt };
}

/** Lines of the gateway's own log from the level of warnings up, without what differs from line to line; and lines that are no log. */
export function complaints(logPath: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of readFileSync(logPath, "utf8").split("\n").filter(Boolean)) {
    const text = complaintOf(line);
    if (text !== "") counts[text] = (counts[text] ?? 0) + 1;
  }
  return counts;
}

function complaintOf(line: string): string {
  try {
    const { level, msg, err } = JSON.parse(line) as { level?: number | string; msg?: string; err?: { message?: string } };
    const isCalm = level === "info" || level === "debug" || (typeof level === "number" && level < 40);
    return isCalm ? "" : `${msg ?? ""} ${err?.message ?? ""}`.trim();
  } catch {
    return GREETING.test(line) ? "" : line.slice(0, 200);
  }
}
