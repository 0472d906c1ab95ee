/** The outcome of a request without its reasons, in a form that two configurations can be compared by. */
import { subsetOf } from "../../engine/balancing/layout.js";
import { headerValue } from "../../engine/model/request.js";
import type { ServiceSpec, SubsetSpec } from "../../engine/model/snapshot.js";
import type { BackendRuntime, RouteRuntime } from "../../proxy/runtime.js";
import type { Outcome } from "./simulated-exchange.js";

export interface Decision {
  readonly listener: string;
  /** "" when none matched. */
  readonly route: string;
  readonly verdict: "proxied" | "reply" | "refused";
  /** What the client receives from the gateway itself; 0 when a service is asked. */
  readonly status: number;
  /** As in the access log; "" when nothing was refused. */
  readonly error: string;
  /** What was taken for granted, such as a token. */
  readonly assumptions: string;
  /** Method, authority, path and query as a service gets them; "" when none is asked. */
  readonly target: string;
  readonly location: string;
  /** Of a reply. */
  readonly body: string;
  /** As a service gets them, but for ids that differ each time. */
  readonly requestHeaders: readonly string[];
  /** As the client gets them from the gateway, but for ids and the state of limits. */
  readonly responseHeaders: readonly string[];
  readonly backends: readonly BackendShare[];
}

export interface BackendShare {
  readonly service: string;
  /** `version=v1 region=eu`; "" for all of the service. */
  readonly subset: string;
  readonly weight: number;
  readonly sharePercent: number;
  /** No endpoint of the service, or of the subset, takes traffic: its share is answered with 503. */
  readonly isEmpty: boolean;
}

export type Difference = "listener" | "route" | "verdict" | "rewrite" | "response" | "backends";

/** Different with each request, or with the time of day. */
const FLEETING: ReadonlySet<string> = new Set(["x-request-id", "ratelimit", "ratelimit-policy"]);

export function decisionOf({ record, upstream, headers, status, body, trace }: Outcome, backends: readonly BackendShare[]): Decision {
  const isDeadEnd = upstream !== null && backends.every(({ isEmpty, weight }) => isEmpty || weight === 0);
  const isProxied = upstream !== null && !isDeadEnd;
  const error = isDeadEnd ? "no-healthy-endpoint" : record.errorCode;
  return {
    listener: record.listenerName,
    route: record.routeName,
    verdict: isProxied ? "proxied" : error === "" ? "reply" : "refused",
    status: isProxied ? 0 : isDeadEnd ? 503 : status,
    error,
    assumptions: trace.assumptions.join(" and "),
    target: upstream === null ? "" : `${upstream.method} ${upstream.authority} ${upstream.target}`,
    location: headerValue(headers, "location") ?? "",
    body: error === "" ? body : "",
    requestHeaders: upstream === null ? NO_HEADERS : lasting(upstream.headers),
    responseHeaders: isDeadEnd ? NO_HEADERS : lasting(headers),
    backends: upstream === null ? NO_BACKENDS : backends,
  };
}

const NO_HEADERS: readonly string[] = [];
const NO_BACKENDS: readonly BackendShare[] = [];

function lasting(headers: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (!FLEETING.has(headers[i] as string)) kept.push(headers[i] as string, headers[i + 1] as string);
  }
  return kept;
}

/** In the order of the configuration; shares are those that a choice by weight gives. */
export function sharesOf(route: RouteRuntime | undefined): readonly BackendShare[] {
  if (route === undefined) return NO_BACKENDS;
  const total = route.backends.reduce((sum, { weight }) => sum + weight, 0);
  return route.spec.backends.map(({ service, subset, weight }, index) => ({
    service,
    subset: subset === null ? "" : labelText(subset.labels),
    weight,
    sharePercent: total === 0 ? 0 : (weight / total) * 100,
    isEmpty: !takesTraffic((route.backends[index] as BackendRuntime).service.spec, subset),
  }));
}

export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(" ");
}

/** Only what the configuration says: an endpoint without weight never gets a request, and what is found at run time is not known. */
function takesTraffic({ endpoints }: ServiceSpec, subset: SubsetSpec | null): boolean {
  return endpoints.type !== "static" || subsetOf(endpoints.endpoints, subset).some(({ weight }) => weight > 0);
}

/** In the order in which they are decided; empty when a client and a service could not tell the two apart. */
export function differencesOf(before: Decision, after: Decision): Difference[] {
  const found: Difference[] = [];
  if (before.listener !== after.listener) found.push("listener");
  if (before.route !== after.route) found.push("route");
  if (!hasSameVerdict(before, after)) found.push("verdict");
  // What follows from another kind of verdict is no difference of its own.
  if (before.verdict !== after.verdict) return found;
  if (before.target !== after.target || !hasSameFields(before.requestHeaders, after.requestHeaders)) found.push("rewrite");
  if (before.body !== after.body || !hasSameFields(before.responseHeaders, after.responseHeaders)) found.push("response");
  if (!hasSameSplit(before.backends, after.backends)) found.push("backends");
  return found;
}

function hasSameVerdict(a: Decision, b: Decision): boolean {
  return a.verdict === b.verdict && a.status === b.status && a.error === b.error && a.assumptions === b.assumptions;
}

/** The order counts only among fields of one name. */
function hasSameFields(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return inOrder(a) === inOrder(b);
  return true;
}

function inOrder(headers: readonly string[]): string {
  const fields: [name: string, value: string][] = [];
  for (let i = 0; i < headers.length; i += 2) fields.push([headers[i] as string, headers[i + 1] as string]);
  return JSON.stringify(fields.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

/** Names of headers whose values are not the same on both sides, in alphabetical order. */
export function differingFields(a: readonly string[], b: readonly string[]): string[] {
  const [old, next] = [valuesByName(a), valuesByName(b)];
  return [...new Set([...old.keys(), ...next.keys()])].filter((name) => old.get(name) !== next.get(name)).sort();
}

function valuesByName(headers: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    values.set(name, `${values.get(name) ?? ""}\n${headers[i + 1]}`);
  }
  return values;
}

function hasSameSplit(a: readonly BackendShare[], b: readonly BackendShare[]): boolean {
  return a === b || splitText(a) === splitText(b);
}

/** A route's backends are one list however many requests it gets: their text is made once. */
const splitTexts = new WeakMap<readonly BackendShare[], string>();

export function splitText(backends: readonly BackendShare[]): string {
  let text = splitTexts.get(backends);
  if (text === undefined) {
    text = formatSplit(backends);
    splitTexts.set(backends, text);
  }
  return text;
}

/** Backends of one service and subset count together: `orders 95%, orders-next 5%`. */
function formatSplit(backends: readonly BackendShare[]): string {
  const shares = new Map<string, number>();
  for (const { service, subset, sharePercent, isEmpty } of backends) {
    const whole = subset === "" ? service : `${service} {${subset}}`;
    const name = isEmpty ? `${whole} (no endpoint)` : whole;
    if (sharePercent > 0) shares.set(name, (shares.get(name) ?? 0) + sharePercent);
  }
  return Array.from(shares, ([name, share]) => `${name} ${percent(share)}`)
    .sort()
    .join(", ");
}

function percent(share: number): string {
  return `${Number(share.toFixed(share < 1 ? 3 : 2))}%`;
}
