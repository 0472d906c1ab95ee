/**
 * Raw field name → lower-case, validated name with its meaning for framing. Names repeat endlessly, so each spelling is
 * checked once and remembered; the memory is bounded, and a name that no longer fits is simply checked every time.
 */

/** `host` and `expect` mean something in requests only. */
export type FieldKind =
  | "plain"
  | "content-length"
  | "transfer-encoding"
  | "connection"
  | "keep-alive"
  | "upgrade"
  | "te"
  | "host"
  | "expect"
  | "hop-by-hop";

export interface FieldName {
  readonly name: string;
  readonly kind: FieldKind;
  /** RFC 9110 §6.5.1: framing, routing, content and authentication fields mean nothing after the content. */
  readonly isTrailer: boolean;
}

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const MAX_REMEMBERED = 1024;
const MAX_REMEMBERED_LENGTH = 64;

const KINDS: ReadonlyMap<string, FieldKind> = new Map<string, FieldKind>([
  ["content-length", "content-length"],
  ["transfer-encoding", "transfer-encoding"],
  ["connection", "connection"],
  ["keep-alive", "keep-alive"],
  ["http2-settings", "hop-by-hop"],
  ["proxy-authenticate", "hop-by-hop"],
  ["proxy-authentication-info", "hop-by-hop"],
  ["proxy-connection", "hop-by-hop"],
  ["te", "te"],
  ["trailer", "hop-by-hop"],
  ["upgrade", "upgrade"],
  ["host", "host"],
  ["expect", "expect"],
]);

const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  ...KINDS.keys(),
  "authorization",
  "cache-control",
  "content-encoding",
  "content-range",
  "content-type",
  "location",
  "max-forwards",
  "proxy-authorization",
  "range",
  "set-cookie",
  "www-authenticate",
]);

const remembered = new Map<string, FieldName>();

/** Null when `raw` is not a token. */
export function fieldName(raw: string): FieldName | null {
  return remembered.get(raw) ?? learn(raw);
}

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

function learn(raw: string): FieldName | null {
  if (!TOKEN.test(raw)) return null;
  const name = raw.toLowerCase();
  const entry: FieldName = { name, kind: KINDS.get(name) ?? "plain", isTrailer: !FORBIDDEN_TRAILERS.has(name) };
  if (remembered.size < MAX_REMEMBERED && raw.length <= MAX_REMEMBERED_LENGTH) remembered.set(ownCopy(raw), entry);
  return entry;
}

/** `raw` is a slice that would keep the whole text it was cut from alive. */
function ownCopy(raw: string): string {
  return `:${raw}`.slice(1);
}
