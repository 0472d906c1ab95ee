/**
 * Finds out before any worker starts whether a port can be bound. Workers share ports with SO_REUSEPORT, which would
 * let two gateways of one user share a port silently; a plain exclusive bind here makes that an error.
 */
import { createServer } from "node:net";
import type { ListenerSpec } from "../engine/model/snapshot.js";
import { bindKey, type KnownPorts } from "./bind-key.js";

export class PortUnavailable extends Error {
  override name = "PortUnavailable";
}

/** @throws PortUnavailable with one line that names the port and what wanted it */
export function probePort(host: string, port: number, wantedBy: string): Promise<void> {
  if (port === 0) return Promise.resolve();
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(new PortUnavailable(explain(error, host, port, wantedBy), { cause: error })),
    );
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

/** @param known ports that our own processes hold, by `bindKey`: those are free for us */
export async function probeListeners(listeners: readonly ListenerSpec[], known: KnownPorts): Promise<void> {
  for (const listener of listeners) {
    const { name, bind } = listener;
    if (known[bindKey(listener)] === undefined) await probePort(bind.host, bind.port, `listener "${name}"`);
  }
}

function explain(error: NodeJS.ErrnoException, host: string, port: number, wantedBy: string): string {
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  switch (error.code) {
    case "EADDRINUSE":
      return `${wantedBy}: port ${port} is already in use on ${address}; stop what listens there or change its bind`;
    case "EACCES":
      return `${wantedBy}: no permission to bind ${address}; ports below 1024 need CAP_NET_BIND_SERVICE`;
    case "EADDRNOTAVAIL":
      return `${wantedBy}: ${host} is not an address of this machine`;
    default:
      return `${wantedBy}: cannot bind ${address}: ${error.message}`;
  }
}
