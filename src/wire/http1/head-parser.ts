/**
 * Start line and field lines, fed at any split, for heads and trailer sections of both roles. A line is judged only once
 * it is complete, so what is accepted or refused never depends on how the bytes were cut. Knows the fields that frame a
 * message or steer its connection, keeps those out of `headers`, and leaves the meaning of the start line to the role.
 */
import type { Latin1Bytes } from "./bytes.js";
import type { FieldKind } from "./field-names.js";
import { fieldName } from "./field-names.js";
import type { Refusal } from "./refusal.js";

/** Decoded at a time: more than most heads, little enough when a long body follows in the same read. */
const WINDOW_BYTES = 4096;
const MAX_LENGTH_DIGITS = 15;
const CR = 13;
const LF = 10;
const SPACE = 32;
const TAB = 9;

export class HeadParser {
  isComplete = false;
  refusal: Refusal | null = null;
  startLine = "";
  /** `[name, value, …]`, lower-case names, without framing and hop-by-hop fields (RFC 9110 §7.6.1). */
  headers: string[] = [];
  /** -1 when the field is absent. */
  contentLength = -1;
  isChunked = false;
  saysClose = false;
  saysKeepAlive = false;
  /** `Connection: upgrade` with `Upgrade: websocket` (RFC 9110 §7.8). */
  saysWebSocket = false;
  /** From `Keep-Alive: timeout=N`; -1 when absent. */
  keepAliveTimeoutS = -1;

  readonly #startLinePrefix: string;
  #maxBytes = 0;
  #maxFields = 0;
  #isTrailer = false;
  #expectsStartLine = false;
  /** The beginning of a line whose end has not come. */
  #partial = "";
  /** Bytes of the lines taken so far. */
  #bytesTaken = 0;
  #fieldCount = 0;
  #upgrade = "";
  /** Other fields that Connection names: they concern this hop only (RFC 9110 §7.6.1). */
  #named: string[] = [];

  /** @param startLinePrefix what every start line begins with: anything else is refused at its first byte ("" to accept any) */
  constructor(startLinePrefix: string) {
    this.#startLinePrefix = startLinePrefix;
  }

  startHead(maxBytes: number, maxFields: number): void {
    this.#reset(maxBytes, maxFields);
    this.#isTrailer = false;
    this.#expectsStartLine = true;
    this.startLine = "";
    this.contentLength = -1;
    this.isChunked = false;
    this.saysClose = false;
    this.saysKeepAlive = false;
    this.saysWebSocket = false;
    this.keepAliveTimeoutS = -1;
    this.#upgrade = "";
  }

  /** Forbidden fields are dropped; nothing but `headers` changes. */
  startTrailers(maxBytes: number, maxFields: number): void {
    this.#reset(maxBytes, maxFields);
    this.#isTrailer = true;
    this.#expectsStartLine = false;
  }

  /** Takes bytes up to the empty line. Returns the offset of the first byte it did not take. */
  feed(bytes: Latin1Bytes, start: number, end: number): number {
    let at = start;
    while (at < end && !this.isComplete && this.refusal === null) {
      at += this.#take(bytes.latin1Slice(at, Math.min(end, at + WINDOW_BYTES)));
    }
    return at;
  }

