/**
 * The fields of a head that frame its message, steer its connection or say whom a request is for: read here, so that they
 * stay out of the header list. What is wrong in itself is refused here; what depends on the rest of the head, by the role.
 */
import type { FieldKind } from "./field-names.js";
import { isToken } from "./field-names.js";
import type { Refusal } from "./refusal.js";

export type Role = "request" | "response";

const MAX_LENGTH_DIGITS = 15;
/** Each is looked for among all fields: more than anybody has need of would only cost time. */
const MAX_CONNECTION_OPTIONS = 64;
/** RFC 9112 §7: a coding with its parameters, and a list of them. */
const CODING = /^[!#$%&'*+\-.^_`|~\w]+(?:[ \t]*;[ \t]*[!#$%&'*+\-.^_`|~\w]+[ \t]*=[ \t]*(?:[!#$%&'*+\-.^_`|~\w]+|"[^"\\]*"))*$/;

export class ControlFields {
  refusal: Refusal | null = null;
  /** -1 when the field is absent. */
  contentLength = -1;
  isChunked = false;
  saysClose = false;
  saysKeepAlive = false;
  /** From `Keep-Alive: timeout=N`; -1 when absent. */
  keepAliveTimeoutS = -1;
  /** All Upgrade fields, joined, in lower case. */
  upgrade = "";
  /** Other options of Connection, lower case: fields that concern this hop only (RFC 9110 §7.6.1). */
  readonly named: string[] = [];
  hostCount = 0;
  /** Of the last Host field. */
  host = "";
  /** All Expect fields, joined, in lower case; null for none. */
  expectation: string | null = null;
  acceptsTrailers = false;

  readonly #role: Role;

  constructor(role: Role) {
    this.#role = role;
  }

  reset(): void {
    this.refusal = null;
    this.contentLength = -1;
    this.isChunked = false;
    this.saysClose = false;
    this.saysKeepAlive = false;
    this.keepAliveTimeoutS = -1;
    this.upgrade = "";
    this.named.length = 0;
    this.hostCount = 0;
    this.host = "";
    this.expectation = null;
    this.acceptsTrailers = false;
  }

  get isUpgradeNamed(): boolean {
    return this.upgrade !== "" && this.named.includes("upgrade");
  }

  /**
   * False: in this role the field means nothing special. A tab around a framing value is white space by the letter, but
   * parsers in wide use read `chunked` with a tab behind it as another coding, or none: nobody needs it, so it is refused.
   */
  take(kind: FieldKind, value: string, hasTab: boolean): boolean {
    if (kind === "content-length") this.#contentLength(hasTab ? "" : value);
    else if (kind === "transfer-encoding") this.#transferEncoding(hasTab ? "" : value);
    else if (kind === "connection") this.#connection(value);
    else if (kind === "keep-alive") this.keepAliveTimeoutS = keepAliveTimeout(value);
    else if (kind === "upgrade") this.upgrade = joined(this.upgrade, value);
    else if (kind === "te") this.acceptsTrailers ||= asksForTrailers(value);
    else if (kind === "host" || kind === "expect") return this.#requestField(kind, value);
    return true;
  }

  #requestField(kind: "host" | "expect", value: string): boolean {
    if (this.#role === "response") return false;
    if (kind === "expect") {
      const expectation = value.toLowerCase();
      this.expectation = this.expectation === null ? expectation : `${this.expectation},${expectation}`;
      return true;
    }
    this.hostCount++;
    this.host = value;
    return true;
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
    else if (value.toLowerCase() === "chunked") this.isChunked = true;
    else this.refusal = this.#role === "request" && isUnknownCoding(value) ? "unknown-transfer-coding" : "bad-transfer-encoding";
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
      else if (option !== "") this.#name(option);
      if (this.refusal !== null) return;
    }
  }

  /** Services send odd options that harm nobody; a client that does has no good reason. */
  #name(option: string): void {
    if (this.#role === "request" && !isToken(option)) this.refusal = "bad-connection";
    else if (this.named.length === MAX_CONNECTION_OPTIONS) this.refusal = "too-many-connection-options";
    else this.named.push(option);
  }
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

function joined(before: string, value: string): string {
  const lower = value.toLowerCase();
  return before === "" ? lower : `${before},${lower}`;
}

/**
 * Well-formed codings that end in one `chunked`, so that the end of the body could be found, but not its meaning (RFC 9112
 * §6.1: 501). Where `chunked` is not the last one, or not once, the end is unknown, too (§6.3, §7.1: 400).
 */
function isUnknownCoding(value: string): boolean {
  const codings = value
    .toLowerCase()
    .split(",")
    .map((coding) => coding.trim());
  if (codings.pop() !== "chunked" || codings.length === 0) return false;
  return codings.every((coding) => CODING.test(coding) && !/^chunked(?:[ \t;]|$)/.test(coding));
}

function asksForTrailers(value: string): boolean {
  if (value === "trailers") return true;
  return value
    .toLowerCase()
    .split(",")
    .some((coding) => coding.trim() === "trailers");
}

function keepAliveTimeout(value: string): number {
  const match = /(?:^|[,\s])timeout\s*=\s*"?(\d{1,9})\b/i.exec(value);
  return match === null ? -1 : Number(match[1]);
}
