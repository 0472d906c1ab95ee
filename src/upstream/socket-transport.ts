/** The socket of an HTTP/1.1 connection that has switched protocols, as what carries a WebSocket. */
import type { Socket } from "node:net";
import { describeSocketError, socketErrorCode } from "./socket-errors.js";
import type { TransportUser, WebSocketTransport } from "./web-socket.js";

/** Probes of the operating system when nothing else moves: a machine that is gone answers no ping either. */
const KEEP_ALIVE_PROBE_MS = 60_000;

export class SocketTransport implements WebSocketTransport {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  /** What the socket reads goes to `user` by the connection's read callback. */
  start(user: TransportUser): void {
    const socket = this.#socket;
    socket.pause();
    socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS);
    for (const event of ["drain", "end", "error", "close"]) socket.removeAllListeners(event);
    socket.on("drain", () => user.drained());
    socket.on("end", () => user.gone("upstream-closed", "closed without a close frame"));
    socket.on("error", (error) => user.gone(socketErrorCode(error, "open"), describeSocketError(error)));
    socket.on("close", () => user.closed());
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}
