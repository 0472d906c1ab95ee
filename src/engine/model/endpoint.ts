/** An endpoint as the data plane holds it: its address, how to reach it, and the few numbers that pickers read. */

import type { ErrorCode } from "./errors.js";
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

/** `host:port`, IPv6 in brackets: how an endpoint is known within its service. */
export function endpointId({ host, port }: Pick<UpstreamTarget, "host" | "port">): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What a source says about an endpoint. */
export interface EndpointTraits {
  readonly weight: number;
  readonly zone: string;
  readonly priority: number;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * State that survives reloads, keyed by `id` within its service. Whoever changes a fact about whether it may take traffic
 * says so with `set.touch()`: pickers are rebuilt then, and read nothing but `inFlight` and `latency` in between. Times are
 * those of `performance.now()`.
 */
export class Endpoint {
  /** `host:port`, as shown to people. */
  readonly id: string;
  readonly target: UpstreamTarget;
  /** All endpoints of its service. */
  readonly set: EndpointSet;
  /** ≥ 0; 0 takes no traffic. */
  weight: number;
  zone: string;
  /** 0 is asked first; others take over what those before cannot. */
  priority: number;
  labels: Readonly<Record<string, string>>;
  /** Attempts under way in this worker. */
  inFlight: number;
  /** What health checks say. */
  isHealthy: boolean;
  /** An operator wants it so: it takes no new requests while others can. */
  isDraining: boolean;
  /** Taken out by outlier ejection or its circuit until then; 0: not. */
  ejectedUntil: number;
  /** It asked to be left alone until then (Retry-After); 0: not. */
  pausedUntil: number;
  /** Began to take traffic then, for slow start; 0: as long as we know. */
  startedAt: number;
  /** Milliseconds to the head of an answer, as the last ones say (latency.ts of balancing); 0: not known. */
  latency: number;
  /** When `latency` was learnt. */
  latencyAt: number;

  constructor(id: string, target: UpstreamTarget, traits: EndpointTraits, set: EndpointSet = new EndpointSet()) {
    this.id = id;
    this.target = target;
    this.set = set;
    this.weight = traits.weight;
    this.zone = traits.zone;
    this.priority = traits.priority;
    this.labels = traits.labels;
    this.inFlight = 0;
    this.isHealthy = true;
    this.isDraining = false;
    this.ejectedUntil = 0;
    this.pausedUntil = 0;
    this.startedAt = 0;
    this.latency = 0;
    this.latencyAt = 0;
  }
}

/** The endpoints of one service in this worker. One object per service, whatever reloads and sources do to its content. */
export class EndpointSet {
  endpoints: readonly Endpoint[] = [];
  /** Raised by every change of a fact that pickers prebuild on. */
  generation = 0;
  /** Raised when endpoints come or go, or their weights, zones, priorities or labels change. */
  layout = 0;
  /** Attempts under way in this worker, those on endpoints that are no longer listed included. */
  inFlight = 0;
  /** Mean milliseconds to the head of an answer, over all endpoints; 0: not known. */
  latency = 0;

  /** A fact about an endpoint has changed: health, draining, ejection, pause. Cheap; the next pick does the work. */
  touch(): void {
    this.generation++;
  }

  /** The list, or what a source says about one of them, has changed. */
  replace(endpoints: readonly Endpoint[]): void {
    this.endpoints = endpoints;
    this.layout++;
    this.generation++;
  }
}

/** What a pick needs. One object serves all picks of a process: whoever picks fills it in first. */
export class PickRequest {
  /** `performance.now()`. */
  now = 0;
  /** 0 ≤ random < 1. */
  random = 0;
  /** 32 bits, unsigned, of the request's hash key; read by ringHash and maglev only. */
  hash = 0;
  /**
   * Null for a first attempt; later the endpoints of those before, in order: none of them when another can take traffic,
   * else not the last one, else the only one there is.
   */
  tried: readonly Endpoint[] | null = null;
}

/** A synchronous choice from current state. Pure: time and randomness come in as numbers. */
export interface Picker {
  /** @returns null when no endpoint can take traffic */
  pick(request: PickRequest): Endpoint | null;
}

/** What became of an attempt. One object serves all attempts of a process: whoever is told copies what it keeps. */
export class AttemptResult {
  endpoint: Endpoint | null = null;
  /** Of the answer's head, or what its gRPC status amounts to; 0: it failed. */
  status = 0;
  /** Why it failed; "": it did not. */
  code: ErrorCode | "" = "";
  /** A gRPC answer is told of twice: its head, and its status when that has come behind the messages. */
  part: "whole" | "head" | "status" = "whole";
  /** From its start to the head or the failure. */
  elapsedMs = 0;
  /** What the service asks for with Retry-After; 0: nothing. Only ever with 429 and 503. */
  retryAfterMs = 0;
  now = 0;
}

/** Learns from attempts: when an answer's head is here, or when there will be none. Aborts by the client are not reported. */
export interface AttemptFeedback {
  /** False: it is told of failures and of statuses from 400 on alone, and then plain answers cost nothing. */
  readonly hearsSuccesses: boolean;
  note(result: AttemptResult): void;
}
