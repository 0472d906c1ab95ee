/**
 * Keeps payload that came in pieces, in one array. It grows with what has arrived, never with what was announced, and by
 * doubling, so neither a lying length nor a million tiny fragments cost more than their bytes.
 */
import { applyMask } from "./masking.js";

const EMPTY = new Uint8Array(0);
const MIN_BYTES = 64;
/** Small messages of one `feed` share their memory; making an array costs more than copying so much. */
const MAX_REUSED_BYTES = 4096;

export class PayloadBuffer {
  #storage = EMPTY;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** @param maxBytes the array need not become larger than this */
  append(bytes: Uint8Array, from: number, to: number, maxBytes: number): void {
    const length = this.#length + to - from;
    if (length > this.#storage.length) this.#grow(Math.min(Math.max(length, 2 * this.#storage.length, MIN_BYTES), maxBytes));
    this.#storage.set(bytes.subarray(from, to), this.#length);
    this.#length = length;
  }

  /** @param offset of the first of these bytes in its frame's payload */
  unmaskLast(bytes: number, mask: number, offset: number): void {
    applyMask(this.#storage, this.#length - bytes, this.#length, mask, offset);
  }

  /** Everything kept; the buffer is empty after that. The view is good until the next `append`. */
  take(): Uint8Array {
    const taken = this.#storage.subarray(0, this.#length);
    this.#length = 0;
    if (this.#storage.length > MAX_REUSED_BYTES) this.#storage = EMPTY;
    return taken;
  }

  /** Gives back the memory kept for reuse: an idle connection holds none. */
  release(): void {
    if (this.#length === 0) this.#storage = EMPTY;
  }

  #grow(capacity: number): void {
    const storage = new Uint8Array(capacity);
    storage.set(this.#storage.subarray(0, this.#length));
    this.#storage = storage;
  }
}
