/**
 * Puts small pieces of data that come one behind the other in one read together, so that a stream of tiny messages costs its
 * receiver a call per read and not one per frame.
 */
import type { Http2Stream } from "./stream.js";

const ROOM_BYTES = 16_384;
/** One lies ready for whoever gathers next; it is with its user until that has been told. */
let spare: Uint8Array | null = null;

export class DataGatherer {
  readonly #tell: (stream: Http2Stream, data: Uint8Array) => void;
  #stream: Http2Stream | null = null;
  #bytes: Uint8Array | null = null;
  #byteCount = 0;

  /** @param tell `data` is borrowed for the call */
  constructor(tell: (stream: Http2Stream, data: Uint8Array) => void) {
    this.#tell = tell;
  }

  /** Of this stream alone something waits, or of none. */
  isFor(streamId: number): boolean {
    return this.#stream === null || this.#stream.id === streamId;
  }

  /** False: it has no room. Nothing of another stream may wait. */
  add(stream: Http2Stream, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#byteCount + end - start > ROOM_BYTES) return false;
    this.#bytes ??= spare ?? new Uint8Array(ROOM_BYTES);
    spare = null;
    this.#stream = stream;
    for (let at = start; at < end; at++) this.#bytes[this.#byteCount++] = bytes[at] as number;
    return true;
  }

  flush(): void {
    const bytes = this.#bytes;
    const stream = this.#stream;
    if (bytes === null || stream === null) return;
    const data = bytes.subarray(0, this.#byteCount);
    this.#bytes = null;
    this.#stream = null;
    this.#byteCount = 0;
    this.#tell(stream, data);
    spare = bytes;
  }
}
