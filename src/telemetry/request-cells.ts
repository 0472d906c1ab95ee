/**
 * The counters of finished exchanges, found by three map lookups (listener, route, service) and one more by method and status.
 * Label values are names from the configuration, known methods and status codes, never anything a client chose; what
 * goes beyond the caps is counted under `_overflow`, so that totals stay right.
 */
import { ERRORS } from "../engine/model/errors.js";
import type { ExchangeRecord } from "../proxy/ports.js";
import { DurationHistogram } from "./histogram.js";
import { OVERFLOW } from "./metric-json.js";

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "_OTHER"] as const;
const METHOD_INDEX = new Map<string, number>(METHODS.map((method, index) => [method, index]));
const OTHER_METHOD = METHODS.length - 1;
/** Status codes have three digits (RFC 9110 §15): `method × STATUSES + status` is unique. */
const STATUSES = 1000;
/** A scope's share of the cap: a service that invents status codes must not use up everyone's. */
const MAX_SERIES_PER_SCOPE = 200;
const REST_KEY = METHODS.length * STATUSES;

export interface SeriesCaps {
  /** Listener × route × service combinations. */
  readonly maxScopes: number;
  /** Duration histograms over all scopes. */
  readonly maxSeries: number;
}

/** What one listener × route × service combination has counted. */
export class ScopeCells {
  readonly listener: string;
  readonly route: string;
  readonly service: string;
  readonly durations = new Map<number, DurationHistogram>();
  /** By error code; "" are direct responses of a filter. */
  readonly localReplies = new Map<string, number>();
  /** Exchanges that failed after their head was sent, or whose client left, by error code. */
  readonly aborts = new Map<string, number>();
  requestBytes = 0;
  responseBytes = 0;

  constructor(listener: string, route: string, service: string) {
    this.listener = listener;
    this.route = route;
    this.service = service;
  }
}

export class RequestCells {
  readonly #caps: SeriesCaps;
  readonly #index = new Map<string, Map<string, Map<string, ScopeCells>>>();
  readonly #scopes: ScopeCells[] = [];
  #rest: ScopeCells | null = null;
  #seriesCount = 0;

  constructor(caps: SeriesCaps) {
    this.#caps = caps;
  }

  get scopes(): readonly ScopeCells[] {
    return this.#scopes;
  }

  count(record: ExchangeRecord): void {
    const scope = this.#scope(record.listenerName, record.routeName, record.serviceName);
    scope.requestBytes += record.requestBytes;
    scope.responseBytes += record.responseBytes;
    const duration = this.#duration(scope, seriesKey(record.request.method, shownStatus(record)));
    // How long a WebSocket stayed open says nothing about how long anyone waited: it counts until the upgrade.
    const endedAt = record.closeCode === 0 ? record.completedAt : record.upstreamHeadAt;
    duration.observe(Math.max(0, endedAt - record.startedAt) / 1000);
    if (record.isLocalReply) increment(scope.localReplies, record.errorCode);
    else if (record.errorCode !== "") increment(scope.aborts, record.errorCode);
  }

  #scope(listener: string, route: string, service: string): ScopeCells {
    const scope = this.#index.get(listener)?.get(route)?.get(service);
    return scope ?? this.#addScope(listener, route, service);
  }

  #addScope(listener: string, route: string, service: string): ScopeCells {
    if (this.#scopes.length >= this.#caps.maxScopes) return this.#overflow();
    const scope = new ScopeCells(listener, route, service);
    const routes = getOrAdd(this.#index, listener, () => new Map<string, Map<string, ScopeCells>>());
    getOrAdd(routes, route, () => new Map<string, ScopeCells>()).set(service, scope);
    this.#scopes.push(scope);
    return scope;
  }

  #overflow(): ScopeCells {
    if (this.#rest !== null) return this.#rest;
    this.#rest = new ScopeCells(OVERFLOW, OVERFLOW, OVERFLOW);
    this.#scopes.push(this.#rest);
    return this.#rest;
  }

  /** Beyond the cap a series is counted in the overflow scope, where only methods and status codes multiply. */
  #duration(scope: ScopeCells, key: number): DurationHistogram {
    const known = scope.durations.get(key);
    if (known !== undefined) return known;
    if (scope.durations.size >= MAX_SERIES_PER_SCOPE) return getOrAdd(scope.durations, REST_KEY, createHistogram);
    if (this.#seriesCount >= this.#caps.maxSeries && scope !== this.#rest) return this.#duration(this.#overflow(), key);
    this.#seriesCount++;
    return getOrAdd(scope.durations, key, createHistogram);
  }
}

/** Label values of a series key. */
export function seriesLabels(key: number): { method: string; status: string } {
  if (key === REST_KEY) return { method: OVERFLOW, status: OVERFLOW };
  return { method: METHODS[Math.floor(key / STATUSES)] as string, status: String(key % STATUSES) };
}

/** The status for logs and metrics: a client that left before a head was sent shows as 499, as operators know it. */
export function shownStatus(record: ExchangeRecord): number {
  if (record.status !== 0 || record.errorCode === "") return record.status;
  return ERRORS[record.errorCode].status;
}

function seriesKey(method: string, status: number): number {
  return (METHOD_INDEX.get(method) ?? OTHER_METHOD) * STATUSES + (status >= 0 && status < STATUSES ? status : 0);
}

function createHistogram(): DurationHistogram {
  return new DurationHistogram();
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const added = create();
  map.set(key, added);
  return added;
}
