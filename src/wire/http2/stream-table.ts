/**
 * The streams of a connection, and what must be remembered of those that are over: who ended them decides whether a late frame
 * is a crossing on the wire or a broken peer (RFC 9113 §5.1). Memory for that is bounded; what is forgotten is met leniently.
 */
import { Http2Stream } from "./stream.js";

/** How a stream that is not in the table came to be so. */
export type Absence = "idle" | "reset-by-us" | "closed" | "forgotten";

const MAX_RESET_REMEMBERED = 256;
const MAX_CLOSED_REMEMBERED = 64;

export class StreamTable {
  /** The highest stream the client has opened, whoever that is. */
  lastId = 0;
  readonly #open = new Map<number, Http2Stream>();
  readonly #resetByUs = new RecentIds(MAX_RESET_REMEMBERED);
  readonly #closed = new RecentIds(MAX_CLOSED_REMEMBERED);

  get size(): number {
    return this.#open.size;
  }

  get(id: number): Http2Stream | undefined {
    return this.#open.get(id);
  }

  all(): IterableIterator<Http2Stream> {
    return this.#open.values();
  }

  open(id: number, sendWindow: number, receiveWindow: number): Http2Stream {
    const stream = new Http2Stream(id, sendWindow, receiveWindow);
    this.#open.set(id, stream);
    return stream;
  }

  /** @param wasCutOff we ended it while the peer may still be sending */
  close(stream: Http2Stream, wasCutOff: boolean): void {
    stream.isClosed = true;
    this.#open.delete(stream.id);
    this.remember(stream.id, wasCutOff);
  }

  remember(id: number, wasCutOff: boolean): void {
    (wasCutOff ? this.#resetByUs : this.#closed).add(id);
  }

  /** The peer has ended a stream that we cut off: anything after that is its fault. */
  endedByPeer(id: number): void {
    if (this.#resetByUs.delete(id)) this.#closed.add(id);
  }

  /** For an id that `get` does not know. Only clients open streams: even ids are idle for ever. */
  absence(id: number): Absence {
    if (id > this.lastId || id % 2 === 0) return "idle";
    if (this.#resetByUs.has(id)) return "reset-by-us";
    return this.#closed.has(id) ? "closed" : "forgotten";
  }
}

/** The last few ids; looked through only for frames that come late. */
class RecentIds {
  readonly #ids: number[] = [];
  readonly #max: number;
  #at = 0;

  constructor(max: number) {
    this.#max = max;
  }

  add(id: number): void {
    this.#ids[this.#at] = id;
    this.#at = this.#at + 1 === this.#max ? 0 : this.#at + 1;
  }

  has(id: number): boolean {
    return this.#ids.includes(id);
  }

  delete(id: number): boolean {
    const index = this.#ids.indexOf(id);
    if (index === -1) return false;
    this.#ids[index] = 0;
    return true;
  }
}
