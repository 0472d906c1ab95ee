/**
 * Flow control of what we send (RFC 9113 §5.2, §6.9): the connection's window, and the queue of streams that have more to send
 * than they were allowed. Each in turn gets a frame's worth. Priorities are not honoured (§5.3 lets us): turns are fair, and a
 * stream that never had to wait goes first.
 */
import { INITIAL_WINDOW, MAX_WINDOW } from "./frame-types.js";
import type { Http2Stream } from "./stream.js";

export class SendWindows {
  connection = INITIAL_WINDOW;
  #first: Http2Stream | null = null;
  #last: Http2Stream | null = null;

  get hasWaiting(): boolean {
    return this.#first !== null;
  }

  /** The stream offered more than it may send now. Without a window of its own it waits outside of the queue. */
  block(stream: Http2Stream): void {
    stream.isBlocked = true;
    if (stream.sendWindow > 0 && !stream.isQueued) this.#enqueue(stream);
  }

  /** The next stream that could send now, no longer blocked; null when there is none. */
  unblockNext(): Http2Stream | null {
    while (this.#first !== null && this.connection > 0) {
      const stream = this.#dequeue(this.#first);
      if (!stream.isBlocked || stream.sendWindow <= 0) continue;
      stream.isBlocked = false;
      return stream;
    }
    return null;
  }

  /** The stream is over. Left in the queue, those of a peer that opens, resets and never grants a window would pile up. */
  forget(stream: Http2Stream): void {
    if (!stream.isQueued) return;
    if (this.#first === stream) {
      this.#dequeue(stream);
      return;
    }
    let before = this.#first;
    while (before !== null && before.next !== stream) before = before.next;
    if (before === null) return;
    before.next = stream.next;
    if (this.#last === stream) this.#last = before;
    stream.next = null;
    stream.isQueued = false;
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

  #enqueue(stream: Http2Stream): void {
    stream.isQueued = true;
    if (this.#last === null) this.#first = stream;
    else this.#last.next = stream;
    this.#last = stream;
  }

  #dequeue(stream: Http2Stream): Http2Stream {
    this.#first = stream.next;
    if (this.#first === null) this.#last = null;
    stream.next = null;
    stream.isQueued = false;
    return stream;
  }
}
