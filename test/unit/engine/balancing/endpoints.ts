/** Short ways to make endpoints, services and picks in the tests of balancing. */
import { createPicker } from "../../../../src/engine/balancing/picker.js";
import { Endpoint, EndpointSet, type EndpointTraits, type Picker, PickRequest } from "../../../../src/engine/model/endpoint.js";
import type { BalanceSpec, EndpointSpec, ServiceSpec, SubsetSpec } from "../../../../src/engine/model/snapshot.js";

export const HTTP2 = { maxConcurrentStreams: 100, streamWindowBytes: 262_144, maxStreamWindowBytes: 262_144, pingMs: 15_000 };

/** Steps of this length are even, but in no order that could suit an algorithm. */
export const GOLDEN = 0.618_033_988_749_895;

export const BALANCE: BalanceSpec = {
  algorithm: "roundRobin",
  hashOn: null,
  maxLoadPercent: 0,
  prefersLocalZone: true,
  slowStartMs: 0,
  panicThresholdPercent: 50,
  retryAfter: { on: [503], maxMs: 30_000 },
};

/** All of one set; the n-th has the host 10.0.x.y. */
export function endpointsOf(weights: readonly number[]): Endpoint[] {
  return endpointsWith(weights.map((weight) => ({ weight })));
}

export function endpointsWith(traits: readonly Partial<EndpointTraits>[]): Endpoint[] {
  const set = new EndpointSet();
  set.replace(traits.map((given, index) => endpointOf(index, given, set)));
  return [...set.endpoints];
}

export function endpointOf(index: number, traits: Partial<EndpointTraits>, set: EndpointSet): Endpoint {
  const host = `10.0.${(index + 1) >> 8}.${(index + 1) & 255}`;
  const limits = {
    connectTimeoutMs: 1_000,
    keepAliveMs: 1_000,
    connectionAgeMs: 0,
    maxConnections: 1,
    maxPendingRequests: 1,
    maxSlowClientPercent: 75,
    maxWebSockets: 1,
  };
  const target = { key: host, host, port: 80, version: "http1", http2: HTTP2, tls: null, ...limits } as const;
  return new Endpoint(`${host}:80`, target, { weight: 1, zone: "", priority: 0, labels: {}, ...traits }, set);
}

export interface PickerChanges extends Partial<BalanceSpec> {
  readonly subset?: SubsetSpec;
  readonly zone?: string;
}

/** For all endpoints of the set that these belong to. */
export function pickerOf(endpoints: readonly Endpoint[], { subset, zone, ...balance }: PickerChanges = {}): Picker {
  const set = endpoints[0]?.set ?? new EndpointSet();
  return createPicker(set, { balance: { ...BALANCE, ...balance }, subset: subset ?? null, zone: zone ?? "" });
}

const request = new PickRequest();

export interface Circumstances {
  readonly random?: number;
  readonly hash?: number;
  readonly now?: number;
  readonly tried?: readonly Endpoint[];
}

export function pick(picker: Picker, { random = 0, hash = 0, now = 1, tried }: Circumstances = {}): Endpoint | null {
  Object.assign(request, { random, hash, now, tried: tried ?? null });
  return picker.pick(request);
}

export function endpointSpec(host: string, changes: Partial<EndpointSpec> = {}): EndpointSpec {
  return { host, port: 80, weight: 1, zone: "", priority: 0, labels: {}, ...changes };
}

export function serviceSpec(endpoints: readonly EndpointSpec[], changes: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    name: "orders",
    endpoints: { type: "static", endpoints },
    protocol: "http1",
    tls: null,
    http2: HTTP2,
    balance: BALANCE,
    connectTimeoutMs: 5_000,
    keepAliveMs: 60_000,
    connectionAgeMs: 3_600_000,
    maxConnections: 1_024,
    maxPendingRequests: 1_024,
    maxSlowClientPercent: 75,
    maxWebSockets: 10_000,
    warmConnections: 0,
    maxRequests: 0,
    breakers: { endpoint: null, service: null },
    outlier: null,
    health: null,
    ...changes,
  };
}

/** How often each endpoint is picked when the random numbers and hashes are spread evenly. */
export function countPicks(picker: Picker, endpoints: readonly Endpoint[], picks: number, ...tried: Endpoint[]): number[] {
  return countPicksAt(picker, endpoints, { picks, now: 1, tried });
}

export interface Counting {
  readonly picks: number;
  readonly now?: number;
  readonly tried?: readonly Endpoint[];
}

export function countPicksAt(picker: Picker, endpoints: readonly Endpoint[], { picks, now = 1, tried = [] }: Counting): number[] {
  const counts = endpoints.map(() => 0);
  for (let i = 0; i < picks; i++) {
    const random = (i * GOLDEN) % 1;
    const hash = Math.floor(((i * Math.SQRT2) % 1) * 2 ** 32);
    const picked = pick(picker, { random, hash, now, ...(tried.length === 0 ? {} : { tried }) });
    const index = endpoints.indexOf(picked as Endpoint);
    counts[index] = (counts[index] as number) + 1;
  }
  return counts;
}
