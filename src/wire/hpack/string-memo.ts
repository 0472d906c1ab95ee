/**
 * Encoded string literal → its text, for texts that come again and again. A hit spares decoding and making a string, and
 * gives equal fields one string, whose hash is already known to every map it is looked up in.
 *
 * Bounded and shared by all decoders. A slot is given away only to a text that misses it twice running, so values that come
 * once (ids, tokens) do not wash out those that repeat.
 */

const SLOTS = 1024;
const MAX_ENCODED_BYTES = 64;
const HUFFMAN_FLAG = 0x80;

export class StringMemo {
  readonly #encoded = new Uint8Array(SLOTS * MAX_ENCODED_BYTES);
  /** Encoded length with the Huffman flag; 0 in an empty slot. */
  readonly #lengths = new Uint8Array(SLOTS);
  readonly #hashes = new Int32Array(SLOTS);
  /** The hash that missed the slot last. */
  readonly #contenders = new Int32Array(SLOTS);
  readonly #texts: string[] = new Array<string>(SLOTS).fill("");
  #hash = 0;

  /** Undefined when it is not known; then `learn` may follow. */
  find(bytes: Uint8Array, start: number, end: number, isHuffman: boolean): string | undefined {
    const length = (end - start) | (isHuffman ? HUFFMAN_FLAG : 0);
    if (end - start > MAX_ENCODED_BYTES) return undefined;
    const hash = hashOf(bytes, start, end, length);
    this.#hash = hash;
    const slot = slotOf(hash);
    if (this.#hashes[slot] !== hash || this.#lengths[slot] !== length) return undefined;
    const encoded = this.#encoded;
    for (let at = start, to = slot * MAX_ENCODED_BYTES; at < end; at++, to++) if (encoded[to] !== bytes[at]) return undefined;
    return this.#texts[slot];
  }

  /** Remembers the text of the bytes that `find` has just not found, perhaps. */
  learn(bytes: Uint8Array, start: number, end: number, isHuffman: boolean, text: string): void {
    if (end - start > MAX_ENCODED_BYTES) return;
    const slot = slotOf(this.#hash);
    if (this.#contenders[slot] !== this.#hash) {
      this.#contenders[slot] = this.#hash;
      return;
    }
    this.#hashes[slot] = this.#hash;
    this.#lengths[slot] = (end - start) | (isHuffman ? HUFFMAN_FLAG : 0);
    for (let at = start, to = slot * MAX_ENCODED_BYTES; at < end; at++, to++) this.#encoded[to] = bytes[at] as number;
    this.#texts[slot] = text;
  }
}

function slotOf(hash: number): number {
  return hash & (SLOTS - 1);
}

/** Four bytes at a step: the multiplication is what takes time. Texts of one hash are told apart by their bytes. */
export function hashOf(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const word =
      (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
    hash = Math.imul(hash ^ word, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}
