/** @fastify/http-proxy, the usual way to build a gateway in Node; installed on demand by install-peers.sh, never a dependency of ours. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startPinned } from "../processes.js";
import { type Peer, type PeerSetting, type RunningPeer, waitForPort } from "./peer.js";

export function createFastify(loadtestDirectory: string): Peer {
  const modules = join(loadtestDirectory, ".peers", "node_modules");
  const program = join(loadtestDirectory, "peers", "fastify-server.cjs");
  return {
    name: "fastify",
    label: "@fastify/http-proxy",
    routes: 1,
    version: () => installedVersion(modules),
    start: (setting) => start(setting, modules, program),
  };
}

function installedVersion(modules: string): string | null {
  const read = (name: string): string | null => {
    const path = join(modules, name, "package.json");
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version : null;
  };
  const proxy = read("@fastify/http-proxy");
  return proxy === null ? null : `${proxy} on fastify ${read("fastify")}`;
}

async function start(
  { directory, core, port, backendPort, scenario, fixtures }: PeerSetting,
  modules: string,
  program: string,
): Promise<RunningPeer> {
  mkdirSync(directory, { recursive: true });
  const logPath = join(directory, "fastify.log");
  const tls = scenario.isTls ? [fixtures.certPath, fixtures.keyPath] : [];
  const args = [program, modules, String(port), String(backendPort), ...tls];
  const { pid } = startPinned(process.execPath, args, { core, logPath, env: { NODE_ENV: "production" } });
  await waitForPort(pid, port, logPath);
  return { pid, port, workerPid: null, accessLogPath: null, countRequests: null };
}
