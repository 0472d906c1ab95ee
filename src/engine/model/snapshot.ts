/**
 * The immutable compiled configuration: plain, frozen, serialisable data with a version. The primary compiles it from
 * YAML (config/compile.ts), workers build their tables from it. Durations are milliseconds, sizes bytes, and every
 * default has been filled in: nothing downstream of config/ invents a value.
 */

import type { EndpointSourceSpec } from "./endpoint-source.js";
import type { RegistrySpec } from "./registry.js";

export interface Snapshot {
  /** Hex digest of the content; equal documents have equal versions. */
  readonly version: string;
  readonly listeners: readonly ListenerSpec[];
  readonly routes: readonly RouteSpec[];
  readonly services: readonly ServiceSpec[];
  /** Where this gateway runs; "": unknown, all zones are alike. */
  readonly zone: string;
  readonly jwtProviders: readonly JwtProviderSpec[];
  readonly limits: LimitsSpec;
  /** Null: this gateway takes no registrations. */
  readonly registry: RegistrySpec | null;
  readonly telemetry: TelemetrySpec;
  readonly admin: AdminSpec;
  /** Number of worker processes, ≥ 1. */
  readonly workers: number;
  readonly drain: DrainSpec;
  readonly supervision: SupervisionSpec;
}

export type Direction = "ingress" | "egress" | "inbound" | "outbound";
export type ListenerProtocol = "http" | "https" | "h2" | "h2c";

export interface ListenerSpec {
  readonly name: string;
  readonly direction: Direction;
  readonly protocol: ListenerProtocol;
  readonly bind: { readonly host: string; readonly port: number };
  readonly tls: ListenerTlsSpec | null;
  /** Hostnames this listener serves; empty: all. Others get 421. */
  readonly hostnames: readonly string[];
  /** CIDRs (or single addresses) whose X-Forwarded-* are believed. */
  readonly trustedProxies: readonly string[];
  readonly limits: ListenerLimits;
  readonly timeouts: ListenerTimeouts;
  readonly webSocket: WebSocketSpec;
  readonly hardening: HardeningSpec;
  /** What only listeners on our own codecs can do (`h2`, `h2c`); null on all others. */
  readonly wire: WireSpec | null;
}

export interface WireSpec {
  /** Null for `h2c`. */
  readonly tls: WireTlsSpec | null;
  /** Peers in `trustedProxies` must begin with it, before TLS; others have no part in it (`optional`) or are closed (`required`). */
  readonly proxyProtocol: "off" | "optional" | "required";
  /** From the first byte of a request to the end of its head, and for a PROXY header; 0 disables. */
  readonly requestHeaderMs: number;
  /** A connection without a request is closed after this; 0: never. */
  readonly keepAliveMs: number;
  /** Field lines of one head or trailer section. */
  readonly maxHeaderFields: number;
  readonly http2: Http2Spec;
}

export interface WireTlsSpec {
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** From accept, or from the end of a PROXY header; never 0. */
  readonly handshakeMs: number;
  /** Handshakes under way, per worker; above it the oldest is closed. */
  readonly maxHandshakes: number;
  /** In the order of `ListenerTlsSpec.certificates`: workers read no files. Secret. */
  readonly pems: readonly { readonly cert: string; readonly key: string }[];
  /** Null: clients are not asked for a certificate. */
  readonly clientAuth: ClientAuthSpec | null;
}

export interface ClientAuthSpec {
  /** False: a client may have none; one that it shows must be valid all the same. */
  readonly isRequired: boolean;
  /** PEM of the trusted roots. */
  readonly caPem: string;
}

export interface Http2Spec {
  readonly maxConcurrentStreams: number;
  /** What a client may send ahead, per stream and per connection. */
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /** How far a stream's may grow where the path is long and the service keeps up; all of a connection's to twice as much. */
  readonly maxStreamWindowBytes: number;
  /** A connection with open streams that is silent for so long is pinged, and given up after as long again; 0 disables. */
  readonly pingMs: number;
}

export interface ListenerTlsSpec {
  /** The first one is served when SNI is missing or unknown. */
  readonly certificates: readonly CertificateSpec[];
}

/** Checked by the compiler: readable, PEM, key matches certificate. Paths are absolute. */
export interface CertificateSpec {
  readonly certPath: string;
  readonly keyPath: string;
  /** Lower-case DNS names from the SANs (wildcards as `*.example.com`), for SNI. */
  readonly names: readonly string[];
  /** Milliseconds since the epoch. */
  readonly notAfterMs: number;
  /** Of the certificate: tells a renewed one under the same path. */
  readonly fingerprint: string;
}

