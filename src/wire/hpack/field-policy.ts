/**
 * What an encoder knows of a field by its name: its place in the static table, and whether the dynamic table may have it.
 * Names that are not here may be learned (see `EncoderTable`).
 */
import { STATIC_COUNT, STATIC_NAMES, STATIC_VALUES } from "./static-table.js";

/** How a literal is written: `learned` asks the dynamic table, the others never enter it. */
export type Indexing = "learned" | "unindexed" | "never";

export class KnownName {
  readonly indexing: Indexing;
  /** 0: not in the static table. */
  readonly staticIndex: number;
  /** The values that the static table has with this name, and the index of each. */
  readonly values: readonly string[];
  readonly indexes: readonly number[];

  constructor(name: string, indexing: Indexing) {
    const indexes = Array.from({ length: STATIC_COUNT }, (_, at) => at + 1).filter((index) => STATIC_NAMES[index] === name);
    const full = indexes.filter((index) => STATIC_VALUES[index] !== "");
    this.indexing = indexing;
    this.staticIndex = indexes[0] ?? 0;
    this.values = full.map((index) => STATIC_VALUES[index] as string);
    this.indexes = full;
  }
}

/**
 * RFC 7541 §7.1.3: credentials. Whoever sees sizes on the wire and gets a field of his own onto the same connection could test
 * guesses against an indexed value, and a gateway's connection to a service carries the fields of many callers. Literals that are
 * never indexed also bind every intermediary behind us.
 */
const SECRET_NAMES: readonly string[] = [
  "authorization",
  "proxy-authorization",
  // Session ids on their way in; each goes to one client once, so indexing would not even pay.
  "set-cookie",
  "x-api-key",
  "x-auth-token",
  "x-csrf-token",
  "x-xsrf-token",
  "x-amz-security-token",
];

/**
 * Guessing a long cookie is hopeless, so it may be indexed, and browsers repeat theirs with every request; short ones (flags,
 * numbers, pins) are what the attack finds.
 */
export const MAX_SECRET_COOKIE_BYTES = 19;

/** Values that differ from message to message, or whose resource they tell: they would only push out what repeats. */
const VOLATILE_NAMES: readonly string[] = [
  ":path",
  "age",
  "content-length",
  "content-location",
  "content-range",
  "etag",
  "expires",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-modified",
  "location",
  "range",
  "referer",
];

function indexingOf(name: string): Indexing {
  if (SECRET_NAMES.includes(name)) return "never";
  return VOLATILE_NAMES.includes(name) ? "unindexed" : "learned";
}

export const KNOWN_NAMES: ReadonlyMap<string, KnownName> = new Map(
  [...new Set([...STATIC_NAMES.slice(1), ...SECRET_NAMES])].map((name) => [name, new KnownName(name, indexingOf(name))]),
);

/** For every other name. */
export const UNKNOWN_NAME = new KnownName("", "learned");
