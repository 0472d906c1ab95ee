/** Gathers the fragments of a header block that came in several frames (RFC 9113 §4.3): copied as they come, up to a limit. */
const NO_BYTES = new Uint8Array(0);

export class HeaderBlock {
  bytes = NO_BYTES;
  length = 0;
  continuations = 0;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** False: the block is larger than the limit. */
  append(bytes: Uint8Array, start: number, end: number): boolean {
    const needed = this.length + end - start;
    if (needed > this.#maxBytes) return false;
    if (needed > this.bytes.length) {
      const larger = new Uint8Array(Math.min(this.#maxBytes, 2 * needed));
      larger.set(this.bytes.subarray(0, this.length));
      this.bytes = larger;
    }
    this.bytes.set(bytes.subarray(start, end), this.length);
    this.length = needed;
    return true;
  }

  release(): void {
    this.bytes = NO_BYTES;
    this.length = 0;
    this.continuations = 0;
  }
}
