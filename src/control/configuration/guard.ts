/**
 * Watches the routes that an apply changed, and says when they have become worse than they may: a route fails when the service or the
 * gateway answers 5xx, when the gateway refuses what it let through before, or when the answer breaks off. Routes that are gone show
 * as requests that no route matches.
 */
import type { Snapshot } from "../../engine/model/snapshot.js";

/** Totals since the start, by route name. */
export type RouteTotals = ReadonlyMap<string, RouteCount>;

export interface RouteCount {
  readonly requests: number;
  readonly failures: number;
}

export interface WatchedRoute {
  /** "" stands for requests that no route matches. */
  readonly name: string;
  readonly requests: number;
  /** 0 to 1. */
  readonly errorRate: number;
  /** Null: it had no requests. */
  readonly baselineErrorRate: number | null;
}

export interface GuardPolicy {
  readonly durationMs: number;
  readonly maxErrorRate: number;
}

export const NO_ROUTE = "";
/** With fewer failures it is decided at the end only. */
const EARLY_FAILURES = 5;

const NONE: RouteCount = { requests: 0, failures: 0 };

export class RouteGuard {
  readonly routes: readonly string[];
  readonly #maxErrorRate: number;
  /** Before the apply, and when it was made. */
  readonly #baseline: RouteTotals;
  readonly #start: RouteTotals;
  #now: RouteTotals;

  /** @param earlier totals of some time before the apply, to which `start`, those of the moment, are compared */
  constructor(routes: readonly string[], maxErrorRate: number, earlier: RouteTotals, start: RouteTotals) {
    this.routes = routes;
    this.#maxErrorRate = maxErrorRate;
    this.#baseline = difference(earlier, start);
    this.#start = start;
    this.#now = start;
  }

  /** Null while nothing is wrong; else in one sentence what is. */
  judge(now: RouteTotals, isLast: boolean): string | null {
    this.#now = now;
    for (const route of this.watched()) {
      const limit = this.#maxErrorRate + (route.baselineErrorRate ?? 0);
      const failures = Math.round(route.errorRate * route.requests);
      if (route.errorRate <= limit || failures < (isLast ? 1 : EARLY_FAILURES)) continue;
      const what = route.name === NO_ROUTE ? "requests that no route matches" : `route ${route.name}`;
      return `${what}: ${percent(route.errorRate)} of ${route.requests} requests failed, allowed are ${percent(limit)}`;
    }
    return null;
  }

  watched(): WatchedRoute[] {
    const since = difference(this.#start, this.#now);
    return this.routes.map((name) => {
      const { requests, failures } = since.get(name) ?? NONE;
      const before = this.#baseline.get(name);
      return {
        name,
        requests,
        errorRate: rate({ requests, failures }) ?? 0,
        baselineErrorRate: before === undefined ? null : rate(before),
      };
    });
  }
}

function rate({ requests, failures }: RouteCount): number | null {
  return requests === 0 ? null : failures / requests;
}

function difference(from: RouteTotals, to: RouteTotals): RouteTotals {
  const result = new Map<string, RouteCount>();
  for (const [name, { requests, failures }] of to) {
    const before = from.get(name) ?? NONE;
    result.set(name, { requests: requests - before.requests, failures: failures - before.failures });
  }
  return result;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** Names of the routes that a request may now go another way on, with `NO_ROUTE` last: it shows what has been taken away. */
export function touchedRoutes(before: Snapshot, after: Snapshot): string[] {
  const known = new Map(before.routes.map((route) => [route.name, route]));
  const services = changedNames(before.services, after.services);
  const providers = changedNames(before.jwtProviders, after.jwtProviders);
  const areListenersTheSame = isSame(before.listeners, after.listeners);
  const touched = after.routes.filter((route) => {
    if (!areListenersTheSame || !isSame(known.get(route.name), route)) return true;
    if (route.backends.some(({ service }) => services.has(service))) return true;
    return providers.size > 0 && route.filters.length > 0;
  });
  return [...touched.map(({ name }) => name), NO_ROUTE];
}

function changedNames<T extends { readonly name: string }>(before: readonly T[], after: readonly T[]): ReadonlySet<string> {
  const known = new Map(before.map((item) => [item.name, item]));
  return new Set(after.filter((item) => !isSame(known.get(item.name), item)).map(({ name }) => name));
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
