/**
 * Flow control of what we send (RFC 9113 §5.2, §6.9): the connection's window, and the streams that have more to send than they
 * were allowed. Each gets a frame's worth when `send-order.ts` says so. A stream that never had to wait goes first, unless more
 * urgent ones wait.
 */
import { INITIAL_WINDOW, MAX_WINDOW } from "./frame-types.js";
import { SendOrder } from "./send-order.js";
import type { Http2Stream } from "./stream.js";

export class SendWindows {
  connection = INITIAL_WINDOW;
  readonly #waiting = new SendOrder();
  #turn: Http2Stream | null = null;

  get hasWaiting(): boolean {
    return !this.#waiting.isEmpty;
  }

  /** The stream offered more than it may send now. Without a window of its own it waits outside of the queue. */
  block(stream: Http2Stream): void {
    stream.isBlocked = true;
    if (stream.sendWindow > 0 && !stream.isQueued) this.#waiting.add(stream);
  }

  /** The next stream that could send now, no longer blocked; null when there is none. Until the next call or `endTurn` it is its turn. */
  unblockNext(): Http2Stream | null {
    while (!this.#waiting.isEmpty && this.connection > 0) {
      const stream = this.#waiting.next();
      if (stream === null || !stream.isBlocked || stream.sendWindow <= 0) continue;
      stream.isBlocked = false;
      this.#turn = stream;
      return stream;
    }
    return null;
  }

  endTurn(): void {
    this.#turn = null;
  }

  /** There are more urgent ones that wait for their turn. */
  isBehind(stream: Http2Stream): boolean {
    return stream !== this.#turn && this.#waiting.isBehind(stream);
  }

  /** RFC 9218. */
  prioritize(stream: Http2Stream, urgency: number, isSequential: boolean): void {
    this.#waiting.prioritize(stream, urgency, isSequential);
  }

  /** The stream is over. Left in the queue, those of a peer that opens, resets and never grants a window would pile up. */
  forget(stream: Http2Stream): void {
    if (stream.isQueued) this.#waiting.remove(stream);
  }

  spend(stream: Http2Stream, bytes: number): void {
    stream.sendWindow -= bytes;
    stream.sentBytes += bytes;
    this.connection -= bytes;
  }

  /** False: the window would be too large (§6.9.1). */
  growConnection(bytes: number): boolean {
    this.connection += bytes;
    return this.connection <= MAX_WINDOW;
  }

  /** As above; `bytes` is negative when the initial window shrinks (§6.9.2). */
  growStream(stream: Http2Stream, bytes: number): boolean {
    stream.sendWindow += bytes;
    if (stream.isBlocked) this.block(stream);
    return stream.sendWindow <= MAX_WINDOW;
  }
}
