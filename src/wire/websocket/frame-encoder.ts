/** Frames, as either role writes them: one frame a message, into memory that the caller has measured with `frameBytes`. */
import { isSendableCloseCode } from "./close-codes.js";
import { applyMask } from "./masking.js";

const FINAL_BIT = 0x80;
const MASK_BIT = 0x80;
const MAX_SHORT_LENGTH = 125;
const MAX_MEDIUM_LENGTH = 0xffff;
/** A control frame's payload has at most 125 bytes, two of them the code (§5.5). */
const MAX_REASON_BYTES = 123;

/** Bytes that a frame with so much payload takes. */
export function frameBytes(payloadBytes: number, isMasked: boolean): number {
  const lengthBytes = payloadBytes <= MAX_SHORT_LENGTH ? 0 : payloadBytes <= MAX_MEDIUM_LENGTH ? 2 : 8;
  return 2 + lengthBytes + (isMasked ? 4 : 0) + payloadBytes;
}

/**
 * Writes one final frame into `into` at `at`; returns the index behind it. `mask`: 32 random bits (a client must mask,
 * §5.3), or null for an unmasked frame. The caller answers for the opcode, for valid text and for short control payloads.
 */
export function writeFrame(into: Uint8Array, at: number, opcode: number, payload: Uint8Array, mask: number | null): number {
  into[at] = FINAL_BIT | opcode;
  const behindLength = writeLength(into, at + 1, payload.length, mask === null ? 0 : MASK_BIT);
  const start = mask === null ? behindLength : writeWord(into, behindLength, mask);
  const end = start + payload.length;
  into.set(payload, start);
  if (mask !== null) applyMask(into, start, end, mask, 0);
  return end;
}

/**
 * Payload of a close frame: code and reason, the reason cut to 123 bytes at a UTF-8 character border. Empty for codes that
 * must not travel, such as 1005, which means "none".
 */
export function closePayload(code: number, reason: Uint8Array): Uint8Array {
  if (!isSendableCloseCode(code)) return new Uint8Array(0);
  let length = Math.min(reason.length, MAX_REASON_BYTES);
  while (length > 0 && isContinuationByte(reason[length])) length--;
  const payload = new Uint8Array(2 + length);
  payload[0] = code >>> 8;
  payload[1] = code;
  payload.set(reason.subarray(0, length), 2);
  return payload;
}

/** 10xxxxxx: inside a UTF-8 character; never behind the reason's end. */
function isContinuationByte(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

function writeLength(into: Uint8Array, at: number, length: number, maskBit: number): number {
  if (length <= MAX_SHORT_LENGTH) {
    into[at] = maskBit | length;
    return at + 1;
  }
  if (length <= MAX_MEDIUM_LENGTH) {
    into[at] = maskBit | 126;
    into[at + 1] = length >>> 8;
    into[at + 2] = length;
    return at + 3;
  }
  into[at] = maskBit | 127;
  return writeWord(into, writeWord(into, at + 1, Math.floor(length / 2 ** 32)), length >>> 0);
}

function writeWord(into: Uint8Array, at: number, word: number): number {
  into[at] = word >>> 24;
  into[at + 1] = word >>> 16;
  into[at + 2] = word >>> 8;
  into[at + 3] = word;
  return at + 4;
}
