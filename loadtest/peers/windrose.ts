/** Windrose itself: one worker, started as a user would, from a generated configuration. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { AUDIENCE, ISSUER } from "../fixtures.js";
import { processTree, startPinned } from "../processes.js";
import { lastWords, type Peer, type PeerSetting, type RunningPeer, waitForPort } from "./peer.js";

/** For profiles: `BENCH_NODE_FLAGS="--cpu-prof --cpu-prof-dir=profiles"` reaches the primary and its workers. */
const NODE_FLAGS = (process.env.BENCH_NODE_FLAGS ?? "").split(" ").filter((flag) => flag !== "");

/** @param root of the checkout; @param mainPath compiled entry point */
export function createWindrose(root: string, mainPath: string, routes = 1): Peer {
  return {
    name: "windrose",
    label: routes === 1 ? "Windrose" : `Windrose, ${routes.toLocaleString("en")} routes`,
    routes,
    version: () => (existsSync(mainPath) ? `${packageVersion(root)} on Node ${process.versions.node}` : null),
    start: (setting) => start(setting, mainPath, routes),
  };
}

function packageVersion(root: string): string {
  return (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }).version;
}

async function start(setting: PeerSetting, mainPath: string, routes: number): Promise<RunningPeer> {
  const { directory, core, scenario } = setting;
  mkdirSync(directory, { recursive: true });
  const configPath = join(directory, "windrose.json");
  const logPath = join(directory, "windrose.log");
  const accessLogPath = scenario.isEdgeJob ? join(directory, "access.log") : null;
  // JSON is YAML; generating it needs no library.
  writeFileSync(configPath, JSON.stringify(configuration(setting, routes, accessLogPath), null, 2));
  const started = startPinned(process.execPath, [...NODE_FLAGS, mainPath, "run", "-c", configPath, "--ready-fd", "3"], { core, logPath });
  const ready = JSON.parse(await readLine(started.channel, logPath)) as { admin: { port: number } };
  await waitForPort(started.pid, setting.port, logPath);
  const workerPid = processTree(started.pid)[1] ?? null;
  return { pid: started.pid, port: setting.port, workerPid, accessLogPath, countRequests: () => countRequests(ready.admin.port) };
}

function configuration({ scenario, fixtures, port, backendPort }: PeerSetting, routes: number, accessLogPath: string | null): object {
  const tls = { certificates: [{ cert: fixtures.certPath, key: fixtures.keyPath }] };
  const filters = [{ jwt: { provider: "main" } }, { rateLimit: { limit: 1_000_000, per: "1s", key: "jwt.sub" } }];
  const paths = routes === 1 ? ["/"] : Array.from({ length: routes }, (_, i) => `/r${i}`);
  return {
    listeners: [
      {
        name: "public",
        bind: `127.0.0.1:${port}`,
        protocol: scenario.usesH2Listener ? "h2" : scenario.isTls ? "https" : "http",
        ...(scenario.isTls ? { tls } : {}),
        limits: { maxConnections: 20_000 },
      },
    ],
    routes: paths.map((value, i) => ({
      name: `route-${i}`,
      match: [{ path: { type: "PathPrefix", value } }],
      ...(scenario.isEdgeJob ? { filters } : {}),
      backends: [{ service: "backend" }],
    })),
    services: [{ name: "backend", endpoints: { static: [{ address: `127.0.0.1:${backendPort}` }] } }],
    ...(scenario.isEdgeJob
      ? {
          providers: {
            jwt: [
              { name: "main", issuer: ISSUER, audiences: [AUDIENCE], algorithms: ["RS256"], jwks: { inline: { keys: [fixtures.jwk] } } },
            ],
          },
        }
      : {}),
    telemetry: { accessLog: { path: accessLogPath ?? "off" } },
    admin: { bind: "127.0.0.1:0" },
    workers: 1,
  };
}

function readLine(channel: Readable, logPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    channel.setEncoding("utf8");
    channel.on("data", (chunk: string) => {
      text += chunk;
      if (text.includes("\n")) resolve(text);
    });
    channel.once("end", () => reject(new Error(`Windrose ended before it was ready: ${lastWords(logPath)}`)));
  });
}

async function countRequests(adminPort: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return [...text.matchAll(/^windrose_requests_total\{[^\n]*\} (\d+)$/gm)].reduce((sum, match) => sum + Number(match[1]), 0);
}
