/**
 * The way out of a session: what the codec has to say goes into the socket once per turn of the loop, frames of all streams in
 * one write, and only as much as the socket takes, because that is the brake on request bodies.
 */
import type { Socket } from "node:net";
import type { Http2Connection } from "../wire/http2/connection.js";

const HIGH_WATER_BYTES = 65_536;

export class Http2Output {
  readonly #socket: Socket;
  readonly #connection: Http2Connection;

  constructor(socket: Socket, connection: Http2Connection) {
    this.#socket = socket;
    this.#connection = connection;
  }

  /** What the socket does not take now goes with its next drain: it has one coming when this much waits in it. */
  flush(): void {
    const socket = this.#socket;
    while (socket.writableLength < HIGH_WATER_BYTES) {
      const piece = this.#connection.takeOutput();
      if (piece === null) return;
      socket.write(piece, () => this.#connection.releaseOutput(piece));
    }
  }

  /** The peer does not read, but makes us write: nothing should be read from it either. */
  get isStuck(): boolean {
    return this.#connection.isOutputFull && this.#socket.writableLength >= HIGH_WATER_BYTES;
  }
}