  #reset(maxBytes: number, maxFields: number): void {
    this.isComplete = false;
    this.refusal = null;
    this.headers = [];
    this.#maxBytes = maxBytes;
    this.#maxFields = maxFields;
    this.#partial = "";
    this.#bytesTaken = 0;
    this.#fieldCount = 0;
    this.#named.length = 0;
  }

  /** Returns how many chars of `piece` were used; all of them unless the head is complete. */
  #take(piece: string): number {
    const heldLength = this.#partial.length;
    const text = heldLength === 0 ? piece : this.#partial + piece;
    // Without a line end, a held line only grows (as a rope): looking through it again for each piece would be quadratic.
    let lineStart = 0;
    let lineFeed = piece.indexOf("\n") + heldLength;
    if (lineFeed >= heldLength) {
      while (lineFeed !== -1) {
        this.#line(text, lineStart, lineFeed);
        lineStart = lineFeed + 1;
        if (this.isComplete || this.refusal !== null) {
          this.#partial = "";
          return lineStart - heldLength;
        }
        lineFeed = text.indexOf("\n", lineStart);
      }
    }
    this.#hold(lineStart === 0 ? text : text.substring(lineStart), heldLength);
    return piece.length;
  }

  #hold(partial: string, heldLength: number): void {
    this.#partial = partial;
    const prefix = this.#startLinePrefix;
    if (this.#bytesTaken + partial.length > this.#maxBytes) this.refusal = "head-too-large";
    else if (this.#expectsStartLine && heldLength < prefix.length && !prefix.startsWith(partial.substring(0, prefix.length))) {
      this.refusal = "bad-status-line";
    }
  }

  /** One complete line: `[start, lineFeed]` of `text`. */
  #line(text: string, start: number, lineFeed: number): void {
    this.#bytesTaken += lineFeed + 1 - start;
    if (this.#bytesTaken > this.#maxBytes) this.refusal = "head-too-large";
    else if (this.#expectsStartLine) this.#takeStartLine(text, start, lineFeed);
    else if (lineFeed === start || text.charCodeAt(lineFeed - 1) !== CR) this.refusal = "bare-lf";
    else if (lineFeed - 1 === start) this.#finish();
    else this.#field(text, start, lineFeed - 1);
  }

  #takeStartLine(text: string, start: number, lineFeed: number): void {
    const end = lineFeed - 1;
    if (!text.startsWith(this.#startLinePrefix, start)) this.refusal = "bad-status-line";
    else if (end < start || text.charCodeAt(end) !== CR) this.refusal = "bare-lf";
    else if (this.#isClean(text, start, end)) this.startLine = text.substring(start, end);
    this.#expectsStartLine = false;
  }

  #field(text: string, start: number, end: number): void {
    const first = text.charCodeAt(start);
    if (first === SPACE || first === TAB) {
      this.refusal = "obs-fold";
      return;
    }
    const colon = text.indexOf(":", start);
    if (colon === -1 || colon >= end) {
      this.refusal = "missing-colon";
      return;
    }
    const rawName = text.substring(start, colon);
    const field = fieldName(rawName);
    if (field === null) {
      this.refusal = nameRefusal(rawName);
      return;
    }
    if (++this.#fieldCount > this.#maxFields) {
      this.refusal = "too-many-fields";
      return;
    }
    const value = this.#value(text, colon + 1, end);
    if (value === null) return;
    if (this.#isTrailer ? field.isTrailer : field.kind === "plain") this.headers.push(field.name, value);
    else if (!this.#isTrailer) this.#steer(field.kind, value, text.substring(colon, end).includes("\t"));
  }

  /** The value without surrounding whitespace, or null (and a refusal) when it holds a forbidden byte. */
  #value(text: string, start: number, end: number): string | null {
    let from = start;
    let to = end;
    while (from < to && isBlank(text.charCodeAt(from))) from++;
    while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
    return this.#isClean(text, from, to) ? text.substring(from, to) : null;
  }

  #isClean(text: string, start: number, end: number): boolean {
    for (let i = start; i < end; i++) {
      const char = text.charCodeAt(i);
      if (char >= SPACE ? char !== 127 : char === TAB) continue;
      this.refusal = char === CR ? "bare-cr" : char === LF ? "bare-lf" : "control-byte";
      return false;
    }
    return true;
  }

  /**
   * A tab around a framing value is white space by the letter, but parsers in wide use read `chunked` with a tab behind it
   * as another coding, or none: nobody needs it, so it is refused.
   */
  #steer(kind: FieldKind, value: string, hasTab: boolean): void {
    if (kind === "content-length") this.#contentLength(hasTab ? "" : value);
    else if (kind === "transfer-encoding") this.#transferEncoding(hasTab ? "" : value);
    else if (kind === "connection") this.#connection(value);
    else if (kind === "keep-alive") this.keepAliveTimeoutS = keepAliveTimeout(value);
    else if (kind === "upgrade") this.#upgrade += value.toLowerCase();
  }

  #contentLength(value: string): void {
    if (this.contentLength !== -1) this.refusal = "repeated-content-length";
    else if (this.isChunked) this.refusal = "length-and-coding";
    else {
      this.contentLength = decimal(value, MAX_LENGTH_DIGITS);
      if (this.contentLength === -1) this.refusal = "bad-content-length";
    }
  }

  /** Coding names are case-insensitive (RFC 9112 §7); beyond that, nothing but one `chunked` is understood. */
  #transferEncoding(value: string): void {
    if (this.isChunked) this.refusal = "repeated-transfer-encoding";
    else if (this.contentLength !== -1) this.refusal = "length-and-coding";
    else if (value.toLowerCase() !== "chunked") this.refusal = "bad-transfer-encoding";
    else this.isChunked = true;
  }

  #connection(value: string): void {
    if (value === "keep-alive") this.saysKeepAlive = true;
    else if (value === "close") this.saysClose = true;
    else this.#connectionOptions(value);
  }

  #connectionOptions(value: string): void {
    for (const part of value.toLowerCase().split(",")) {
      const option = part.trim();
      if (option === "close") this.saysClose = true;
      else if (option === "keep-alive") this.saysKeepAlive = true;
      else if (option !== "") this.#named.push(option);
    }
  }

  #finish(): void {
    this.isComplete = true;
    const named = this.#named;
    if (named.length === 0) return;
    this.saysWebSocket = this.#upgrade === "websocket" && named.includes("upgrade");
    const { headers } = this;
    let kept = 0;
    for (let i = 0; i < headers.length; i += 2) {
      if (named.includes(headers[i] as string)) continue;
      headers[kept++] = headers[i] as string;
      headers[kept++] = headers[i + 1] as string;
    }
    headers.length = kept;
  }
}

function isBlank(char: number): boolean {
  return char === SPACE || char === TAB;
}

function nameRefusal(rawName: string): Refusal {
  if (rawName === "") return "empty-field-name";
  const last = rawName.charCodeAt(rawName.length - 1);
  if (isBlank(last)) return "space-before-colon";
  return rawName.includes("\r") ? "bare-cr" : "bad-field-name";
}

/** -1 unless `text` is 1 to `maxDigits` digits. */
export function decimal(text: string, maxDigits: number): number {
  if (text.length === 0 || text.length > maxDigits) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function keepAliveTimeout(value: string): number {
  const match = /(?:^|[,\s])timeout\s*=\s*"?(\d{1,9})\b/i.exec(value);
  return match === null ? -1 : Number(match[1]);
}
