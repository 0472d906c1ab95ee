/** Writes header blocks: one HEADERS frame straight into the output, or HEADERS and CONTINUATIONs when the block is large. */
import type { HpackEncoder } from "../hpack/encoder.js";
import { BEGIN_ROOM, fieldRoom } from "../hpack/encoder.js";
import type { Http2RequestHead, Http2ResponseHead } from "./events.js";
import { CONTINUATION, END_HEADERS, END_STREAM, FRAME_HEADER_BYTES, HEADERS, MAX_FRAME_BYTES } from "./frame-types.js";
import { writeFrameHeader } from "./frame-writer.js";
import type { OutputBuffer } from "./output-buffer.js";

const NO_BYTES = new Uint8Array(0);
/** Pseudo-fields of a status, content-length and te: none of their values is longer than this. */
const SHORT_FIELD_ROOM = fieldRoom("content-length", "9007199254740991");
/** Methods for which a length of zero says that there could have been content (RFC 9110 §8.6). */
const MAY_HAVE_CONTENT = /^P(?:OST|UT|ATCH)$/;

export class HeadWriter {
  readonly #output: OutputBuffer;
  readonly #encoder: HpackEncoder;
  #bytes: Uint8Array = NO_BYTES;
  #start = 0;
  #at = 0;

  constructor(output: OutputBuffer, encoder: HpackEncoder) {
    this.#output = output;
    this.#encoder = encoder;
  }

  request(streamId: number, head: Http2RequestHead, isEnd: boolean): void {
    const { authority, bodyLength, method, path, protocol, scheme } = head;
    const pseudoRoom = method.length + scheme.length + authority.length + path.length + protocol.length;
    this.#begin(pseudoRoom + 6 * SHORT_FIELD_ROOM + roomOf(head.headers));
    this.#field(":method", method);
    if (scheme !== "") this.#field(":scheme", scheme);
    if (authority !== "") this.#field(":authority", authority);
    if (path !== "") this.#field(":path", path);
    if (protocol !== "") this.#field(":protocol", protocol);
    this.#fields(head.headers);
    if (bodyLength > 0 || (bodyLength === 0 && MAY_HAVE_CONTENT.test(method))) this.#field("content-length", String(bodyLength));
    if (head.acceptsTrailers) this.#field("te", "trailers");
    this.#end(streamId, isEnd);
  }

  response(streamId: number, head: Http2ResponseHead, isEnd: boolean): void {
    this.#begin(2 * SHORT_FIELD_ROOM + roomOf(head.headers));
    this.#field(":status", String(head.status));
    this.#fields(head.headers);
    if (head.bodyLength >= 0 && head.status !== 204) this.#field("content-length", String(head.bodyLength));
    this.#end(streamId, isEnd);
  }

  interim(streamId: number, status: number, headers: readonly string[]): void {
    this.#begin(SHORT_FIELD_ROOM + roomOf(headers));
    this.#field(":status", String(status));
    this.#fields(headers);
    this.#end(streamId, false);
  }

  trailers(streamId: number, trailers: readonly string[]): void {
    this.#begin(roomOf(trailers));
    this.#fields(trailers);
    this.#end(streamId, true);
  }

  /** A block that may not fit into one frame is written elsewhere first. */
  #begin(fieldsRoom: number): void {
    const room = fieldsRoom + BEGIN_ROOM;
    if (room <= MAX_FRAME_BYTES) {
      this.#output.reserve(FRAME_HEADER_BYTES + room);
      this.#bytes = this.#output.bytes;
      this.#start = this.#output.at + FRAME_HEADER_BYTES;
    } else {
      this.#bytes = new Uint8Array(room);
      this.#start = 0;
    }
    this.#at = this.#encoder.begin(this.#bytes, this.#start);
  }

  #field(name: string, value: string): void {
    this.#at = this.#encoder.field(name, value, this.#bytes, this.#at);
  }

  #fields(fields: readonly string[]): void {
    for (let i = 0; i < fields.length; i += 2) this.#field(fields[i] as string, fields[i + 1] as string);
  }

  #end(streamId: number, isEnd: boolean): void {
    const flags = isEnd ? END_STREAM : 0;
    if (this.#bytes === this.#output.bytes) {
      const length = this.#at - this.#start;
      writeFrameHeader(this.#bytes, this.#output.at, { length, type: HEADERS, flags: flags | END_HEADERS, streamId });
      this.#output.at = this.#at;
    } else {
      this.#writeFrames(streamId, flags);
    }
    this.#bytes = NO_BYTES;
  }

  #writeFrames(streamId: number, flags: number): void {
    const block = this.#bytes.subarray(0, this.#at);
    let at = 0;
    do {
      const length = Math.min(MAX_FRAME_BYTES, block.length - at);
      const isLast = at + length === block.length;
      const frameFlags = (at === 0 ? flags : 0) | (isLast ? END_HEADERS : 0);
      const output = this.#output;
      output.reserve(FRAME_HEADER_BYTES + length);
      writeFrameHeader(output.bytes, output.at, { length, type: at === 0 ? HEADERS : CONTINUATION, flags: frameFlags, streamId });
      output.bytes.set(block.subarray(at, at + length), output.at + FRAME_HEADER_BYTES);
      output.at += FRAME_HEADER_BYTES + length;
      at += length;
    } while (at < block.length);
  }
}

function roomOf(fields: readonly string[]): number {
  let room = 0;
  for (let i = 0; i < fields.length; i += 2) room += fieldRoom(fields[i] as string, fields[i + 1] as string);
  return room;
}
