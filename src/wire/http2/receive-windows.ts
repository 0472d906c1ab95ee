/**
 * Flow control of what we receive (RFC 9113 §5.2): the connection's window and, through them, the streams'. Credit goes back in
 * halves of a window, so that a steady sender never waits and few frames are spent on it. Windows grow with the path as long as
 * they are made use of (`growing-window.ts`).
 */

import { INITIAL_WINDOW } from "./frame-types.js";
import type { FrameWriter } from "./frame-writer.js";
import { GrowingWindow } from "./growing-window.js";
import type { Http2Limits } from "./limits.js";
import { RoundTrip } from "./round-trip.js";
import type { Http2Stream } from "./stream.js";

export class ReceiveWindows {
  readonly #writer: FrameWriter;
  /** What a new stream may send. Ours counts from the start although the peer learns of it later: it cannot be less than it knows. */
  readonly streamBytes: number;
  readonly #maxStreamBytes: number;
  readonly #size: GrowingWindow;
  readonly #roundTrip = new RoundTrip();
  /** What the peer may still send. */
  #window = INITIAL_WINDOW;
  #creditBytes = 0;
  /** Of the last read. */
  #nowMs = 0;

  constructor(limits: Http2Limits, writer: FrameWriter) {
    this.#writer = writer;
    this.streamBytes = Math.max(INITIAL_WINDOW, limits.streamWindowBytes);
    this.#maxStreamBytes = limits.maxStreamWindowBytes;
    this.#size = new GrowingWindow(Math.max(INITIAL_WINDOW, limits.connectionWindowBytes), limits.maxConnectionWindowBytes);
  }

  /** The connection's window is larger than the RFC's, but can only be raised by a frame. */
  announce(): void {
    const increment = this.#size.bytes - INITIAL_WINDOW;
    if (increment === 0) return;
    this.#writer.windowUpdate(0, increment);
    this.#window += increment;
  }

  readBegins(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  /** True: it was the answer to a PING of the windows. */
  pingAnswered(payload: Uint8Array, at: number): boolean {
    return this.#roundTrip.answered(payload, at, this.#nowMs);
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
    if (this.#creditBytes * 2 < this.#size.bytes) return;
    const increment = this.#creditBytes + this.#growth(this.#size);
    this.#creditBytes = 0;
    if (increment <= 0) return;
    this.#writer.windowUpdate(0, increment);
    this.#window += increment;
  }

  /** The owner has moved data of a stream on. */
  consume(stream: Http2Stream, bytes: number): void {
    const consumed = Math.min(bytes, stream.unconsumedBytes);
    if (consumed <= 0) return;
    stream.unreadTinyFrames = Math.floor(stream.unreadTinyFrames * (1 - consumed / stream.unconsumedBytes));
    stream.unconsumedBytes -= consumed;
    this.creditStream(stream, consumed);
    this.credit(consumed);
  }

  /** The stream's side alone; a peer that is done with the stream needs no more room on it. */
  creditStream(stream: Http2Stream, bytes: number): void {
    if (stream.isReceiveEnded || stream.isClosed) return;
    stream.creditBytes += bytes;
    if (stream.creditBytes * 2 < (stream.receiveSize?.bytes ?? this.streamBytes)) return;
    stream.receiveSize ??= new GrowingWindow(this.streamBytes, this.#maxStreamBytes);
    const increment = stream.creditBytes + this.#growth(stream.receiveSize);
    stream.creditBytes = 0;
    if (increment <= 0) return;
    this.#writer.windowUpdate(stream.id, increment);
    stream.receiveWindow += increment;
  }

  /** The stream was cut off: what it left unconsumed must not be missing to the others. */
  forget(stream: Http2Stream): void {
    this.credit(stream.unconsumedBytes);
    stream.unconsumedBytes = 0;
  }

  #growth(size: GrowingWindow): number {
    if (size.mayGrow) this.#roundTrip.measure(this.#nowMs, this.#writer);
    return size.renew(this.#nowMs, this.#roundTrip.ms);
  }
}
