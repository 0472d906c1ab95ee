/** Frames as tests write and read them. Header blocks are literals without indexing, so that no order of blocks matters. */
import * as frame from "../../../../src/wire/http2/frame-types.js";

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

const NAMES = ["DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"];

export function rawFrame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = Buffer.alloc(0),
  length = payload.length,
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** `fields` as `name: value`; a pseudo-field's first colon belongs to its name. */
export function block(fields: readonly string[]): Buffer {
  return Buffer.concat(fields.map((field) => literal(field)));
}

function literal(field: string): Buffer {
  const colon = field.indexOf(":", 1);
  const name = field.slice(0, colon);
  const value = field.slice(colon + 1).replace(/^ /, "");
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

function text(value: string): Buffer {
  const { length } = value;
  if (length < 127) return Buffer.concat([Buffer.from([length]), Buffer.from(value, "latin1")]);
  const rest: number[] = [];
  let left = length - 127;
  for (; left >= 128; left = Math.floor(left / 128)) rest.push((left % 128) | 128);
  return Buffer.concat([Buffer.from([127, ...rest, left]), Buffer.from(value, "latin1")]);
}

export function settings(pairs: readonly number[] = []): Buffer {
  const payload = Buffer.alloc(pairs.length * 3);
  for (let i = 0; i < pairs.length; i += 2) {
    payload.writeUInt16BE(pairs[i] as number, i * 3);
    payload.writeUInt32BE(pairs[i + 1] as number, i * 3 + 2);
  }
  return rawFrame(frame.SETTINGS, 0, 0, payload);
}

export const SETTINGS_ACK = rawFrame(frame.SETTINGS, frame.ACK, 0);
export const GET = [":method: GET", ":scheme: https", ":path: /", ":authority: a.example"];
export const POST = [":method: POST", ":scheme: https", ":path: /", ":authority: a.example"];

export function headers(streamId: number, fields: readonly string[], isEnd = true, isWhole = true): Buffer {
  return rawFrame(frame.HEADERS, (isEnd ? frame.END_STREAM : 0) | (isWhole ? frame.END_HEADERS : 0), streamId, block(fields));
}

export function continuation(streamId: number, fields: readonly string[], isWhole = true): Buffer {
  return rawFrame(frame.CONTINUATION, isWhole ? frame.END_HEADERS : 0, streamId, block(fields));
}

export function data(streamId: number, content: string | Uint8Array, isEnd = false): Buffer {
  return rawFrame(frame.DATA, isEnd ? frame.END_STREAM : 0, streamId, typeof content === "string" ? Buffer.from(content) : content);
}

/** @param pad bytes of padding after the length byte */
export function padded(bytes: Buffer, pad: number): Buffer {
  const payload = Buffer.concat([Buffer.from([pad]), bytes.subarray(9), Buffer.alloc(pad)]);
  return rawFrame(bytes[3] as number, (bytes[4] as number) | frame.PADDED, bytes.readUInt32BE(5), payload);
}

export function priority(streamId: number, dependency: number): Buffer {
  return rawFrame(frame.PRIORITY, 0, streamId, Buffer.concat([uint32(dependency), Buffer.from([16])]));
}

export function reset(streamId: number, errorCode: number): Buffer {
  return rawFrame(frame.RST_STREAM, 0, streamId, uint32(errorCode));
}

export function ping(payload = "12345678", flags = 0): Buffer {
  return rawFrame(frame.PING, flags, 0, Buffer.from(payload));
}

export function goAway(lastId: number, errorCode: number): Buffer {
  return rawFrame(frame.GOAWAY, 0, 0, Buffer.concat([uint32(lastId), uint32(errorCode)]));
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  return rawFrame(frame.WINDOW_UPDATE, 0, streamId, uint32(increment));
}

/** Whole frames; throws on a rest. */
export function parseFrames(bytes: Buffer): RawFrame[] {
  const frames: RawFrame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) throw new Error(`a frame of ${end - at} bytes is cut off`);
    const streamId = bytes.readUInt32BE(at + 5);
    frames.push({ type: bytes[at + 3] as number, flags: bytes[at + 4] as number, streamId, payload: bytes.subarray(at + 9, end) });
    at = end;
  }
  return frames;
}

/** `RST_STREAM 1 STREAM_CLOSED` and the like, for comparing. */
export function describeFrame({ flags, payload, streamId, type }: RawFrame): string {
  const name = NAMES[type] ?? `type ${type}`;
  const ack = (flags & 1) !== 0;
  switch (type) {
    case frame.RST_STREAM:
      return `${name} ${streamId} ${codeName(payload.readUInt32BE(0))}`;
    case frame.GOAWAY:
      return `${name} ${payload.readUInt32BE(0)} ${codeName(payload.readUInt32BE(4))}`;
    case frame.WINDOW_UPDATE:
      return `${name} ${streamId} +${payload.readUInt32BE(0)}`;
    case frame.SETTINGS:
      return ack ? `${name} ACK` : name;
    case frame.PING:
      return `${name}${ack ? " ACK" : ""} ${payload.toString("latin1")}`;
    case frame.DATA:
      return `${name} ${streamId} ${payload.length}${ack ? " END" : ""}`;
    default:
      return `${name} ${streamId}${ack ? " END" : ""}`;
  }
}

const CODES = [
  ...["NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR"],
  ...["REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"],
];

export function codeName(code: number): string {
  return CODES[code] ?? `code ${code}`;
}
