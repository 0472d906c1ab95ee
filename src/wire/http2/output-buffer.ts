/**
 * Output that waits for its owner: frames of all streams, one behind the other, in pieces from a shared stock. A connection
 * with nothing to say holds no memory for it.
 */
import { Stock } from "../stock.js";

/** Large bodies want more than small messages: with TLS, a socket takes one piece per turn of the loop. */
const small = new Stock(16_384);
const large = new Stock(131_072 + 512);
/** Who wants so much at once has a large body. */
const LARGE_RESERVE_BYTES = 4_096;
const NO_BYTES = new Uint8Array(0);

export class OutputBuffer {
  /** Where to write, from `at` on, after `reserve`. The writer moves `at`. */
  bytes: Uint8Array = NO_BYTES;
  at = 0;
  /** Complete pieces before the one that is being filled. */
  #full: Uint8Array[] = [];
  #fullBytes = 0;

  get pendingBytes(): number {
    return this.#fullBytes + this.at;
  }

  /** After this, `bytes` has room for so many from `at` on. */
  reserve(byteCount: number): void {
    if (this.bytes.length - this.at >= byteCount) return;
    this.#closePiece();
    this.bytes = createPiece(byteCount);
  }

  /** The oldest piece; it is the caller's now. Null: nothing waits. */
  take(): Uint8Array | null {
    if (this.#full.length === 0) this.#closePiece();
    const piece = this.#full.shift() ?? null;
    if (piece !== null) this.#fullBytes -= piece.length;
    return piece;
  }

  #closePiece(): void {
    if (this.at > 0) {
      this.#full.push(this.bytes.subarray(0, this.at));
      this.#fullBytes += this.at;
    }
    this.bytes = NO_BYTES;
    this.at = 0;
  }
}

function createPiece(byteCount: number): Uint8Array {
  if (byteCount > large.blockBytes) return new Uint8Array(byteCount);
  return byteCount > LARGE_RESERVE_BYTES ? large.take() : small.take();
}

/** Puts the memory of a piece back. Given back twice in a row it is taken once; used after that, it corrupts others' output. */
export function releasePiece(piece: Uint8Array): void {
  if (piece.buffer.byteLength === small.blockBytes) small.giveBack(piece);
  else large.giveBack(piece);
}
