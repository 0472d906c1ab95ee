/**
 * A decoded field list, taken apart and judged: pseudo-fields first and once, then the others, in place (RFC 9113 §8.2, §8.3).
 * What the parts must be for a request, a response or trailers is for `message-heads.ts`.
 */
import { fieldKind, isFieldValue, isForbiddenTrailer } from "./field-rules.js";
import type { MessageReason } from "./refusal.js";

export type SectionKind = "request" | "response" | "trailers";

const COLON = 58;
const MAX_LENGTH_DIGITS = 15;

export class FieldSection {
  refusal: MessageReason | null = null;
  // Pseudo-fields; null when absent.
  method: string | null = null;
  scheme: string | null = null;
  authority: string | null = null;
  path: string | null = null;
  protocol: string | null = null;
  status: string | null = null;
  // What is not passed on as a field.
  host: string | null = null;
  contentLength = -1;
  acceptsTrailers = false;
  /** Passed on, too. */
  priority: string | null = null;
  /** The array that was read, with the regular fields alone. */
  headers: string[] = [];

  #kind: SectionKind = "request";
  /** Where the fields that stay are written. */
  #kept = 0;
  /** Where the value of the one cookie field is. */
  #cookieAt = -1;

  read(fields: string[], kind: SectionKind): void {
    this.#reset(fields, kind);
    let at = 0;
    while (at < fields.length && this.refusal === null && isPseudo(fields[at] as string)) {
      this.#pseudo(fields[at] as string, fields[at + 1] as string);
      at += 2;
    }
    for (; at < fields.length && this.refusal === null; at += 2) this.#regular(fields[at] as string, fields[at + 1] as string);
    fields.length = this.#kept;
  }

  #reset(fields: string[], kind: SectionKind): void {
    this.refusal = null;
    this.method = null;
    this.scheme = null;
    this.authority = null;
    this.path = null;
    this.protocol = null;
    this.status = null;
    this.host = null;
    this.contentLength = -1;
    this.acceptsTrailers = false;
    this.priority = null;
    this.headers = fields;
    this.#kind = kind;
    this.#kept = 0;
    this.#cookieAt = -1;
  }

  #pseudo(name: string, value: string): void {
    if (this.#kind === "trailers") this.refusal = "forbidden-pseudo-field";
    else if (this.#kind === "response") this.#responsePseudo(name, value);
    else this.#requestPseudo(name, value);
  }

  #responsePseudo(name: string, value: string): void {
    if (name !== ":status") this.refusal = "unknown-pseudo-field";
    else this.status = this.#once(this.status, value);
  }

  #requestPseudo(name: string, value: string): void {
    switch (name) {
      case ":method":
        this.method = this.#once(this.method, value);
        return;
      case ":scheme":
        this.scheme = this.#once(this.scheme, value);
        return;
      case ":authority":
        this.authority = this.#once(this.authority, value);
        return;
      case ":path":
        this.path = this.#once(this.path, value);
        return;
      case ":protocol":
        this.protocol = this.#once(this.protocol, value);
        return;
      default:
        this.refusal = "unknown-pseudo-field";
    }
  }

  #once(earlier: string | null, value: string): string {
    if (earlier !== null) this.refusal = "repeated-pseudo-field";
    return value;
  }

  #regular(name: string, value: string): void {
    const kind = fieldKind(name);
    if (kind === "invalid") this.refusal = isPseudo(name) ? "misplaced-pseudo-field" : "bad-field-name";
    else if (!isFieldValue(value)) this.refusal = "bad-field-value";
    else if (kind === "connection" || (kind === "te" && this.#kind === "response")) this.refusal = "connection-field";
    else if (this.#kind === "trailers") this.#trailer(name, value);
    else if (kind === "plain") this.#keep(name, value);
    else this.#special(name, value);
  }

  #trailer(name: string, value: string): void {
    if (!isForbiddenTrailer(name)) this.#keep(name, value);
  }

  #keep(name: string, value: string): void {
    this.headers[this.#kept++] = name;
    this.headers[this.#kept++] = value;
  }

  #special(name: string, value: string): void {
    if (name === "content-length") this.#contentLength(value);
    else if (name === "cookie") this.#cookie(value);
    else if (name === "te") this.#te(value);
    else if (name === "host") this.#host(value);
    else if (name === "priority") this.#priority(value);
  }

  #contentLength(value: string): void {
    if (this.contentLength !== -1) this.refusal = "repeated-content-length";
    else {
      this.contentLength = decimal(value);
      if (this.contentLength === -1) this.refusal = "bad-content-length";
    }
  }

  /** §8.2.3: crumbs may be indexed one by one, but HTTP/1 knows one field. */
  #cookie(value: string): void {
    if (this.#cookieAt === -1) {
      this.#cookieAt = this.#kept + 1;
      this.#keep("cookie", value);
    } else {
      this.headers[this.#cookieAt] += `; ${value}`;
    }
  }

  #te(value: string): void {
    if (value === "trailers") this.acceptsTrailers = true;
    else this.refusal = "bad-te";
  }

  #priority(value: string): void {
    this.priority = this.priority === null ? value : `${this.priority}, ${value}`;
    this.#keep("priority", value);
  }

  #host(value: string): void {
    if (this.#kind === "response") this.#keep("host", value);
    else if (this.host !== null) this.refusal = "authority-and-host";
    else this.host = value;
  }
}

function isPseudo(name: string): boolean {
  return name.charCodeAt(0) === COLON;
}

/** -1 unless `text` is 1 to 15 digits. */
export function decimal(text: string): number {
  if (text.length === 0 || text.length > MAX_LENGTH_DIGITS) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
