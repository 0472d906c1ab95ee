/**
 * Blocks of memory of one size that go round. Memory outside of the heap that comes and goes with every chunk of a body makes
 * the garbage collector mark the whole heap again and again.
 */

/** Of each size; what is more goes to the garbage collector. */
const MAX_KEPT_BYTES = 4_194_304;

export class Stock {
  readonly blockBytes: number;
  readonly #blocks: ArrayBuffer[] = [];
  readonly #maxBlocks: number;

  constructor(blockBytes: number) {
    this.blockBytes = blockBytes;
    this.#maxBlocks = Math.floor(MAX_KEPT_BYTES / blockBytes);
  }

  /** A whole block; what is in it is left from others. */
  take(): Uint8Array {
    return new Uint8Array(this.#blocks.pop() ?? new ArrayBuffer(this.blockBytes));
  }

  /** The block of which `bytes` is a part; what is no block of this size is ignored. Used after that, it corrupts what others keep. */
  giveBack(bytes: Uint8Array): void {
    const { buffer } = bytes;
    if (buffer.byteLength !== this.blockBytes || this.#blocks.length >= this.#maxBlocks || !(buffer instanceof ArrayBuffer)) return;
    if (!this.#blocks.includes(buffer)) this.#blocks.push(buffer);
  }
}