export interface ListenerLimits {
  readonly maxHeaderBytes: number;
  /** 0: unlimited. */
  readonly maxBodyBytes: number;
  /** 0: a body may arrive as slowly as it likes. */
  readonly minBodyBytesPerSecond: number;
  /** Per worker. */
  readonly maxConnections: number;
  /** In all workers together; 0: unlimited. What is too small to be divided (see address-limit.ts) counts as the smallest that is not. */
  readonly maxConnectionsPerAddress: number;
}

export interface ListenerTimeouts {
  /** Whole request, head to last body byte; 0 disables. */
  readonly requestMs: number;
  /** No byte in either direction for this long ends the exchange; 0 disables. */
  readonly streamIdleMs: number;
  /** A connection older than this is closed with its next response, some sooner; 0: unlimited. */
  readonly connectionAgeMs: number;
}

/** WebSockets (RFC 6455) that were accepted on a listener. */
export interface WebSocketSpec {
  /** In either direction, fragments and inflated bytes together. */
  readonly maxMessageBytes: number;
  /** Bytes of a client's messages that its service has not taken; a client cannot be paused, so above it the connection ends. */
  readonly maxQueueBytes: number;
  /** An end from which nothing comes for so long, not even an answer to a ping, is given up; 0 disables. */
  readonly idleMs: number;
  /** Closed with 1001 after so long; 0: never. */
  readonly maxAgeMs: number;
  /** permessage-deflate (RFC 7692) is accepted when a client offers it. */
  readonly isCompressed: boolean;
}

/** What a listener facing strangers does and one inside the mesh does not (design: ingress hardening). */
export interface HardeningSpec {
  readonly normalisePath: boolean;
  /** `%2F`, `%5C`, `%00` and `\` in the path are refused. */
  readonly refuseEncodedSlashes: boolean;
  readonly refuseUnderscoreHeaders: boolean;
  /** X-Forwarded-*, Forwarded, X-Forwarded-Client-Cert and X-Request-Id of untrusted peers are dropped. */
  readonly dropForwardedHeaders: boolean;
}

export interface RouteSpec {
  readonly name: string;
  /** Names of the listeners that serve it (resolved; never empty). */
  readonly listeners: readonly string[];
  /** Lower case, exact or `*.suffix`; empty: any host. */
  readonly hostnames: readonly string[];
  /** Any of; never empty (the default is PathPrefix `/`). */
  readonly match: readonly MatchSpec[];
  readonly filters: readonly FilterSpec[];
  /** May be empty only when a filter always replies (redirect, respond). */
  readonly backends: readonly BackendSpec[];
  readonly timeouts: RouteTimeouts;
  readonly retry: RetrySpec;
}

export interface MatchSpec {
  readonly path: PathMatchSpec;
  /** Upper case; empty: any. */
  readonly methods: readonly string[];
  /** All must match; names lower case; duplicates of a field are joined with `, ` (RFC 9110 §5.3). */
  readonly headers: readonly NameValue[];
  /** All must match: first occurrence, percent-decoded. */
  readonly query: readonly NameValue[];
}

export interface PathMatchSpec {
  readonly type: "Exact" | "PathPrefix";
  /** Begins with `/`; a prefix has no trailing `/` except the root. */
  readonly value: string;
}

export interface NameValue {
  readonly name: string;
  readonly value: string;
}

/** One step of a route's chain; `config` is the output of `filters/<type>/schema.ts`. */
export interface FilterSpec {
  readonly type: string;
  readonly config: unknown;
}

export interface BackendSpec {
  readonly service: string;
  /** Only endpoints with all of these labels; null: all of the service. */
  readonly subset: SubsetSpec | null;
  /** ≥ 0; share of the sum of the route's weights. All zero: 503, as in the Gateway API. */
  readonly weight: number;
}

export interface SubsetSpec {
  readonly labels: Readonly<Record<string, string>>;
  /** What takes the requests when no endpoint has the labels: nothing (503), or all endpoints of the service. */
  readonly fallback: "none" | "all";
}

export interface RouteTimeouts {
  /** From accept to the last response byte; 0 disables (`0s`). */
  readonly requestMs: number;
  /** One attempt, from its start to the response head; 0 disables. */
  readonly backendRequestMs: number;
}

