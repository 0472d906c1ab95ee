/**
 * Frame headers, one after the other, in pieces of any size. It judges all that headers can tell: their form, the sequence
 * of fragments and, before any payload is read, a message's length. Each part is judged as soon as it is there.
 */
import { CLOSE, CONTINUATION, isControl, isKnownOpcode } from "./opcodes.js";
import type { FrameRefusal, RefusalReason } from "./refusal.js";
import { refusal } from "./refusal.js";

export interface FrameHeaderOptions {
  readonly isMasked: boolean;
  /** 0: unlimited. */
  readonly maxMessageBytes: number;
}

type Step = "start" | "length" | "mask" | "done";

const START_BYTES = 2;
const MASK_BYTES = 4;
const MAX_HEADER_BYTES = 14;
const MAX_CONTROL_BYTES = 125;
const FINAL_BIT = 0x80;
const MASK_BIT = 0x80;
const RESERVED_BITS = 0x70;
/** "Unlimited" ends where one array of Node 20 does, or soon after. */
const MAX_UNLIMITED_BYTES = 2 ** 31;

export class FrameHeader {
  isComplete = false;
  refusal: FrameRefusal | null = null;

  // Valid once complete, until the next `start`.
  isFinal = false;
  opcode = CONTINUATION;
  /** Of the message that the last data frame belongs to: TEXT or BINARY. */
  messageOpcode = CONTINUATION;
  payloadBytes = 0;
  mask = 0;

  readonly #isMasked: boolean;
  readonly #maxMessageBytes: number;
  readonly #bytes = new Uint8Array(MAX_HEADER_BYTES);
  #count = 0;
  #wanted = START_BYTES;
  #step: Step = "start";
  #isMessageOpen = false;
  /** Of the message, as far as announced. */
  #messageBytes = 0;

  constructor(options: FrameHeaderOptions) {
    this.#isMasked = options.isMasked;
    this.#maxMessageBytes = options.maxMessageBytes === 0 ? MAX_UNLIMITED_BYTES : options.maxMessageBytes;
  }

  /** Expect the next header. */
  start(): void {
    this.isComplete = false;
    this.#count = 0;
    this.#wanted = START_BYTES;
    this.#step = "start";
  }

  /** Returns the index of the first byte not taken: `to` unless the header is complete or refused. */
  feed(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to && !this.isComplete && this.refusal === null) {
      this.#bytes[this.#count++] = bytes[at++] as number;
      if (this.#count === this.#wanted) this.#partDone();
    }
    return at;
  }

  #partDone(): void {
    switch (this.#step) {
      case "start":
        return this.#startDone();
      case "length":
        return this.#longLengthDone();
      default:
        this.mask = this.#word(this.#count - MASK_BYTES);
        return this.#done();
    }
  }

  #startDone(): void {
    const first = this.#bytes[0] as number;
    const second = this.#bytes[1] as number;
    this.isFinal = (first & FINAL_BIT) !== 0;
    this.opcode = first & 0x0f;
    const length = second & 0x7f;
    const reason = this.#formRefusal(first, second) ?? this.#sequenceRefusal() ?? this.#controlRefusal(length);
    if (reason !== null) return this.#refuse(reason);
    if (length <= MAX_CONTROL_BYTES) return this.#lengthDone(length);
    this.#step = "length";
    this.#wanted += length === 126 ? 2 : 8;
  }

  #formRefusal(first: number, second: number): RefusalReason | null {
    if ((first & RESERVED_BITS) !== 0) return "reserved-bit";
    if (!isKnownOpcode(this.opcode)) return "unknown-opcode";
    if (((second & MASK_BIT) !== 0) === this.#isMasked) return null;
    return this.#isMasked ? "missing-mask" : "unexpected-mask";
  }

  #sequenceRefusal(): RefusalReason | null {
    if (isControl(this.opcode) || (this.opcode === CONTINUATION) === this.#isMessageOpen) return null;
    return this.#isMessageOpen ? "unfinished-message" : "continuation-without-start";
  }

  #controlRefusal(length: number): RefusalReason | null {
    if (!isControl(this.opcode)) return null;
    if (!this.isFinal) return "fragmented-control-frame";
    if (length > MAX_CONTROL_BYTES) return "control-frame-too-long";
    return this.opcode === CLOSE && length === 1 ? "bad-close-payload" : null;
  }

  /** The length is in the 16 or 64 bits behind the first two bytes, in the shorter form that can hold it (§5.2). */
  #longLengthDone(): void {
    const isMedium = this.#count === START_BYTES + 2;
    const high = isMedium ? 0 : this.#word(START_BYTES);
    const length = isMedium ? this.#word(0) & 0xffff : high * 2 ** 32 + this.#word(START_BYTES + 4);
    if (high >= 2 ** 31) this.#refuse("bad-length");
    else if (length > Number.MAX_SAFE_INTEGER) this.#refuse("length-too-large");
    else if (length <= (isMedium ? MAX_CONTROL_BYTES : 0xffff)) this.#refuse("non-minimal-length");
    else this.#lengthDone(length);
  }

  #lengthDone(length: number): void {
    this.payloadBytes = length;
    if (!isControl(this.opcode) && !this.#countMessageBytes(length)) return this.#refuse("message-too-large");
    if (!this.#isMasked) return this.#done();
    this.#step = "mask";
    this.#wanted += MASK_BYTES;
  }

  /** False: too many. */
  #countMessageBytes(length: number): boolean {
    if (this.opcode !== CONTINUATION) {
      this.messageOpcode = this.opcode;
      this.#messageBytes = 0;
    }
    this.#messageBytes += length;
    return this.#messageBytes <= this.#maxMessageBytes;
  }

  #done(): void {
    if (!isControl(this.opcode)) this.#isMessageOpen = !this.isFinal;
    this.#step = "done";
    this.isComplete = true;
  }

  #word(at: number): number {
    const bytes = this.#bytes;
    return (
      (((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>>
      0
    );
  }

  #refuse(reason: RefusalReason): void {
    this.refusal = refusal(reason);
  }
}
