/** Writes every frame that carries no header block. */

import * as frame from "./frame-types.js";
import { FRAME_HEADER_BYTES } from "./frame-types.js";
import type { OutputBuffer } from "./output-buffer.js";

const SETTING_BYTES = 6;

export class FrameWriter {
  readonly #output: OutputBuffer;

  constructor(output: OutputBuffer) {
    this.#output = output;
  }

  raw(bytes: Uint8Array): void {
    this.#output.reserve(bytes.length);
    this.#output.bytes.set(bytes, this.#output.at);
    this.#output.at += bytes.length;
  }

  /** @param settings `[identifier, value, …]` */
  settings(settings: readonly number[]): void {
    this.#begin((settings.length / 2) * SETTING_BYTES, frame.SETTINGS, 0, 0);
    for (let i = 0; i < settings.length; i += 2) {
      this.#uint16(settings[i] as number);
      this.#uint32(settings[i + 1] as number);
    }
  }

  settingsAck(): void {
    this.#begin(0, frame.SETTINGS, frame.ACK, 0);
  }

  /** @param payload its 8 bytes, from `at` on */
  ping(flags: number, payload: Uint8Array, at: number): void {
    this.#begin(8, frame.PING, flags, 0);
    for (let i = 0; i < 8; i++) this.#output.bytes[this.#output.at++] = payload[at + i] as number;
  }

  /** @param debugText ASCII, for the operator at the other end */
  goAway(lastStreamId: number, errorCode: number, debugText: string): void {
    this.#begin(8 + debugText.length, frame.GOAWAY, 0, 0);
    this.#uint32(lastStreamId);
    this.#uint32(errorCode);
    for (let i = 0; i < debugText.length; i++) this.#output.bytes[this.#output.at++] = debugText.charCodeAt(i);
  }

  reset(streamId: number, errorCode: number): void {
    this.#begin(4, frame.RST_STREAM, 0, streamId);
    this.#uint32(errorCode);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.#begin(4, frame.WINDOW_UPDATE, 0, streamId);
    this.#uint32(increment);
  }

  data(streamId: number, data: Uint8Array, isEnd: boolean): void {
    this.#begin(data.length, frame.DATA, isEnd ? frame.END_STREAM : 0, streamId);
    if (data.length === 0) return;
    this.#output.bytes.set(data, this.#output.at);
    this.#output.at += data.length;
  }

  /** Reserves the whole frame and writes its header. */
  #begin(length: number, type: number, flags: number, streamId: number): void {
    const output = this.#output;
    output.reserve(FRAME_HEADER_BYTES + length);
    writeFrameHeader(output.bytes, output.at, { length, type, flags, streamId });
    output.at += FRAME_HEADER_BYTES;
  }

  #uint16(value: number): void {
    this.#output.bytes[this.#output.at++] = value >>> 8;
    this.#output.bytes[this.#output.at++] = value;
  }

  #uint32(value: number): void {
    this.#uint16(value >>> 16);
    this.#uint16(value & 0xffff);
  }
}

export function writeFrameHeader(bytes: Uint8Array, at: number, header: frame.FrameHeader): void {
  const { flags, length, streamId, type } = header;
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  bytes[at + 5] = streamId >>> 24;
  bytes[at + 6] = streamId >>> 16;
  bytes[at + 7] = streamId >>> 8;
  bytes[at + 8] = streamId;
}
