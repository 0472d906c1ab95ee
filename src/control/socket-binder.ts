/** Binds a listening socket without listening on it, in the way node:cluster does. Loaded by the keeper: imports nothing more. */
import net, { isIPv6 } from "node:net";

/** What node:cluster shares ports with: a bound handle that does not listen. It is exported, but not documented. */
export interface BoundSocket {
  /** Non-zero when it failed; a port that is taken is first noticed here. */
  getsockname(out: { port?: number }): number;
  close(): void;
}

type CreateServerHandle = (address: string, port: number, addressType: 4 | 6, fd: -1, flags: 0) => BoundSocket | number;

const { _createServerHandle: createServerHandle } = net as unknown as { readonly _createServerHandle: CreateServerHandle };

/** Null when the address cannot be bound. */
export function bindSocket(address: string, port: number): BoundSocket | null {
  const socket = createServerHandle(address, port, isIPv6(address) ? 6 : 4, -1, 0);
  if (typeof socket === "number") return null;
  if (socket.getsockname({}) === 0) return socket;
  socket.close();
  return null;
}
