/**
 * What the codec has to say, on its way to the socket. One piece at a time: what waits behind a write under way would be copied
 * together by Node.js, and a piece that the socket is done with can be filled anew.
 */
import type { Socket } from "node:net";
import type { Http2Connection } from "../../wire/http2/connection.js";

/** Less than this comes from Node's pool, and copying it is cheaper than hearing when the socket is done with it. */
const MAX_COPIED_BYTES = 4_096;

export class Http2Output {
  readonly #socket: Socket;
  readonly #codec: Http2Connection;
  readonly #onWritten: () => void;
  /** With the socket; null: the next one can go. */
  #piece: Uint8Array | null = null;
  #isEnding = false;

  /** @param onWritten the socket has taken a piece: time to `flush` again */
  constructor(socket: Socket, codec: Http2Connection, onWritten: () => void) {
    this.#socket = socket;
    this.#codec = codec;
    this.#onWritten = onWritten;
  }

  /** The socket is to be closed behind the last byte. */
  endWhenEmpty(): void {
    this.#isEnding = true;
  }

  flush(): void {
    const socket = this.#socket;
    while (this.#piece === null && !socket.destroyed && !socket.writableEnded) {
      const piece = this.#codec.takeOutput();
      if (piece !== null) this.#write(piece);
      else if (this.#isEnding) socket.end();
      if (piece === null) return;
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
    this.#codec.releaseOutput(piece);
    this.#socket.write(copy);
  }

  readonly #written = (): void => {
    const piece = this.#piece;
    this.#piece = null;
    if (piece !== null) this.#codec.releaseOutput(piece);
    this.#onWritten();
  };
}
