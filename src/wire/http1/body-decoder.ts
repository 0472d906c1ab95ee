/**
 * Message bodies of both roles: a known length, chunked with trailers, or everything until the connection ends.
 * Chunks are handed on as views of what was fed; nothing is copied or kept.
 */
import type { Latin1Bytes } from "./bytes.js";
import type { HeadParser } from "./head-parser.js";
import type { Http1Limits, Refusal } from "./refusal.js";

export interface BodyEvents {
  /** `chunk` is borrowed for the duration of the call. False: stop here, `feed` returns. */
  onBody(chunk: Uint8Array): boolean;
}

type Step = "size" | "extension" | "size-lf" | "data" | "data-cr" | "data-lf" | "trailers";
type Mode = "length" | "chunked" | "until-end";

/** 52 bits: every size stays exact. */
const MAX_SIZE_DIGITS = 13;
const CR = 13;
const LF = 10;
const SEMICOLON = 59;

/** RFC 9112 §7.1.1 without the optional "bad" whitespace. */
const EXTENSIONS = /^(?:;[!#$%&'*+\-.^_`|~\w]+(?:=(?:[!#$%&'*+\-.^_`|~\w]+|"(?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)+$/;

export class BodyDecoder {
  isComplete = false;
  refusal: Refusal | null = null;

  readonly #events: BodyEvents;
  readonly #head: HeadParser;
  readonly #limits: Http1Limits;
  #mode: Mode = "length";
  #step: Step = "size";
  /** Bytes to come of the body (known length) or of the chunk. */
  #remaining = 0;
  #sizeDigits = 0;
  #extension = "";
  #extensionBytes = 0;
  /** Of all chunks whose size is known. */
  #chunkBytes = 0;

  /** @param head parses the trailers: the head it held before must have been read by then */
  constructor(events: BodyEvents, head: HeadParser, limits: Http1Limits) {
    this.#events = events;
    this.#head = head;
    this.#limits = limits;
  }

  get isUntilEnd(): boolean {
    return this.#mode === "until-end";
  }

  /** Once complete: `head` now holds a trailer section, maybe an empty one. */
  get hasTrailers(): boolean {
    return this.#mode === "chunked";
  }

  startLength(length: number): void {
    this.#start("length");
    this.#remaining = length;
    this.isComplete = length === 0;
  }

  startChunked(): void {
    this.#start("chunked");
    this.#step = "size";
    this.#remaining = 0;
    this.#sizeDigits = 0;
    this.#extensionBytes = 0;
    this.#chunkBytes = 0;
  }

  startUntilEnd(): void {
    this.#start("until-end");
  }

  /** Returns the offset of the first byte that was not taken: the body ended, was refused, or the receiver said stop. */
  feed(bytes: Latin1Bytes, start: number, end: number): number {
    if (this.#mode === "chunked") return this.#chunked(bytes, start, end);
    if (this.#mode === "until-end") {
      this.#events.onBody(bytes.subarray(start, end));
      return end;
    }
    const taken = Math.min(end - start, this.#remaining);
    this.#remaining -= taken;
    this.isComplete = this.#remaining === 0;
    if (taken > 0) this.#events.onBody(bytes.subarray(start, start + taken));
    return start + taken;
  }

  #start(mode: Mode): void {
    this.#mode = mode;
    this.isComplete = false;
    this.refusal = null;
  }

  #chunked(bytes: Latin1Bytes, start: number, end: number): number {
    let at = start;
    while (at < end && !this.isComplete && this.refusal === null) {
      if (this.#step === "data") {
        const stop = Math.min(end, at + this.#remaining);
        const chunk = bytes.subarray(at, stop);
        this.#remaining -= stop - at;
        at = stop;
        if (this.#remaining === 0) this.#step = "data-cr";
        if (!this.#events.onBody(chunk)) return at;
      } else if (this.#step === "trailers") {
        at = this.#trailers(bytes, at, end);
      } else {
        this.#frame(bytes[at++] as number);
      }
    }
    return at;
  }

  /** One byte between the data of two chunks. */
  #frame(byte: number): void {
    switch (this.#step) {
      case "size":
        return this.#size(byte);
      case "extension":
        return this.#extensionByte(byte);
      case "size-lf":
        return byte === LF ? this.#sizeEnd() : this.#refuse("bad-chunk-size");
      case "data-cr":
        if (byte === CR) this.#step = "data-lf";
        else this.#refuse("bad-chunk-end");
        return;
      default:
        if (byte === LF) this.#step = "size";
        else this.#refuse("bad-chunk-end");
    }
  }

  #size(byte: number): void {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      this.#remaining = this.#remaining * 16 + digit;
      if (++this.#sizeDigits > MAX_SIZE_DIGITS) this.#refuse("bad-chunk-size");
    } else if (this.#sizeDigits === 0) this.#refuse("bad-chunk-size");
    else if (byte === CR) this.#step = "size-lf";
    else if (byte === SEMICOLON) {
      this.#step = "extension";
      this.#extension = ";";
    } else this.#refuse("bad-chunk-size");
  }

  /** Extensions must be ignored (RFC 9112 §7.1.1), but neither without a bound nor unread: they have hidden requests before. */
  #extensionByte(byte: number): void {
    if (byte === CR) {
      if (EXTENSIONS.test(this.#extension)) this.#step = "size-lf";
      else this.#refuse("bad-chunk-extension");
    } else if (byte === LF) this.#refuse("bad-chunk-extension");
    else if (++this.#extensionBytes > this.#limits.maxChunkExtensionBytes) this.#refuse("chunk-extension-too-large");
    else this.#extension += String.fromCharCode(byte);
  }

  #sizeEnd(): void {
    this.#sizeDigits = 0;
    if (this.#remaining > 0) {
      this.#chunkBytes += this.#remaining;
      if (this.#chunkBytes > this.#limits.maxBodyBytes) this.#refuse("body-too-large");
      this.#step = "data";
      return;
    }
    this.#step = "trailers";
    this.#head.startTrailers(this.#limits.maxTrailerBytes, this.#limits.maxFields);
  }

  #trailers(bytes: Latin1Bytes, start: number, end: number): number {
    const head = this.#head;
    const at = head.feed(bytes, start, end);
    this.isComplete = head.isComplete;
    this.refusal = head.refusal;
    return at;
  }

  #refuse(refusal: Refusal): void {
    this.refusal = refusal;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
