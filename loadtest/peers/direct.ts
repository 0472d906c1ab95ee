/** No gateway: calls go to a service of its own, which is placed as the one behind the gateways. What it uses is what any call costs. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Started, startPinned } from "../processes.js";
import { type Peer, waitForPort } from "./peer.js";

export function createDirect(servicePath: string): Peer {
  return {
    name: "direct",
    label: "no gateway (the service)",
    routes: 1,
    version: () => `node:http2 of ${process.versions.node}`,
    start: async ({ directory, loadCore, port }) => {
      const { pid } = await startGrpcService(servicePath, { port, core: loadCore, directory });
      return { pid, port, workerPid: null, accessLogPath: null, countRequests: null };
    },
  };
}

export async function startGrpcService(path: string, place: { port: number; core: number; directory: string }): Promise<Started> {
  mkdirSync(place.directory, { recursive: true });
  const logPath = join(place.directory, "grpc-service.log");
  const started = startPinned(process.execPath, [path, String(place.port)], { core: place.core, logPath });
  await waitForPort(started.pid, place.port, logPath);
  return started;
}
