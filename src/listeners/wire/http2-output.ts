/** What the codec has to say, on its way to the socket: piece by piece as long as the socket takes more. */
import type { Socket } from "node:net";
import type { Http2Connection } from "../../wire/http2/connection.js";

const HIGH_WATER_BYTES = 131_072;
/** Less than this comes from Node's pool, and copying it is cheaper than hearing when the socket is done with it. */
const MAX_COPIED_BYTES = 4_096;

export class Http2Output {
  readonly #socket: Socket;
  readonly #codec: Http2Connection;
  #isEnding = false;

  constructor(socket: Socket, codec: Http2Connection) {
    this.#socket = socket;
    this.#codec = codec;
  }

  /** The socket is to be closed behind the last byte. */
  endWhenEmpty(): void {
    this.#isEnding = true;
  }

  flush(): void {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return;
    while (socket.writableLength < HIGH_WATER_BYTES) {
      const piece = this.#codec.takeOutput();
      if (piece === null) {
        if (this.#isEnding) socket.end();
        return;
      }
      this.#write(piece);
    }
  }

  /** The socket may keep what it is given until it calls back; only then can the codec fill it anew. */
  #write(piece: Uint8Array): void {
    if (piece.length < MAX_COPIED_BYTES) {
      const copy = Buffer.allocUnsafe(piece.length);
      copy.set(piece);
      this.#codec.releaseOutput(piece);
      this.#socket.write(copy);
    } else this.#socket.write(piece, () => this.#codec.releaseOutput(piece));
  }
}