export interface RetrySpec {
  /** Additional attempts after the first; 0 disables. */
  readonly attempts: number;
  readonly on: RetryConditions;
  /** Bytes of a request body that are kept to be sent again, per exchange; a longer body is sent once only. */
  readonly maxReplayBytes: number;
  /** Retries as a share of requests, per service and worker… */
  readonly budgetPercent: number;
  /** …with at least this many per second. */
  readonly budgetMinPerSecond: number;
}

/** What is repeated. Whatever may have reached a service is repeated for idempotent methods only (RFC 9110 §9.2.2). */
export interface RetryConditions {
  /** No connection, none with TLS, or a request that HTTP/2 tells to be unprocessed. */
  readonly connectFailure: boolean;
  /** The connection ended before the head of a response. */
  readonly reset: boolean;
  /** `timeouts.backendRequestMs` passed. */
  readonly timeout: boolean;
  /** What came instead of a response is none. */
  readonly malformed: boolean;
  /** 500–599, ascending, each once. */
  readonly statuses: readonly number[];
}

/** `h2c`: HTTP/2 without TLS and without asking (RFC 9113 §3.3); `https`: what the service chooses of `UpstreamTlsSpec.alpn`. */
export type ServiceProtocol = "http1" | "h2" | "h2c" | "https";

export interface ServiceSpec {
  readonly name: string;
  readonly endpoints: EndpointSourceSpec;
  readonly protocol: ServiceProtocol;
  /** Only for `https` and `h2`. */
  readonly tls: UpstreamTlsSpec | null;
  readonly http2: UpstreamHttp2Spec;
  readonly balance: BalanceSpec;
  readonly connectTimeoutMs: number;
  /** Idle pooled connections are closed after this. */
  readonly keepAliveMs: number;
  /** A connection older than this carries no further request; 0: unlimited. */
  readonly connectionAgeMs: number;
  /** Per endpoint and worker. */
  readonly maxConnections: number;
  /** Requests that may wait for a connection, per endpoint and worker. */
  readonly maxPendingRequests: number;
  /** Share of the connections or streams that may wait for clients when others want one. */
  readonly maxSlowClientPercent: number;
  /** Open WebSockets per endpoint and worker, beside `maxConnections`. */
  readonly maxWebSockets: number;
  /** Opened ahead of requests, per endpoint and worker; 0: none. */
  readonly warmConnections: number;
  /** Attempts under way per service and worker; 0: unlimited. */
  readonly maxRequests: number;
  readonly breakers: { readonly endpoint: BreakerSpec | null; readonly service: BreakerSpec | null };
  /** Null: endpoints are never ejected. */
  readonly outlier: OutlierSpec | null;
  /** Null: endpoints are not checked. */
  readonly health: HealthSpec | null;
}

/** engine/resilience/circuit.ts says how they work together. */
export interface BreakerSpec {
  readonly failurePercent: number;
  /** Within a window, before its share of failures means anything. */
  readonly minimumRequests: number;
  readonly windowMs: number;
  readonly openMs: number;
  readonly halfOpenRequests: number;
}

/** engine/resilience/outlier.ts says how they work together. */
export interface OutlierSpec {
  /** 0: never for this. */
  readonly consecutive5xx: number;
  /** 0: never for this. */
  readonly consecutiveGatewayErrors: number;
  /** Null: never for this. */
  readonly successRate: { readonly minimumHosts: number; readonly requestVolume: number; readonly stdevFactor: number } | null;
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectionPercent: number;
}

/** Active checks, which the primary makes. */
export interface HealthSpec {
  readonly probe: HealthProbe;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly unhealthyAfter: number;
  readonly healthyAfter: number;
}

export type HealthProbe =
  /** `host`: "" means the endpoint's. `port`: 0 means the endpoint's. */
  | {
      readonly type: "http";
      readonly method: string;
      readonly path: string;
      readonly host: string;
      readonly statuses: readonly StatusRange[];
      readonly port: number;
    }
  | { readonly type: "tcp"; readonly port: number }
  /** grpc.health.v1; `service`: "" asks for the server as a whole. */
  | { readonly type: "grpc"; readonly service: string; readonly host: string; readonly port: number };

/** Both included. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

export type BalanceAlgorithm = "roundRobin" | "leastRequest" | "ewma" | "ringHash" | "maglev" | "random";

export interface BalanceSpec {
  readonly algorithm: BalanceAlgorithm;
  /** Null for algorithms that do not hash. */
  readonly hashOn: HashOnSpec | null;
  /** Attempts under way that an endpoint may have, of its share by weight, before a hashed request goes to the next one; 0: unlimited. */
  readonly maxLoadPercent: number;
  /** Endpoints in the gateway's own zone come first, if it has one. */
  readonly prefersLocalZone: boolean;
  /** A new endpoint gets its full weight after this; 0: at once. */
  readonly slowStartMs: number;
  /** Below this share of healthy endpoints all of them are used; 0: never. */
  readonly panicThresholdPercent: number;
  readonly retryAfter: RetryAfterSpec;
}

