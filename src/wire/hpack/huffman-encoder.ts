/** Huffman encoding, and the choice between it and plain bytes: the shorter wins, plain bytes on a draw (cheaper to read). */
import { CODE_BITS, CODES } from "./huffman-code.js";
import { writeInteger } from "./integer.js";

const HUFFMAN_FLAG = 0x80;
const LENGTH_PREFIX_BITS = 7;
/** Texts below have lengths that fit into the prefix. */
const MIN_LONG = 127;
const BYTES = 256;
/** `?`, for chars that are no bytes: truncated they could become CR or LF. */
const NO_BYTE = 0x3f;

/** Codes of up to so many bits take the short way: with up to 15 that wait they fit into 32 bits. All of plain text does. */
const MAX_SHORT_BITS = 15;
const LENGTH_BITS = 4;
/** [byte]: the code and, below it, its length; 0 for longer codes. */
const SHORT_CODES = Uint32Array.from({ length: BYTES }, (_, byte) => {
  const bits = CODE_BITS[byte] as number;
  return bits > MAX_SHORT_BITS ? 0 : ((CODES[byte] as number) << LENGTH_BITS) | bits;
});

/** A string literal (RFC 7541 §5.2). Needs 10 bytes more than the text has. Returns the new offset. */
export function writeText(text: string, out: Uint8Array, at: number): number {
  if (text.length >= MIN_LONG) return writeLongText(text, out, at);
  const end = writeHuffman(text, out, at + 1);
  if (end < 0) return writePlain(text, out, at);
  out[at] = HUFFMAN_FLAG | (end - at - 1);
  return end;
}

/** The length goes in front of the text and is known behind it: the text moves if it was given too much room. */
function writeLongText(text: string, out: Uint8Array, at: number): number {
  const guess = writeInteger(HUFFMAN_FLAG, LENGTH_PREFIX_BITS, text.length, out, at);
  const end = writeHuffman(text, out, guess);
  if (end < 0) return writePlain(text, out, at);
  const start = writeInteger(HUFFMAN_FLAG, LENGTH_PREFIX_BITS, end - guess, out, at);
  if (start < guess) out.copyWithin(start, guess, end);
  return end - guess + start;
}

function writePlain(text: string, out: Uint8Array, at: number): number {
  let to = writeInteger(0, LENGTH_PREFIX_BITS, text.length, out, at);
  for (let index = 0; index < text.length; index++) out[to++] = byteAt(text, index);
  return to;
}

/** -1 as soon as the text would take as many bytes as it has. */
function writeHuffman(text: string, out: Uint8Array, at: number): number {
  const bound = at + text.length;
  let to = at;
  let waiting = 0;
  let waitingBits = 0;
  for (let index = 0; index < text.length; index++) {
    const byte = byteAt(text, index);
    const short = SHORT_CODES[byte] as number;
    if (short === 0) {
      to = writeLongCode(byte, waiting, waitingBits, out, to);
      waitingBits = (waitingBits + (CODE_BITS[byte] as number)) & 7;
      waiting = CODES[byte] as number;
      if (to >= bound) return -1;
    } else {
      const bits = short & MAX_SHORT_BITS;
      waiting = (waiting << bits) | (short >>> LENGTH_BITS);
      waitingBits += bits;
    }
    if (waitingBits < 16) continue;
    waitingBits -= 16;
    out[to] = waiting >>> (waitingBits + 8);
    out[to + 1] = waiting >>> waitingBits;
    to += 2;
    if (to >= bound) return -1;
  }
  const end = writeRest(waiting, waitingBits, out, to);
  return end < bound ? end : -1;
}

/** Writes all whole bytes of what waits and the code; what is left over are the code's last bits, fewer than eight. */
function writeLongCode(byte: number, waiting: number, waitingBits: number, out: Uint8Array, at: number): number {
  const code = CODES[byte] as number;
  let codeBits = CODE_BITS[byte] as number;
  let to = at;
  let left = waitingBits;
  for (; left >= 8; left -= 8) out[to++] = waiting >>> (left - 8);
  if (left > 0) {
    codeBits -= 8 - left;
    out[to++] = (waiting << (8 - left)) | (code >>> codeBits);
  }
  for (; codeBits >= 8; codeBits -= 8) out[to++] = code >>> (codeBits - 8);
  return to;
}

/** RFC 7541 §5.2: padded with the first bits of EOS, which are ones. */
function writeRest(waiting: number, waitingBits: number, out: Uint8Array, at: number): number {
  let to = at;
  let left = waitingBits;
  for (; left >= 8; left -= 8) out[to++] = waiting >>> (left - 8);
  if (left > 0) out[to++] = (waiting << (8 - left)) | (0xff >>> left);
  return to;
}

function byteAt(text: string, index: number): number {
  const code = text.charCodeAt(index);
  return code < BYTES ? code : NO_BYTE;
}
