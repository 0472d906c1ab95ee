/** What catalogues of services tell about instances, piece by piece. Anybody may have registered anything in them. */
import { isIP } from "node:net";
import type { EndpointSpec } from "../engine/model/snapshot.js";

/** Would lead a gateway to itself. */
const UNSPECIFIED = new Set(["0.0.0.0", "::", "::0", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0"]);

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * An IP address (IPv6 without brackets) or a name, in lower case; null for anything else. Names are resolved when a connection is
 * made, as those of static lists.
 */
export function readHost(value: unknown): string | null {
  if (typeof value !== "string" || value.length > 255) return null;
  const host = value
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
  if (isIP(host) !== 0) return UNSPECIFIED.has(host) ? null : host;
  // Digits and dots alone are a mistyped IPv4 address.
  const isName = host.length <= 253 && !/^[\d.]*$/.test(host) && host.split(".").every((label) => LABEL.test(label));
  return isName ? host : null;
}

export function readPort(value: unknown): number | null {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= 65_535 ? (value as number) : null;
}

/** What cannot be used of a list, counted by reason. */
export class LeftOut {
  readonly #counts = new Map<string, number>();

  add(reason: string): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  /** One line, "" for nothing. @param what was left out: `instances` */
  note(what: string): string {
    if (this.#counts.size === 0) return "";
    return `${what} are left out: ${[...this.#counts].map(([reason, count]) => `${count} with ${reason}`).join(", ")}`;
  }
}

export type Fields = Readonly<Record<string, unknown>>;

/** Null when it is no object. */
export function fieldsOf(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

/** Those of its fields that are texts. */
export function textsOf(value: unknown): Record<string, string> {
  const texts = Object.entries(fieldsOf(value) ?? {}).filter(([name, text]) => name !== "" && typeof text === "string");
  return Object.fromEntries(texts) as Record<string, string>;
}

/** Some services tell catalogues how to log in to them. */
const SECRET_NAME = /(?:password|passwd|secret|token|api[-_.]?key|credentials?)$/i;

/** In an order of their own: another order in an answer is no change. Without what looks like a secret, for labels are shown. */
export function sortLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  const shown = Object.entries(labels).filter(([name, text]) => text === "true" || !SECRET_NAME.test(name));
  return Object.fromEntries(shown.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Sorted, each address once. */
export function sortEndpoints(endpoints: readonly EndpointSpec[]): EndpointSpec[] {
  const unique = new Map(endpoints.map((endpoint) => [`${endpoint.host} ${endpoint.port}`, endpoint]));
  return [...unique.values()].sort((a, b) => (a.host < b.host ? -1 : a.host > b.host ? 1 : a.port - b.port));
}
