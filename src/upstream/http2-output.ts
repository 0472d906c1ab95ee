/**
 * The way out of a session: what the codec has to say goes to the socket once per turn of the loop, frames of all streams in one
 * write, and only as much as the socket takes, because that is the brake on request bodies.
 */
import type { Socket } from "node:net";
import type { Http2Connection } from "../wire/http2/connection.js";

/** Less than this comes from Node's pool, and copying it is cheaper than hearing when the socket is done with it. */
const MAX_COPIED_BYTES = 4_096;

export class Http2Output {
  readonly #socket: Socket;
  readonly #connection: Http2Connection;
  readonly #written: () => void;
  /** With the socket: what would wait behind it would be copied together by Node. Null: the next one can go. */
  #piece: Uint8Array | null = null;

  constructor(socket: Socket, connection: Http2Connection) {
    this.#socket = socket;
    this.#connection = connection;
    this.#written = () => this.#onWritten();
  }

  /** What the socket does not take now follows by itself. */
  flush(): void {
    while (this.#piece === null && this.#socket.writable) {
      const piece = this.#connection.takeOutput();
      if (piece === null) return;
      this.#write(piece);
    }
  }

  #write(piece: Uint8Array): void {
    if (piece.length >= MAX_COPIED_BYTES || this.#socket.writableLength > 0) {
      this.#piece = piece;
      this.#socket.write(piece, this.#written);
      return;
    }
    const copy = Buffer.allocUnsafe(piece.length);
    copy.set(piece);
    this.#connection.releaseOutput(piece);
    this.#socket.write(copy);
  }

  /** Also after a failed write: what the codec still has to say is taken and goes nowhere. */
  #onWritten(): void {
    if (this.#piece !== null) this.#connection.releaseOutput(this.#piece);
    this.#piece = null;
    this.flush();
  }
}
