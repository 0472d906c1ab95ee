/** Huffman encoding, and the choice between it and plain bytes: the shorter wins, plain bytes on a draw (cheaper to read). */
import { CODE_BITS, CODES } from "./huffman-code.js";
import { writeInteger } from "./integer.js";

const HUFFMAN_FLAG = 0x80;
const LENGTH_PREFIX_BITS = 7;
/** Up to here the length fits into the prefix, whichever form wins: it can be written after the text. */
const MAX_SHORT = 126;
/** Longer codes are written in two parts, so that they fit into 32 bits behind up to seven waiting ones. */
const MAX_PART_BITS = 24;
const LOWER_PART_BITS = 16;
/** `?`, for chars that are no bytes: truncated they could become CR or LF. */
const NO_BYTE = 0x3f;

/** A string literal (RFC 7541 §5.2). Needs 6 bytes more than the text has. Returns the new offset. */
export function writeText(text: string, out: Uint8Array, at: number): number {
  if (text.length <= MAX_SHORT) {
    const end = writeHuffman(text, out, at + 1, text.length);
    if (end < 0) return writePlain(text, out, at);
    out[at] = HUFFMAN_FLAG | (end - at - 1);
    return end;
  }
  const huffmanBytes = measure(text);
  if (huffmanBytes >= text.length) return writePlain(text, out, at);
  return writeHuffman(text, out, writeInteger(HUFFMAN_FLAG, LENGTH_PREFIX_BITS, huffmanBytes, out, at), text.length);
}

function writePlain(text: string, out: Uint8Array, at: number): number {
  let to = writeInteger(0, LENGTH_PREFIX_BITS, text.length, out, at);
  for (let index = 0; index < text.length; index++) out[to++] = byteAt(text, index);
  return to;
}

/** -1 as soon as the text would take `tooMany` bytes. */
function writeHuffman(text: string, out: Uint8Array, at: number, tooMany: number): number {
  const bound = at + tooMany;
  let to = at;
  let waiting = 0;
  let waitingBits = 0;
  for (let index = 0; index < text.length; index++) {
    const symbol = byteAt(text, index);
    let code = CODES[symbol] as number;
    let bits = CODE_BITS[symbol] as number;
    if (bits > MAX_PART_BITS) {
      waiting = (waiting << (bits - LOWER_PART_BITS)) | (code >>> LOWER_PART_BITS);
      waitingBits += bits - LOWER_PART_BITS;
      for (; waitingBits >= 8; waitingBits -= 8) out[to++] = waiting >>> (waitingBits - 8);
      code &= 0xffff;
      bits = LOWER_PART_BITS;
    }
    waiting = (waiting << bits) | code;
    waitingBits += bits;
    for (; waitingBits >= 8; waitingBits -= 8) out[to++] = waiting >>> (waitingBits - 8);
    if (to >= bound) return -1;
  }
  // RFC 7541 §5.2: the rest is padded with the first bits of EOS, which are ones.
  if (waitingBits > 0) out[to++] = (waiting << (8 - waitingBits)) | (0xff >>> waitingBits);
  return to >= bound ? -1 : to;
}

function measure(text: string): number {
  let bits = 0;
  for (let index = 0; index < text.length; index++) bits += CODE_BITS[byteAt(text, index)] as number;
  return (bits + 7) >>> 3;
}

function byteAt(text: string, index: number): number {
  const code = text.charCodeAt(index);
  return code > 0xff ? NO_BYTE : code;
}
