/** Streams in a row, linked through themselves: each is in one queue at most. */
import type { Http2Stream } from "./stream.js";

export class StreamQueue {
  first: Http2Stream | null = null;
  #last: Http2Stream | null = null;

  push(stream: Http2Stream): void {
    stream.isQueued = true;
    if (this.#last === null) this.first = stream;
    else this.#last.next = stream;
    this.#last = stream;
  }

  shift(): Http2Stream | null {
    const stream = this.first;
    if (stream !== null) this.#unlink(null, stream);
    return stream;
  }

  /** It has to be in this queue. */
  remove(stream: Http2Stream): void {
    let before: Http2Stream | null = null;
    for (let at = this.first; at !== stream; at = at.next) {
      if (at === null) return;
      before = at;
    }
    this.#unlink(before, stream);
  }

  #unlink(before: Http2Stream | null, stream: Http2Stream): void {
    if (before === null) this.first = stream.next;
    else before.next = stream.next;
    if (this.#last === stream) this.#last = before;
    stream.next = null;
    stream.isQueued = false;
  }
}
