/**
 * Flow control of what we receive (RFC 9113 §5.2): the connection's window and, through them, the streams'. Credit goes back in
 * halves of a window, so that a steady sender never waits and few frames are spent on it.
 */

import { INITIAL_WINDOW } from "./frame-types.js";
import type { FrameWriter } from "./frame-writer.js";
import type { Http2Limits } from "./limits.js";
import type { Http2Stream } from "./stream.js";

export class ReceiveWindows {
  readonly #writer: FrameWriter;
  readonly #connectionBytes: number;
  /** What a new stream may send. Ours counts from the start although the peer learns of it later: it cannot be less than it knows. */
  readonly streamBytes: number;
  /** What the peer may still send. */
  #window = INITIAL_WINDOW;
  #creditBytes = 0;

  constructor(limits: Http2Limits, writer: FrameWriter) {
    this.#writer = writer;
    this.streamBytes = Math.max(INITIAL_WINDOW, limits.streamWindowBytes);
    this.#connectionBytes = Math.max(INITIAL_WINDOW, limits.connectionWindowBytes);
  }

  /** The connection's window is larger than the RFC's, but can only be raised by a frame. */
  announce(): void {
    const increment = this.#connectionBytes - INITIAL_WINDOW;
    if (increment === 0) return;
    this.#writer.windowUpdate(0, increment);
    this.#window += increment;
  }

  /** A DATA frame begins. False: the peer has no right to it. */
  charge(bytes: number): boolean {
    if (bytes > this.#window) return false;
    this.#window -= bytes;
    return true;
  }

  /** Bytes that nobody will consume: padding, data of streams that are over. */
  credit(bytes: number): void {
    this.#creditBytes += bytes;
    if (this.#creditBytes * 2 < this.#connectionBytes) return;
    this.#writer.windowUpdate(0, this.#creditBytes);
    this.#window += this.#creditBytes;
    this.#creditBytes = 0;
  }

  /** The owner has moved data of a stream on. */
  consume(stream: Http2Stream, bytes: number): void {
    const consumed = Math.min(bytes, stream.unconsumedBytes);
    if (consumed <= 0) return;
    stream.unconsumedBytes -= consumed;
    this.creditStream(stream, consumed);
    this.credit(consumed);
  }

  /** The stream's side alone; a peer that is done with the stream needs no more room on it. */
  creditStream(stream: Http2Stream, bytes: number): void {
    if (stream.isReceiveEnded || stream.isClosed) return;
    stream.creditBytes += bytes;
    if (stream.creditBytes * 2 < this.streamBytes) return;
    this.#writer.windowUpdate(stream.id, stream.creditBytes);
    stream.receiveWindow += stream.creditBytes;
    stream.creditBytes = 0;
  }

  /** The stream was cut off: what it left unconsumed must not be missing to the others. */
  forget(stream: Http2Stream): void {
    this.credit(stream.unconsumedBytes);
    stream.unconsumedBytes = 0;
  }
}
