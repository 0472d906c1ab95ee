/**
 * The listening sockets of `h2` and `h2c` listeners: bound once, passed to every worker, which all accept from the same one
 * (Node 20 cannot bind a port several times). They stay bound while workers come and go. The primary never listens itself: it
 * would have to accept, too.
 */
import { lookup } from "node:dns/promises";
import type { ListenerSpec } from "../engine/model/snapshot.js";
import type { ListenHandle } from "../listeners/wire/listener.js";
import { bindKey } from "./bind-key.js";
import { PortUnavailable } from "./port-probe.js";
import { type BoundSocket, bindSocket } from "./socket-binder.js";

export interface ListenHandles {
  /** What these listeners need, by listener name; binds what is not bound yet. @throws PortUnavailable; nothing more is bound then */
  open(listeners: readonly ListenerSpec[]): Promise<ReadonlyMap<string, ListenHandle>>;
  /** Closes what none of these listeners needs. Workers that hold a copy go on accepting until they close theirs. */
  retain(listeners: readonly ListenerSpec[]): void;
  /** Closes all. */
  close(): void;
}

/** Who binds and keeps a second copy of each socket, so that they outlive the primary. */
export interface SocketKeeper {
  /** Gives the socket that was bound under this key before, if there is one. Null when it cannot be bound. */
  bind(key: string, address: string, port: number): Promise<BoundSocket | null>;
  unbind(key: string): void;
}

export const OWN_SOCKETS: SocketKeeper = { bind: async (_key, address, port) => bindSocket(address, port), unbind: () => {} };

export function createListenHandles(keeper: SocketKeeper = OWN_SOCKETS): ListenHandles {
  const bound = new Map<string, BoundSocket>();

  function close(key: string): void {
    bound.get(key)?.close();
    bound.delete(key);
    keeper.unbind(key);
  }

  async function bind(listener: ListenerSpec): Promise<BoundSocket> {
    const key = bindKey(listener);
    const { name, bind: at } = listener;
    const { address } = await lookup(at.host).catch((error: Error) => {
      throw new PortUnavailable(`listener "${name}": ${at.host}: ${error.message}`, { cause: error });
    });
    const socket = await keeper.bind(key, address, at.port);
    if (socket === null) throw new PortUnavailable(`listener "${name}": cannot bind ${at.host}:${at.port}`);
    bound.set(key, socket);
    return socket;
  }

  return {
    async open(listeners) {
      const before = new Set(bound.keys());
      const handles = new Map<string, ListenHandle>();
      try {
        for (const listener of listeners.filter(({ wire }) => wire !== null)) {
          handles.set(listener.name, bound.get(bindKey(listener)) ?? (await bind(listener)));
        }
      } catch (error) {
        for (const key of bound.keys()) if (!before.has(key)) close(key);
        throw error;
      }
      return handles;
    },
    retain(listeners) {
      const needed = new Set(listeners.filter(({ wire }) => wire !== null).map(bindKey));
      for (const key of bound.keys()) if (!needed.has(key)) close(key);
    },
    close() {
      for (const key of bound.keys()) close(key);
    },
  };
}
