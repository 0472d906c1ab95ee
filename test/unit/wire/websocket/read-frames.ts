/** Runs the parser over bytes, in pieces and with pauses, and notes everything it says. */
import { isUtf8 } from "node:buffer";
import type { FrameEvents } from "../../../../src/wire/websocket/frame-parser.js";
import { FrameParser } from "../../../../src/wire/websocket/frame-parser.js";

export type FrameEvent =
  | { readonly kind: "text" | "binary" | "ping" | "pong"; readonly data: string }
  | { readonly kind: "close"; readonly code: number; readonly reason: string };

export interface FrameReading {
  /** Data as latin1, so that a difference can be read. */
  readonly events: readonly FrameEvent[];
  readonly closeCode: number | null;
  readonly refusal: string | null;
  readonly isClosed: boolean;
  /** Index of the first byte not consumed. */
  readonly consumed: number;
}

export interface FrameReadingOptions {
  readonly isMasked?: boolean;
  readonly maxMessageBytes?: number;
  /** Sizes of the pieces, over and over. Default: one piece. */
  readonly pieces?: readonly number[];
  /** Asked at each message: stop there? The parser is then fed the rest. */
  readonly stops?: () => boolean;
}

export function readFrames(bytes: Uint8Array, options: FrameReadingOptions = {}): FrameReading {
  const events: FrameEvent[] = [];
  const { isMasked = false, maxMessageBytes = 0 } = options;
  const parser = new FrameParser(noting(events, options.stops ?? (() => false)), { isMasked, maxMessageBytes, isUtf8 });
  const consumed = feedInPieces(parser, bytes, options.pieces ?? [bytes.length || 1]);
  const { isClosed, refusal } = parser;
  return { events, closeCode: refusal?.closeCode ?? null, refusal: refusal?.reason ?? null, isClosed, consumed };
}

function noting(events: FrameEvent[], stops: () => boolean): FrameEvents {
  return {
    onMessage: (data, isBinary) => {
      events.push({ kind: isBinary ? "binary" : "text", data: latin1(data) });
      return !stops();
    },
    onPing: (data) => events.push({ kind: "ping", data: latin1(data) }),
    onPong: (data) => events.push({ kind: "pong", data: latin1(data) }),
    onClose: (code, reason) => events.push({ kind: "close", code, reason: latin1(reason) }),
  };
}

/** Each piece stands inside memory that is overwritten afterwards: a parser that kept a reference would see it change. */
function feedInPieces(parser: FrameParser, bytes: Uint8Array, pieces: readonly number[]): number {
  let at = 0;
  for (let turn = 0; at < bytes.length && parser.refusal === null && !parser.isClosed; turn++) {
    const piece = bytes.subarray(at, at + (pieces[turn % pieces.length] as number));
    const margin = (turn % 5) + 1;
    const memory = new Uint8Array(piece.length + 2 * margin).fill(0xff);
    memory.set(piece, margin);
    at += feedAll(parser, memory, margin, margin + piece.length);
    memory.fill(0xff);
  }
  return at;
}

/** Goes on after every stop; returns how many bytes were consumed. */
function feedAll(parser: FrameParser, bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  do at = parser.feed(bytes, at, to);
  while (at < to && parser.refusal === null && !parser.isClosed);
  return at - from;
}

export function latin1(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("latin1");
}
