/**
 * Cuts what comes into frames, at any split. A frame that is whole in a read is handed on in place; DATA goes on as it arrives;
 * frames of unknown types are skipped; of all others, what has come is kept until the frame is whole.
 */
import type { FrameHeader } from "./frame-types.js";
import { CONTINUATION, DATA, FRAME_HEADER_BYTES, PRIORITY_UPDATE, PUSH_PROMISE, readUint31 } from "./frame-types.js";

export interface FrameSink {
  /** A header has come. False: the connection is over, nothing more is read. */
  onFrameHeader(header: FrameHeader): boolean;
  /** The whole payload of any type but DATA: `[start, end)`. False as above. */
  onFrame(header: FrameHeader, bytes: Uint8Array, start: number, end: number): boolean;
  /** A piece of the payload of DATA, padding included; an empty payload is one piece. False as above. */
  onDataPiece(bytes: Uint8Array, start: number, end: number, isLast: boolean): boolean;
}

const MIN_KEPT_BYTES = 128;
const NO_BYTES = new Uint8Array(0);

export class FrameReader implements FrameHeader {
  length = 0;
  type = 0;
  flags = 0;
  streamId = 0;

  readonly #sink: FrameSink;
  #isStopped = false;
  /** A header has been read whose payload has not come, or not all of it. */
  #hasHeader = false;
  /** Payload bytes still to come. */
  #remaining = 0;
  /** The beginning of a header, or of a payload that must be whole. */
  #kept = NO_BYTES;
  #keptBytes = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  feed(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && !this.#isStopped) {
      at = this.#hasHeader ? this.#payload(bytes, at, end) : this.#header(bytes, at, end);
    }
  }

  #header(bytes: Uint8Array, at: number, end: number): number {
    if (this.#keptBytes === 0 && end - at >= FRAME_HEADER_BYTES) {
      this.#parseHeader(bytes, at);
      return at + FRAME_HEADER_BYTES;
    }
    const to = Math.min(end, at + FRAME_HEADER_BYTES - this.#keptBytes);
    this.#keep(bytes, at, to, FRAME_HEADER_BYTES);
    if (this.#keptBytes === FRAME_HEADER_BYTES) this.#parseHeader(this.#release(), 0);
    return to;
  }

  #parseHeader(bytes: Uint8Array, at: number): void {
    this.length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    this.type = bytes[at + 3] as number;
    this.flags = bytes[at + 4] as number;
    this.streamId = readUint31(bytes, at + 5);
    this.#remaining = this.length;
    this.#hasHeader = true;
    if (!this.#sink.onFrameHeader(this)) this.#isStopped = true;
    else if (this.length === 0) this.#wholePayload(NO_BYTES, 0, 0);
  }

  #payload(bytes: Uint8Array, at: number, end: number): number {
    const to = Math.min(end, at + this.#remaining);
    if (this.type === DATA) this.#dataPiece(bytes, at, to);
    else if (to - at === this.length) this.#wholePayload(bytes, at, to);
    else this.#partOfPayload(bytes, at, to);
    return to;
  }

  #dataPiece(bytes: Uint8Array, start: number, end: number): void {
    this.#remaining -= end - start;
    this.#hasHeader = this.#remaining > 0;
    this.#isStopped = !this.#sink.onDataPiece(bytes, start, end, !this.#hasHeader);
  }

  #wholePayload(bytes: Uint8Array, start: number, end: number): void {
    this.#hasHeader = false;
    if (this.type === DATA) this.#isStopped = !this.#sink.onDataPiece(bytes, start, end, true);
    else if (isKnown(this.type)) this.#isStopped = !this.#sink.onFrame(this, bytes, start, end);
  }

  #partOfPayload(bytes: Uint8Array, start: number, end: number): void {
    this.#remaining -= end - start;
    if (isKnown(this.type)) this.#keep(bytes, start, end, this.length);
    if (this.#remaining > 0) return;
    if (isKnown(this.type)) this.#wholePayload(this.#release(), 0, this.length);
    else this.#hasHeader = false;
  }

  /** Memory follows what has come, not what was announced. */
  #keep(bytes: Uint8Array, start: number, end: number, wholeBytes: number): void {
    const needed = this.#keptBytes + end - start;
    if (needed > this.#kept.length) {
      const larger = new Uint8Array(Math.min(wholeBytes, Math.max(MIN_KEPT_BYTES, 2 * needed)));
      larger.set(this.#kept.subarray(0, this.#keptBytes));
      this.#kept = larger;
    }
    this.#kept.set(bytes.subarray(start, end), this.#keptBytes);
    this.#keptBytes = needed;
  }

  #release(): Uint8Array {
    const kept = this.#kept;
    this.#kept = NO_BYTES;
    this.#keptBytes = 0;
    return kept;
  }
}

function isKnown(type: number): boolean {
  return (type <= CONTINUATION && type !== PUSH_PROMISE) || type === PRIORITY_UPDATE;
}
