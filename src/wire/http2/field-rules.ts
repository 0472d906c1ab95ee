/**
 * What a field name means for HTTP/2 and whether name and value are valid (RFC 9113 §8.2). Names repeat endlessly, so each is
 * checked once and remembered; the memory is bounded, and a name that no longer fits is checked every time.
 */

/** `invalid` is not a token in lower case; `connection` concerns one hop and is malformed; `dropped` is such a field of HTTP/1 that harms nobody. */
export type FieldKind = "plain" | "invalid" | "connection" | "dropped" | "te" | "host" | "content-length" | "cookie" | "priority";

/** RFC 9110 §5.6.2 without upper case (RFC 9113 §8.2.1). */
const LOWER_CASE_TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const MAX_REMEMBERED = 1024;
const MAX_REMEMBERED_LENGTH = 64;
const SPACE = 32;
const TAB = 9;
const DELETE = 127;

const remembered = new Map<string, FieldKind>([
  ["connection", "connection"],
  ["keep-alive", "connection"],
  ["proxy-connection", "connection"],
  ["transfer-encoding", "connection"],
  ["upgrade", "connection"],
  ["http2-settings", "dropped"],
  ["te", "te"],
  ["host", "host"],
  ["content-length", "content-length"],
  ["cookie", "cookie"],
  ["priority", "priority"],
]);

/** RFC 9110 §6.5.1: framing, routing, content and authentication fields mean nothing after the content. */
const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  "authorization",
  "cache-control",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "expect",
  "host",
  "http2-settings",
  "location",
  "max-forwards",
  "proxy-authenticate",
  "proxy-authorization",
  "range",
  "set-cookie",
  "te",
  "trailer",
  "www-authenticate",
]);

export function fieldKind(name: string): FieldKind {
  return remembered.get(name) ?? learn(name);
}

function learn(name: string): FieldKind {
  if (!LOWER_CASE_TOKEN.test(name)) return "invalid";
  if (remembered.size < MAX_REMEMBERED && name.length <= MAX_REMEMBERED_LENGTH) remembered.set(name, "plain");
  return "plain";
}

export function isForbiddenTrailer(name: string): boolean {
  return FORBIDDEN_TRAILERS.has(name);
}

/** No control bytes but TAB inside (RFC 9110 §5.5), no white space around it. */
export function isFieldValue(value: string): boolean {
  const { length } = value;
  if (length === 0) return true;
  if (isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(length - 1))) return false;
  for (let i = 0; i < length; i++) {
    const char = value.charCodeAt(i);
    if (char < SPACE ? char !== TAB : char === DELETE) return false;
  }
  return true;
}

function isBlank(char: number): boolean {
  return char === SPACE || char === TAB;
}
