/** An endpoint as the data plane holds it: its address, how to reach it, and the few numbers that pickers read. */

import type { UpstreamHttp2Spec } from "./snapshot.js";

/** `negotiated`: the service chooses by ALPN. */
export type UpstreamVersion = "http1" | "http2" | "negotiated";

/** One address with everything needed to connect to it; equal keys share one connection pool. */
export interface UpstreamTarget {
  /** Identifies the pool: version of HTTP, host, port and TLS settings. */
  readonly key: string;
  readonly host: string;
  readonly port: number;
  readonly version: UpstreamVersion;
  readonly http2: UpstreamHttp2Spec;
  readonly tls: { readonly serverName: string; readonly caPem: string; readonly isVerified: boolean } | null;
  readonly connectTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly connectionAgeMs: number;
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxSlowClientPercent: number;
  readonly maxWebSockets: number;
}

/** State that survives reloads, keyed by `id` within its service. */
export class Endpoint {
  /** `host:port`, as shown to people. */
  readonly id: string;
  readonly target: UpstreamTarget;
  /** ≥ 0; 0 takes no traffic. */
  weight: number;
  zone: string;
  labels: Readonly<Record<string, string>>;
  /** Attempts under way in this worker. */
  inFlight: number;

  constructor(id: string, target: UpstreamTarget, weight: number, zone: string, labels: Readonly<Record<string, string>>) {
    this.id = id;
    this.target = target;
    this.weight = weight;
    this.zone = zone;
    this.labels = labels;
    this.inFlight = 0;
  }
}

/** A synchronous choice from current state. Pure: randomness comes in as a number. */
export interface Picker {
  /**
   * @param random 0 ≤ random < 1
   * @param tried null for a first attempt; later the endpoints of those before, in order: none of them when another can
   *   take traffic, else not the last one, else the only one there is
   * @returns null when no endpoint can take traffic
   */
  pick(random: number, tried: readonly Endpoint[] | null): Endpoint | null;
}
