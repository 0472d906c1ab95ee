/** Short ways to make endpoints and services in the tests of balancing. */
import { Endpoint, type Picker } from "../../../../src/engine/model/endpoint.js";
import type { EndpointSpec, ServiceSpec } from "../../../../src/engine/model/snapshot.js";

export const HTTP2 = { maxConcurrentStreams: 100, streamWindowBytes: 262_144, maxStreamWindowBytes: 262_144, pingMs: 15_000 };

export function endpointsOf(weights: readonly number[]): Endpoint[] {
  return weights.map((weight, index) => {
    const host = `10.0.0.${index + 1}`;
    const limits = {
      connectTimeoutMs: 1_000,
      keepAliveMs: 1_000,
      connectionAgeMs: 0,
      maxConnections: 1,
      maxPendingRequests: 1,
      maxSlowClientPercent: 75,
      maxWebSockets: 1,
    };
    return new Endpoint(`${host}:80`, { key: host, host, port: 80, version: "http1", http2: HTTP2, tls: null, ...limits }, weight, "", {});
  });
}

export function endpointSpec(host: string, changes: Partial<EndpointSpec> = {}): EndpointSpec {
  return { host, port: 80, weight: 1, zone: "", labels: {}, ...changes };
}

export function serviceSpec(endpoints: readonly EndpointSpec[], changes: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    name: "orders",
    endpoints,
    protocol: "http1",
    tls: null,
    http2: HTTP2,
    balance: { algorithm: "roundRobin" },
    connectTimeoutMs: 5_000,
    keepAliveMs: 60_000,
    connectionAgeMs: 3_600_000,
    maxConnections: 1_024,
    maxPendingRequests: 1_024,
    maxSlowClientPercent: 75,
    maxWebSockets: 10_000,
    ...changes,
  };
}

/** How often each endpoint is picked when the random numbers are spread evenly over 0…1. */
export function countPicks(picker: Picker, endpoints: readonly Endpoint[], picks: number, ...tried: Endpoint[]): number[] {
  const counts = endpoints.map(() => 0);
  for (let i = 0; i < picks; i++) {
    // Golden ratio steps: even, but in no order that could suit an algorithm.
    const index = endpoints.indexOf(picker.pick((i * 0.618_033_988_749_895) % 1, tried.length === 0 ? null : tried) as Endpoint);
    counts[index] = (counts[index] as number) + 1;
  }
  return counts;
}
