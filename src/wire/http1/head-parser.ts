/**
 * Start line and field lines, fed at any split, for heads and trailer sections of both roles. A line is judged only once
 * it is complete, so what is accepted or refused never depends on how the bytes were cut. What a field or the start line
 * means is not known here: control fields go to ControlFields, start lines to the role.
 */
import type { Latin1Bytes } from "./bytes.js";
import type { Role } from "./control-fields.js";
import { ControlFields } from "./control-fields.js";
import type { FieldName } from "./field-names.js";
import { fieldName } from "./field-names.js";
import type { Refusal } from "./refusal.js";

/** The start line of one role. Lines are given as parts of a longer text, so that nothing is cut out twice. */
export interface StartLine {
  readonly role: Role;
  /** Of the line with its end. */
  readonly maxBytes: number;
  /** For a longer one. */
  readonly sizeRefusal: Refusal;
  /** Before it. */
  readonly maxEmptyLines: number;
  /**
   * Why nothing that begins like `text` from `start` to `end` can be a start line; null while it may become one. The one
   * verdict before a line is complete: it must not change with what follows.
   */
  refuseBeginning(text: string, start: number, end: number): Refusal | null;
  /** Reads the line `[start, end)` of `text`, which has lost its CRLF. */
  read(text: string, start: number, end: number): Refusal | null;
}

/** Decoded at a time: more than most heads, little enough when a long body follows in the same read. */
const WINDOW_BYTES = 4096;
/** No role looks further for `refuseBeginning`. */
const MAX_BEGINNING = 5;
const CR = 13;
const LF = 10;
const SPACE = 32;
const TAB = 9;

export class HeadParser {
  isComplete = false;
  refusal: Refusal | null = null;
  /** `[name, value, …]`, lower-case names, without control and hop-by-hop fields (RFC 9110 §7.6.1). */
  headers: string[] = [];
  /** Of the head; trailers do not change them. */
  readonly controls: ControlFields;

  readonly #startLine: StartLine;
  #maxBytes = 0;
  #maxFields = 0;
  #isTrailer = false;
  #expectsStartLine = false;
  /** The beginning of a line whose end has not come. */
  #partial = "";
  /** Bytes of the lines taken so far. */
  #bytesTaken = 0;
  #emptyLines = 0;
  #fieldCount = 0;

  constructor(startLine: StartLine) {
    this.#startLine = startLine;
    this.controls = new ControlFields(startLine.role);
  }

  startHead(maxBytes: number, maxFields: number): void {
    this.#reset(maxBytes, maxFields);
    this.#isTrailer = false;
    this.#expectsStartLine = true;
    this.#emptyLines = 0;
    this.controls.reset();
  }

  /** Forbidden fields are dropped; nothing but `headers` changes. */
  startTrailers(maxBytes: number, maxFields: number): void {
    this.#reset(maxBytes, maxFields);
    this.#isTrailer = true;
    this.#expectsStartLine = false;
  }

  /** More than an empty line has come since `startHead`. */
  get hasBegun(): boolean {
    return !this.#expectsStartLine || (this.#partial !== "" && this.#partial !== "\r");
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
    if (this.#expectsStartLine) this.#holdStartLine(partial, heldLength);
    else if (this.#bytesTaken + partial.length > this.#maxBytes) this.refusal = "head-too-large";
  }

  #holdStartLine(partial: string, heldLength: number): void {
    const line = this.#startLine;
    if (heldLength < MAX_BEGINNING && partial !== "") this.refusal = line.refuseBeginning(partial, 0, partial.length);
    if (this.refusal === null && partial.length > line.maxBytes) this.refusal = line.sizeRefusal;
  }

  /** One complete line: `[start, lineFeed]` of `text`. */
  #line(text: string, start: number, lineFeed: number): void {
    this.#bytesTaken += lineFeed + 1 - start;
    if (this.#expectsStartLine) this.refusal = this.#startLineRefusal(text, start, lineFeed);
    else if (this.#bytesTaken > this.#maxBytes) this.refusal = "head-too-large";
    else if (lineFeed === start || text.charCodeAt(lineFeed - 1) !== CR) this.refusal = "bare-lf";
    else if (lineFeed - 1 === start) this.#finish();
    else this.#field(text, start, lineFeed - 1);
  }

  /** In the order in which `#hold` would come across the reasons. */
  #startLineRefusal(text: string, start: number, lineFeed: number): Refusal | null {
    const line = this.#startLine;
    const beginning = line.refuseBeginning(text, start, lineFeed + 1);
    if (beginning !== null) return beginning;
    if (lineFeed + 1 - start > line.maxBytes) return line.sizeRefusal;
    const end = lineFeed - 1;
    if (end < start || text.charCodeAt(end) !== CR) return "bare-lf";
    if (end === start) return ++this.#emptyLines > line.maxEmptyLines ? "too-many-empty-lines" : null;
    this.#expectsStartLine = false;
    return line.read(text, start, end);
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
    else if (!this.#isTrailer) this.#control(field, value, text.substring(colon, end).includes("\t"));
  }

  #control(field: FieldName, value: string, hasTab: boolean): void {
    if (!this.controls.take(field.kind, value, hasTab)) this.headers.push(field.name, value);
    this.refusal = this.controls.refusal;
  }

  /** The value without surrounding whitespace, or null (and a refusal) when it holds a forbidden byte. */
  #value(text: string, start: number, end: number): string | null {
    let from = start;
    let to = end;
    while (from < to && isBlank(text.charCodeAt(from))) from++;
    while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
    this.refusal = uncleanRefusal(text, from, to);
    return this.refusal === null ? text.substring(from, to) : null;
  }

  #finish(): void {
    this.isComplete = true;
    const { named } = this.controls;
    if (this.#isTrailer || named.length === 0) return;
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

/** Why the bytes cannot be part of a line: only TAB is welcome among the control bytes. */
export function uncleanRefusal(text: string, start: number, end: number): Refusal | null {
  for (let i = start; i < end; i++) {
    const char = text.charCodeAt(i);
    if (char >= SPACE ? char !== 127 : char === TAB) continue;
    return char === CR ? "bare-cr" : char === LF ? "bare-lf" : "control-byte";
  }
  return null;
}
