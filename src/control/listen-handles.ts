/**
 * The listening sockets of `h2` and `h2c` listeners: bound once by the primary, passed to every worker, which all accept from
 * the same one (Node 20 cannot bind a port several times). The primary never listens itself: it would have to accept, too.
 */
import { lookup } from "node:dns/promises";
import net, { isIPv6 } from "node:net";
import type { ListenerSpec } from "../engine/model/snapshot.js";
import type { ListenHandle } from "../listeners/wire/listener.js";
import { PortUnavailable } from "./port-probe.js";

export interface ListenHandles {
  /** By listener name; handed to each worker before it starts. */
  readonly all: ReadonlyMap<string, ListenHandle>;
  /** Workers that hold a copy go on accepting until they close theirs. */
  close(): void;
}

/** What node:cluster shares ports with: a bound handle that does not listen. It is exported, but not documented. */
interface BoundHandle {
  /** Non-zero when it failed; a port that is taken is first noticed here. */
  getsockname(out: { port?: number }): number;
  close(): void;
}

type CreateServerHandle = (address: string, port: number, addressType: 4 | 6, fd: -1, flags: 0) => BoundHandle | number;

const { _createServerHandle: createServerHandle } = net as unknown as { readonly _createServerHandle: CreateServerHandle };

/** @throws PortUnavailable */
export async function openListenHandles(listeners: readonly ListenerSpec[]): Promise<ListenHandles> {
  const all = new Map<string, BoundHandle>();
  const close = (): void => {
    for (const handle of all.values()) handle.close();
  };
  try {
    for (const { name, wire, bind } of listeners) if (wire !== null) all.set(name, await bindHandle(name, bind));
  } catch (error) {
    close();
    throw error;
  }
  return { all, close };
}

async function bindHandle(name: string, { host, port }: ListenerSpec["bind"]): Promise<BoundHandle> {
  const { address } = await lookup(host).catch((error: Error) => {
    throw new PortUnavailable(`listener "${name}": ${host}: ${error.message}`, { cause: error });
  });
  const handle = createServerHandle(address, port, isIPv6(address) ? 6 : 4, -1, 0);
  if (typeof handle !== "number" && handle.getsockname({}) === 0) return handle;
  if (typeof handle !== "number") handle.close();
  throw new PortUnavailable(`listener "${name}": cannot bind ${host}:${port}`);
}
