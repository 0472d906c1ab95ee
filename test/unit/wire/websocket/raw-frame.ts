/** Frames byte by byte, wrong ones included: written without the encoder, so that the tests do not believe it. */

export interface RawFrame {
  readonly opcode: number;
  readonly payload?: Uint8Array;
  /** Default: final. */
  readonly isFinal?: boolean;
  /** Bits 0x70 of the first byte. */
  readonly reservedBits?: number;
  /** Absent: unmasked. */
  readonly mask?: number;
  /** Of the length field: 7, 16 or 64 bits. Default: the shortest. */
  readonly lengthBits?: 7 | 16 | 64;
  /** The length to announce, if not the payload's. */
  readonly announced?: bigint;
}

export function rawFrame(frame: RawFrame): Buffer {
  const payload = frame.payload ?? new Uint8Array(0);
  const first = (frame.isFinal === false ? 0 : 0x80) | (frame.reservedBits ?? 0) | frame.opcode;
  const length = frame.announced ?? BigInt(payload.length);
  const head = [Buffer.of(first), lengthField(length, frame.lengthBits ?? shortest(length))];
  if (frame.mask === undefined) return Buffer.concat([...head, payload]);
  const mask = Buffer.alloc(4);
  mask.writeUInt32BE(frame.mask >>> 0);
  (head[1] as Buffer)[0] = (head[1]?.[0] as number) | 0x80;
  return Buffer.concat([...head, mask, payload.map((byte, i) => byte ^ (mask[i % 4] as number))]);
}

export function rawFrames(...frames: readonly RawFrame[]): Buffer {
  return Buffer.concat(frames.map(rawFrame));
}

/** Payload of a close frame. */
export function codeAndReason(code: number, reason: string | Uint8Array = ""): Buffer {
  return Buffer.concat([Buffer.of(code >>> 8, code & 255), Buffer.from(reason)]);
}

function shortest(length: bigint): 7 | 16 | 64 {
  if (length <= 125n) return 7;
  return length <= 65_535n ? 16 : 64;
}

function lengthField(length: bigint, bits: 7 | 16 | 64): Buffer {
  if (bits === 7) return Buffer.of(Number(length));
  const field = Buffer.alloc(bits === 16 ? 3 : 9);
  field[0] = bits === 16 ? 126 : 127;
  if (bits === 16) field.writeUInt16BE(Number(length), 1);
  else field.writeBigUInt64BE(length, 1);
  return field;
}
