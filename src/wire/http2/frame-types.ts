/** Frame types, flags and sizes (RFC 9113 §4.1, §6). */
export const DATA = 0x0;
export const HEADERS = 0x1;
export const PRIORITY = 0x2;
export const RST_STREAM = 0x3;
export const SETTINGS = 0x4;
export const PUSH_PROMISE = 0x5;
export const PING = 0x6;
export const GOAWAY = 0x7;
export const WINDOW_UPDATE = 0x8;
export const CONTINUATION = 0x9;
/** RFC 9218 §7.1. */
export const PRIORITY_UPDATE = 0x10;

export const ACK = 0x1;
export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const HAS_PRIORITY = 0x20;

export const FRAME_HEADER_BYTES = 9;
/** The smallest limit there is (§4.2). We announce no larger one, and never send more, whatever the peer allows. */
export const MAX_FRAME_BYTES = 16_384;
/** §6.9.1. */
export const MAX_WINDOW = 0x7fff_ffff;
/** §6.9.2: before any SETTINGS, and for connections always. */
export const INITIAL_WINDOW = 65_535;

/** What the payload is worth depends on it. */
export interface FrameHeader {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
}

/** 31 bits: the first one is reserved and ignored (§4.1). */
export function readUint31(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) & 0x7fff_ffff;
}

export function readUint32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  return high * 65_536 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
}
