/** Windrose itself: one worker, started as a user would, from a generated configuration. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { AUDIENCE, ISSUER } from "../fixtures.js";
import { launch } from "../launch.js";
import { scrape } from "../metrics.js";
import type { Scenario } from "../scenarios.js";
import { type Peer, type PeerSetting, type RunningPeer, waitForPort } from "./peer.js";

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
  const { directory, core, scenario, port } = setting;
  mkdirSync(directory, { recursive: true });
  const accessLogPath = scenario.isEdgeJob ? join(directory, "access.log") : null;
  const launched = await launch({ mainPath, directory, core, configuration: configuration(setting, routes, accessLogPath) });
  const { pid, workerPids, adminPort } = launched;
  await waitForPort(pid, port, launched.logPath);
  const countRequests = async (): Promise<number> => (await scrape(adminPort)).sum("windrose_requests_total");
  return { pid, port, workerPid: workerPids[0] ?? null, accessLogPath, countRequests };
}

function protocolOf({ isTls, usesH2Listener }: Scenario): string {
  if (usesH2Listener) return isTls ? "h2" : "h2c";
  return isTls ? "https" : "http";
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
        protocol: protocolOf(scenario),
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
    services: [
      {
        name: "backend",
        endpoints: { static: [{ address: `127.0.0.1:${backendPort}` }] },
        ...(scenario.isGrpc ? { protocol: "h2c" } : {}),
      },
    ],
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
