/**
 * What a connection has to say, on its way to whatever carries it. One piece at a time: what waited behind a write under way
 * would be copied together by Node.js, and a piece that the carrier is done with can be filled anew.
 */
import type { Http2Connection } from "./connection.js";

/** A socket fits. */
export interface OutputSink {
  /** False: ended, failed or gone. */
  readonly writable: boolean;
  /** Bytes that were written and have not left. */
  readonly writableLength: number;
  write(bytes: Uint8Array, onWritten?: () => void): unknown;
  end(): unknown;
}

export interface OutputPumpOptions {
  /** The carrier has taken a piece, or failed to: time to `flush` again. */
  readonly onWritten: () => void;
  /** Memory for a small copy; it need not be cleared. */
  readonly allocate: (bytes: number) => Uint8Array;
}

/** Less is copied: that is cheaper than hearing when the carrier is done with it. */
const MAX_COPIED_BYTES = 4_096;

export class OutputPump {
  readonly #sink: OutputSink;
  readonly #connection: Http2Connection;
  readonly #options: OutputPumpOptions;
  /** With the carrier; null: the next one can go. */
  #piece: Uint8Array | null = null;
  #isEnding = false;

  constructor(sink: OutputSink, connection: Http2Connection, options: OutputPumpOptions) {
    this.#sink = sink;
    this.#connection = connection;
    this.#options = options;
  }

  /** The carrier is to be ended behind the last byte. */
  endWhenEmpty(): void {
    this.#isEnding = true;
  }

  flush(): void {
    while (this.#piece === null && this.#sink.writable) {
      const piece = this.#connection.takeOutput();
      if (piece !== null) this.#write(piece);
      else if (this.#isEnding) this.#sink.end();
      if (piece === null) return;
    }
  }

  #write(piece: Uint8Array): void {
    if (piece.length >= MAX_COPIED_BYTES || this.#sink.writableLength > 0) {
      this.#piece = piece;
      this.#sink.write(piece, this.#written);
      return;
    }
    const copy = this.#options.allocate(piece.length);
    copy.set(piece);
    this.#connection.releaseOutput(piece);
    this.#sink.write(copy);
  }

  readonly #written = (): void => {
    const piece = this.#piece;
    this.#piece = null;
    if (piece !== null) this.#connection.releaseOutput(piece);
    this.#options.onWritten();
  };
}
