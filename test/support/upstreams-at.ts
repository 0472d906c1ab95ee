/** Services on several addresses of this machine and one port, as DNS names them. Each answers with its address. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface AddressedUpstream {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

const TRIES = 20;

/** A port that is free on the first address may be taken on another: then all begin anew. */
export async function startUpstreamsAt(hosts: readonly string[]): Promise<readonly AddressedUpstream[]> {
  for (let i = 0; i < TRIES; i++) {
    const started: AddressedUpstream[] = [];
    for (const host of hosts) {
      const upstream = await startAt(host, started[0]?.port ?? 0);
      if (upstream === null) break;
      started.push(upstream);
    }
    if (started.length === hosts.length) return started;
    for (const upstream of started) await upstream.close();
  }
  throw new Error(`no port is free on all of ${hosts.join(", ")}`);
}

function startAt(host: string, port: number): Promise<AddressedUpstream | null> {
  const server = createServer((request, response) => {
    request.resume();
    response.end(host);
  });
  return new Promise((resolve) => {
    server.once("error", () => resolve(null));
    server.listen(port, host, () => resolve({ host, port: (server.address() as AddressInfo).port, close: () => close(server) }));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