/** Which part of a request decides. */
export interface HashOnSpec {
  readonly type: "header" | "cookie" | "claim" | "address" | "path";
  /** Of the header (lower case), the cookie or the claim; "" for the others. */
  readonly name: string;
  /** What decides when the request has no such part. */
  readonly fallback: "random" | "address" | "path";
}

/** Endpoints that ask for a pause get it. */
export interface RetryAfterSpec {
  /** Statuses with which they may ask. */
  readonly on: readonly (429 | 503)[];
  /** Longer pauses become this; 0: none are given. */
  readonly maxMs: number;
}

export interface EndpointSpec {
  /** Host name or IP literal (IPv6 without brackets). */
  readonly host: string;
  readonly port: number;
  readonly weight: number;
  readonly zone: string;
  /** 0 is asked first. */
  readonly priority: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface UpstreamTlsSpec {
  /** Name verified and sent as SNI; empty: the endpoint's host. */
  readonly serverName: string;
  /** PEM of the trusted roots; empty: the system's. */
  readonly caPem: string;
  /** Only ever false when written so in the document. */
  readonly isVerified: boolean;
  /** Protocols that are offered (RFC 7301); never empty. */
  readonly alpn: readonly ("h2" | "http/1.1")[];
}

export interface UpstreamHttp2Spec {
  /** Per connection; the service may allow fewer. */
  readonly maxConcurrentStreams: number;
  /** What a service may send of one response before the client has taken it. */
  readonly streamWindowBytes: number;
  /** How far it may grow where the path is long and the client keeps up. */
  readonly maxStreamWindowBytes: number;
  /** Silence on a connection with requests under way after which it is pinged, and after as long again given up; 0 disables. */
  readonly pingMs: number;
}

export interface JwtProviderSpec {
  readonly name: string;
  /** Empty: not checked. */
  readonly issuer: string;
  /** Token must name one of them; empty: not checked. */
  readonly audiences: readonly string[];
  /** Allowed `alg` values, never `none`. */
  readonly algorithms: readonly string[];
  readonly clockSkewMs: number;
  readonly keys: JwksSourceSpec;
}

export type JwksSourceSpec =
  | {
      readonly type: "uri";
      readonly uri: string;
      readonly refreshMs: number;
      readonly cooldownMs: number;
      readonly timeoutMs: number;
      readonly caPem: string;
    }
  /** From a file or written in the document; the JWK set itself (RFC 7517 §5). Secret: may hold HMAC keys. */
  | { readonly type: "fixed"; readonly jwks: { readonly keys: readonly Readonly<Record<string, unknown>>[] } };

export interface LimitsSpec {
  readonly store: "memory";
  /** Live keys per limit before new ones share buckets. */
  readonly maxKeys: number;
}

export interface TelemetrySpec {
  readonly accessLog: {
    /** `stdout`, `stderr`, `off` or an absolute file path. */
    readonly path: string;
    /** Share of exchanges logged, 0…1; local replies with status ≥ 500 are always logged. */
    readonly sample: number;
  };
}

export interface AdminSpec {
  readonly bind: { readonly host: string; readonly port: number };
  /** At least one when the bind is not loopback. Empty: callers on loopback may read, nobody may write but through the socket. */
  readonly tokens: readonly AdminTokenSpec[];
  /** Absolute; "" for no Unix socket. */
  readonly socketPath: string;
}

export interface AdminTokenSpec {
  /** Unique; of `admin.token` it is "admin". */
  readonly name: string;
  readonly role: AdminRole;
  /** Secret. */
  readonly token: string;
}

/** Writers may read, too. */
export type AdminRole = "read" | "write";

export interface DrainSpec {
  /** How long in-flight exchanges may take after SIGTERM. */
  readonly timeoutMs: number;
}

/** What the primary does about workers that are not well. */
export interface SupervisionSpec {
  /** A worker that has not answered for so long is killed and replaced; never 0. */
  readonly stallTimeoutMs: number;
  /** Resident memory above which a worker is replaced, then drained; 0: unlimited. */
  readonly maxWorkerMemoryBytes: number;
  /** So many crashes within the window make the gateway not ready; 0: never. */
  readonly maxCrashes: number;
  readonly crashWindowMs: number;
}
