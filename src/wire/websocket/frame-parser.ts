/**
 * Frames of one direction, in pieces of any size: messages, pings, pongs and the close come out as events. Fragments are
 * joined, masks undone, text checked. Extensions are not spoken; what the parser holds between calls is copied.
 */
import { isSendableCloseCode, NO_CLOSE_CODE } from "./close-codes.js";
import { FrameHeader } from "./frame-header.js";
import { CLOSE, CONTINUATION, isControl, PING, TEXT } from "./opcodes.js";
import { PayloadBuffer } from "./payload-buffer.js";
import type { FrameRefusal, RefusalReason } from "./refusal.js";
import { refusal } from "./refusal.js";

export type { FrameRefusal } from "./refusal.js";

export interface FrameEvents {
  /** One complete message, fragments joined. `data` is borrowed for the duration of the call. False: stop after this frame. */
  onMessage(data: Uint8Array, isBinary: boolean): boolean;
  /** `data` is borrowed for the duration of the call, here and below. */
  onPing(data: Uint8Array): void;
  onPong(data: Uint8Array): void;
  /** The peer's close frame: code 1005 when it carried none. Nothing is parsed after it. */
  onClose(code: number, reason: Uint8Array): void;
}

export interface FrameParserOptions {
  /** Frames of a client are masked, those of a server are not; the other kind is refused (§5.1). */
  readonly isMasked: boolean;
  /** Larger messages, fragments together, are refused with 1009. 0: unlimited. */
  readonly maxMessageBytes: number;
  /** Whether bytes are valid UTF-8 (node's isUtf8; this folder imports nothing). */
  readonly isUtf8: (bytes: Uint8Array) => boolean;
}

const EMPTY = new Uint8Array(0);

export class FrameParser {
  /** Set: `feed` must not be called again. */
  refusal: FrameRefusal | null = null;
  /** A close frame has been delivered. */
  isClosed = false;

  readonly #events: FrameEvents;
  readonly #isUtf8: (bytes: Uint8Array) => boolean;
  readonly #isMasked: boolean;
  readonly #maxMessageBytes: number;
  readonly #header: FrameHeader;
  /** What has come of a message. Control frames may come between its fragments, so they are kept apart. */
  readonly #message = new PayloadBuffer();
  readonly #control = new PayloadBuffer();
  /** Payload bytes of the frame still to come. */
  #remaining = 0;
  #isStopped = false;

  constructor(events: FrameEvents, options: FrameParserOptions) {
    this.#events = events;
    this.#isUtf8 = options.isUtf8;
    this.#isMasked = options.isMasked;
    this.#maxMessageBytes = options.maxMessageBytes === 0 ? Number.POSITIVE_INFINITY : options.maxMessageBytes;
    this.#header = new FrameHeader(options);
  }

  /**
   * Parses `bytes[from, to)`; returns the index of the first byte not consumed: `to` unless onMessage said stop, a refusal,
   * or a close. Keeps (copies) incomplete frames itself; keeps no reference to `bytes`.
   */
  feed(bytes: Uint8Array, from: number, to: number): number {
    this.#isStopped = this.isClosed || this.refusal !== null;
    let at = from;
    while (at < to && !this.#isStopped) {
      at = this.#header.isComplete ? this.#feedPayload(bytes, at, to) : this.#feedHeader(bytes, at, to);
    }
    this.#message.release();
    this.#control.release();
    return at;
  }

  #feedHeader(bytes: Uint8Array, from: number, to: number): number {
    const header = this.#header;
    const at = header.feed(bytes, from, to);
    if (header.refusal !== null) this.#stop(header.refusal);
    if (!header.isComplete) return at;
    this.#remaining = header.payloadBytes;
    if (this.#remaining === 0) this.#frameDone(this.#isWholeMessage() ? EMPTY : null);
    return at;
  }

  #feedPayload(bytes: Uint8Array, from: number, to: number): number {
    const { payloadBytes } = this.#header;
    const at = Math.min(to, from + this.#remaining);
    if (at - from === payloadBytes && !this.#isMasked && this.#isWholeMessage()) {
      this.#frameDone(bytes.subarray(from, at));
      return at;
    }
    this.#keep(bytes, from, at);
    if (this.#remaining === 0) this.#frameDone(null);
    return at;
  }

  /** The frame stands for itself: no fragments before or behind it. */
  #isWholeMessage(): boolean {
    return this.#header.isFinal && this.#header.opcode !== CONTINUATION;
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    const { isFinal, mask, opcode, payloadBytes } = this.#header;
    const buffer = isControl(opcode) ? this.#control : this.#message;
    // More fragments may follow one that is not final: an array of just its size would be copied for each of them.
    buffer.append(bytes, from, to, isFinal ? buffer.length + this.#remaining : this.#maxMessageBytes);
    if (this.#isMasked) buffer.unmaskLast(to - from, mask, payloadBytes - this.#remaining);
    this.#remaining -= to - from;
  }

  /** @param whole the payload if it was not kept */
  #frameDone(whole: Uint8Array | null): void {
    const { isFinal, messageOpcode, opcode } = this.#header;
    this.#header.start();
    if (isControl(opcode)) this.#controlDone(opcode, whole ?? this.#control.take());
    else if (isFinal) this.#messageDone(messageOpcode, whole ?? this.#message.take());
  }

  #messageDone(opcode: number, data: Uint8Array): void {
    if (opcode === TEXT && !this.#isUtf8(data)) this.#refuse("text-not-utf-8");
    else if (!this.#events.onMessage(data, opcode !== TEXT)) this.#isStopped = true;
  }

  #controlDone(opcode: number, data: Uint8Array): void {
    if (opcode === CLOSE) this.#close(data);
    else if (opcode === PING) this.#events.onPing(data);
    else this.#events.onPong(data);
  }

  #close(data: Uint8Array): void {
    if (data.length === 0) return this.#closed(NO_CLOSE_CODE, EMPTY);
    const code = ((data[0] as number) << 8) | (data[1] as number);
    const reason = data.subarray(2);
    if (!isSendableCloseCode(code)) this.#refuse("bad-close-code");
    else if (!this.#isUtf8(reason)) this.#refuse("close-reason-not-utf-8");
    else this.#closed(code, reason);
  }

  #closed(code: number, reason: Uint8Array): void {
    this.isClosed = true;
    this.#isStopped = true;
    this.#events.onClose(code, reason);
  }

  #refuse(reason: RefusalReason): void {
    this.#stop(refusal(reason));
  }

  #stop(refused: FrameRefusal): void {
    this.refusal = refused;
    this.#isStopped = true;
  }
}
