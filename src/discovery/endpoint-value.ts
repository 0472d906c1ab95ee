/**
 * What services write about themselves into stores of plain values (etcd, ZooKeeper) → endpoints: our own form as JSON, or
 * `host:port`. A value that says neither is told by its flaw, which never quotes it.
 */
import type { EndpointSpec } from "../engine/model/snapshot.js";
import { type Fields, fieldsOf, LeftOut, readHost, readPort, sortEndpoints, sortLabels, textsOf } from "./instance-facts.js";

/** A text completes "left out: one with …". */
export type ReadEndpoint = EndpointSpec | Flaw;
export type Flaw = string;

/** What is known of one key or node. */
export interface WrittenEndpoint {
  /** As operators know it. */
  readonly name: string;
  /** Of two with the same address the larger one counts. */
  readonly writtenAt: bigint;
  readonly endpoint: ReadEndpoint;
}

/** Longer ones are something else, and ten thousand of them would be too much to pass on. */
export const MAX_VALUE_LENGTH = 8_192;
const MAX_WEIGHT = 1_000_000;
const MAX_PRIORITY = 15;

/** @param readForm of JSON objects */
export function readValue(text: string, readForm: (fields: Fields) => ReadEndpoint): ReadEndpoint {
  if (text.length > MAX_VALUE_LENGTH) return "a value that is too long";
  const trimmed = text.trim();
  if (trimmed === "") return "an empty value";
  if (!trimmed.startsWith("{")) return readPlain(trimmed);
  const fields = parseFields(trimmed);
  return fields === null ? "a value that is not JSON" : readForm(fields);
}

function parseFields(text: string): Fields | null {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    return null;
  }
}

/** `host:port`, IPv6 in brackets. */
export function readPlain(text: string): ReadEndpoint {
  const parts = /^(\[[^\]]*\]|[^:[\]]+):(\d{1,5})$/.exec(text);
  const host = readHost(parts?.[1]);
  const port = readPort(Number(parts?.[2]));
  return host === null || port === null ? "an unusable address" : plainEndpoint(host, port);
}

export function plainEndpoint(host: string, port: number): EndpointSpec {
  return { host, port, weight: 1, zone: "", priority: 0, labels: {} };
}

/** `{address, weight, zone, priority, labels}`, all but the address optional, as in lists of static endpoints. */
export function readOwnForm({ address, weight = 1, zone = "", priority = 0, labels = {} }: Fields): ReadEndpoint {
  const place = typeof address === "string" ? readPlain(address) : "no address";
  if (typeof place === "string") return place;
  if (!isWithin(weight, MAX_WEIGHT)) return "an unusable weight";
  if (!isWithin(priority, MAX_PRIORITY)) return "an unusable priority";
  if (typeof zone !== "string") return "an unusable zone";
  const texts = textsOf(labels);
  if (fieldsOf(labels) === null || Object.keys(texts).length !== Object.keys(labels as Fields).length) return "unusable labels";
  return { ...place, weight, zone, priority, labels: sortLabels(texts) };
}

function isWithin(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max;
}

export interface GatheredEndpoints {
  /** Sorted, each address once. */
  readonly endpoints: readonly EndpointSpec[];
  /** What was left out, with an example; "": nothing. */
  readonly note: string;
}

/**
 * Throws when there are values and none can be used: that is another list than one of endpoints, and no empty one.
 * @param what the values are called there: `keys in etcd`
 */
export function gatherEndpoints(written: Iterable<WrittenEndpoint>, what: string): GatheredEndpoints {
  const leftOut = new LeftOut();
  const usable: { readonly writtenAt: bigint; readonly endpoint: EndpointSpec }[] = [];
  let example = "";
  for (const { name, writtenAt, endpoint } of written) {
    if (typeof endpoint !== "string") {
      usable.push({ writtenAt, endpoint });
      continue;
    }
    leftOut.add(endpoint);
    if (example === "" || name < example) example = name;
  }
  // A service that registers anew is listed twice until its old lease is over: what it said last counts.
  usable.sort((a, b) => (a.writtenAt < b.writtenAt ? -1 : a.writtenAt > b.writtenAt ? 1 : 0));
  const note = example === "" ? "" : `${leftOut.note(what)} (such as ${printable(example)})`;
  if (note !== "" && usable.length === 0) throw new Error(`none is usable: ${note}`);
  return { endpoints: sortEndpoints(usable.map(({ endpoint }) => endpoint)), note };
}

/** Names are anybody's choice and go to logs. */
function printable(name: string): string {
  const text = name.replace(/[^\x20-\x7e]/g, "?");
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}
