/**
 * Body bytes that wait, in order. Small pieces are merged: a chunked upload may consist of chunks of one byte, and a
 * buffer of its own for each would cost a hundred times what was received. All bodies of a listener share one budget.
 */

/** Bytes that wait in all bodies together. */
export interface HeldBudget {
  bytes: number;
  readonly maxBytes: number;
}

/** Pieces from here on keep a buffer of their own. */
export const SMALL_PIECE_BYTES = 4_096;
const MIN_SLAB_BYTES = 1_024;
const MAX_SLAB_BYTES = 16_384;
const EMPTY = Buffer.alloc(0);

export class HeldBytes {
  bytes = 0;
  readonly #budget: HeldBudget;
  #pieces: Uint8Array[] = [];
  #next = 0;
  /** Small pieces are written one behind the other; from `#start` to `#used` they are not in `#pieces` yet. */
  #slab = EMPTY;
  #start = 0;
  #used = 0;

  constructor(budget: HeldBudget) {
    this.#budget = budget;
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0 && this.#used === this.#start;
  }

  get isOverBudget(): boolean {
    return this.#budget.bytes > this.#budget.maxBytes;
  }

  /** Copies. An empty piece counts as one when it is alone: it may stand for the end of the body. */
  push(piece: Uint8Array): void {
    this.#count(piece.length);
    if (piece.length >= SMALL_PIECE_BYTES || (piece.length === 0 && this.isEmpty)) {
      this.#closeMerged();
      this.#pieces.push(Buffer.from(piece));
    } else this.#merge(piece);
  }

  /** The oldest bytes; they belong to the caller. Not when empty. */
  shift(): Uint8Array {
    if (this.#pieces.length === 0) this.#closeMerged();
    const piece = this.#pieces[this.#next] as Uint8Array;
    this.#pieces[this.#next++] = EMPTY;
    if (this.#next === this.#pieces.length) {
      this.#pieces = [];
      this.#next = 0;
    }
    this.#count(-piece.length);
    return piece;
  }

  clear(): void {
    this.#count(-this.bytes);
    this.#pieces = [];
    this.#next = 0;
    this.#slab = EMPTY;
    this.#start = 0;
    this.#used = 0;
  }

  #merge(piece: Uint8Array): void {
    if (this.#used + piece.length > this.#slab.length) {
      this.#closeMerged();
      const bytes = Math.min(MAX_SLAB_BYTES, Math.max(MIN_SLAB_BYTES, piece.length, this.bytes));
      this.#slab = Buffer.allocUnsafeSlow(bytes);
      this.#start = 0;
      this.#used = 0;
    }
    this.#slab.set(piece, this.#used);
    this.#used += piece.length;
  }

  #closeMerged(): void {
    if (this.#used === this.#start) return;
    this.#pieces.push(this.#slab.subarray(this.#start, this.#used));
    this.#start = this.#used;
  }

  #count(change: number): void {
    this.bytes += change;
    this.#budget.bytes += change;
  }
}
