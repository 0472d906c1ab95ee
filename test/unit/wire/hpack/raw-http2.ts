/** Just enough of HTTP/2 frames to exchange field blocks with node:http2 over loopback, without our own HTTP/2 codec. */
import type { Socket } from "node:net";

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
export const FRAME = { headers: 1, settings: 4, continuation: 9 } as const;
export const FLAG = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

const HEADER_TABLE_SIZE = 1;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

export function tableSizeSetting(bytes: number): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(HEADER_TABLE_SIZE, 0);
  payload.writeUInt32BE(bytes, 2);
  return payload;
}

/** What a SETTINGS frame says about the table, or the initial size. */
export function tableSizeIn(payload: Buffer): number {
  let bytes = 4096;
  for (let at = 0; at < payload.length; at += 6) if (payload.readUInt16BE(at) === HEADER_TABLE_SIZE) bytes = payload.readUInt32BE(at + 2);
  return bytes;
}

/** Frames of a socket, one after the other, the preface of a client skipped. */
export async function* framesOf(socket: Socket, startsWithPreface: boolean): AsyncGenerator<Frame> {
  let bytes = Buffer.alloc(0);
  let skip = startsWithPreface ? PREFACE.length : 0;
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    if (bytes.length < skip) continue;
    bytes = bytes.subarray(skip);
    skip = 0;
    while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
      const end = 9 + bytes.readUIntBE(0, 3);
      yield { type: bytes[3] as number, flags: bytes[4] as number, streamId: bytes.readUInt32BE(5), payload: bytes.subarray(9, end) };
      bytes = bytes.subarray(end);
    }
  }
}

/** Field blocks put together again, in order. */
export async function* blocksOf(frames: AsyncIterable<Frame>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  for await (const { type, flags, payload } of frames) {
    if (type === FRAME.headers) parts = [fragmentOf(flags, payload)];
    else if (type === FRAME.continuation) parts.push(payload);
    else continue;
    if ((flags & FLAG.endHeaders) !== 0) yield Buffer.concat(parts);
  }
}

function fragmentOf(flags: number, payload: Buffer): Buffer {
  const padding = (flags & FLAG.padded) === 0 ? 0 : (payload[0] as number);
  const start = ((flags & FLAG.padded) === 0 ? 0 : 1) + ((flags & FLAG.priority) === 0 ? 0 : 5);
  return payload.subarray(start, payload.length - padding);
}
