/**
 * Which of the streams that wait may send next. Without priorities they take turns. Once a client has stated one (RFC 9218), the
 * most urgent go first; of the same urgency, those that are of no use in parts come one after the other, in the order of their
 * requests, and the others take turns. Now and then a turn goes to the less urgent, so that nobody waits for ever (§10).
 */
import { DEFAULT_URGENCY, URGENCIES } from "./priority-field.js";
import type { Http2Stream } from "./stream.js";
import { StreamQueue } from "./stream-queue.js";

/** One turn in so many is for each urgency in turn. */
const FAIR_TURN = 16;

export class SendOrder {
  #count = 0;
  /** Of the default urgency, or of all. */
  readonly #queue = new StreamQueue();
  /** By urgency; null until a client has stated one. */
  #levels: readonly StreamQueue[] | null = null;
  #turns = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  add(stream: Http2Stream): void {
    this.#count++;
    this.#queueOf(stream).push(stream);
  }

  remove(stream: Http2Stream): void {
    this.#count--;
    this.#queueOf(stream).remove(stream);
  }

  next(): Http2Stream | null {
    if (this.#count === 0) return null;
    this.#count--;
    return this.#levels === null ? this.#queue.shift() : this.#nextByUrgency(this.#levels);
  }

  /** Others that wait come before it. */
  isBehind(stream: Http2Stream): boolean {
    if (this.#levels === null || this.#count === 0) return false;
    for (let urgency = 0; urgency < stream.urgency; urgency++) if (this.#levels[urgency]?.first !== null) return true;
    return stream.isSequential && this.#queueOf(stream).first !== null;
  }

  prioritize(stream: Http2Stream, urgency: number, isSequential: boolean): void {
    this.#levels ??= Array.from({ length: URGENCIES }, (_, level) => (level === DEFAULT_URGENCY ? this.#queue : new StreamQueue()));
    const { isQueued } = stream;
    if (isQueued) this.remove(stream);
    stream.urgency = urgency;
    stream.isSequential = isSequential;
    if (isQueued) this.add(stream);
  }

  #queueOf({ urgency }: Http2Stream): StreamQueue {
    return this.#levels?.[urgency] ?? this.#queue;
  }

  #nextByUrgency(levels: readonly StreamQueue[]): Http2Stream | null {
    this.#turns = (this.#turns + 1) % (FAIR_TURN * URGENCIES);
    const from = this.#turns % FAIR_TURN === 0 ? this.#turns / FAIR_TURN : 0;
    for (let i = 0; i < URGENCIES; i++) {
      const queue = levels[(from + i) % URGENCIES];
      if (queue !== undefined && queue.first !== null) return nextOf(queue, queue.first);
    }
    return null;
  }
}

/** A turn of one that comes in order is for the first of them. */
function nextOf(queue: StreamQueue, first: Http2Stream): Http2Stream | null {
  if (!first.isSequential) return queue.shift();
  let chosen = first;
  for (let at = first.next; at !== null; at = at.next) if (at.isSequential && at.id < chosen.id) chosen = at;
  queue.remove(chosen);
  if (chosen === first) return chosen;
  // Its place in the row has been used up.
  queue.remove(first);
  queue.push(first);
  return chosen;
}
