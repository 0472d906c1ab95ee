/**
 * String literals (RFC 7541 §5.2) to strings with one char per byte. A text that is longer than it may be is checked and
 * measured, but never made.
 */
import { decodeHuffman, maxDecodedBytes, measureHuffman } from "./huffman-decoder.js";
import { StringMemo } from "./string-memo.js";

/** Node's Buffers have it (the ambient types do not list it): the fastest way to a string. It works on any byte array. */
type Latin1Slice = (this: Uint8Array, start: number, end: number) => string;

/** Texts are decoded here, one at a time; the rare longer one gets an array of its own. */
const SCRATCH_BYTES = 4096;
const FALLBACK_CHUNK = 1024;

const scratch = new Uint8Array(SCRATCH_BYTES + 1);
const memo = new StringMemo();

export class StringReader {
  #slice: Latin1Slice = slowLatin1Slice;
  /** Length of the text that was read last, or -1: it was malformed. */
  length = 0;

  /** Whatever is read next comes from `bytes`. */
  begin(bytes: Uint8Array): void {
    this.#slice = (bytes as { latin1Slice?: Latin1Slice }).latin1Slice ?? slowLatin1Slice;
  }

  /** @param room a text longer than that is only measured, and comes as "" */
  read(bytes: Uint8Array, start: number, end: number, isHuffman: boolean, room: number, isSecret: boolean): string {
    if (start === end) return this.#ended("", 0);
    if (isSecret) return this.#decode(bytes, start, end, isHuffman, room);
    const known = memo.find(bytes, start, end, isHuffman);
    if (known !== undefined) return this.#ended(known, known.length);
    const text = this.#decode(bytes, start, end, isHuffman, room);
    if (text.length === this.length) memo.learn(bytes, start, end, isHuffman, text);
    return text;
  }

  #decode(bytes: Uint8Array, start: number, end: number, isHuffman: boolean, room: number): string {
    if (isHuffman) return this.#decodeHuffman(bytes, start, end, room);
    this.length = end - start;
    return this.length > room ? "" : this.#slice.call(bytes, start, end);
  }

  #decodeHuffman(bytes: Uint8Array, start: number, end: number, room: number): string {
    if (maxDecodedBytes(end - start) <= Math.min(SCRATCH_BYTES, room)) {
      this.length = decodeHuffman(bytes, start, end, scratch);
      return this.length <= 0 ? "" : this.#slice.call(scratch, 0, this.length);
    }
    this.length = measureHuffman(bytes, start, end);
    if (this.length <= 0 || this.length > room) return "";
    const out = this.length <= SCRATCH_BYTES ? scratch : new Uint8Array(this.length + 1);
    decodeHuffman(bytes, start, end, out);
    return this.#slice.call(out, 0, this.length);
  }

  #ended(text: string, length: number): string {
    this.length = length;
    return text;
  }
}

function slowLatin1Slice(this: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at += FALLBACK_CHUNK) {
    text += String.fromCharCode.apply(null, this.subarray(at, Math.min(at + FALLBACK_CHUNK, end)) as unknown as number[]);
  }
  return text;
}
