/**
 * A valid document → the frozen snapshot that every process serves from. Text becomes numbers with a unit, names become
 * lower case, and what the document points to is filled in. Decides nothing: defaults are the schema's, rules the checks'.
 */
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import type { RegistrySpec } from "../engine/model/registry.js";
import type {
  AdminSpec,
  BackendSpec,
  JwksSourceSpec,
  JwtProviderSpec,
  ListenerSpec,
  MatchSpec,
  RetrySpec,
  RouteSpec,
  ServiceSpec,
  Snapshot,
  SupervisionSpec,
  TelemetrySpec,
  UpstreamHttp2Spec,
  WebSocketSpec,
  WireSpec,
} from "../engine/model/snapshot.js";
import { parseDuration, parseSize } from "../engine/model/units.js";
import { compileBalance, compileSubset } from "./compile-balance.js";
import { certificateNameOf, compileEndpoints } from "./compile-endpoints.js";
import { compileRedis } from "./compile-redis.js";
import { compileBreaker, compileHealth, compileOutlier } from "./compile-resilience.js";
import { deepFreeze } from "./deep-freeze.js";
import type { Materials } from "./materials.js";
import type { DocumentPath } from "./problems.js";
import { parseAddress } from "./schema/addresses.js";
import type { CompleteDocument } from "./schema/document.js";
import { filterOf } from "./schema/filters.js";
import { type CompleteListener, isWireProtocol, wireTlsSettings, withWireDefaults } from "./schema/listener.js";
import type { CompleteProvider } from "./schema/provider.js";
import { SERVICE_HTTP2_DEFAULTS, type Service } from "./schema/service.js";
import { placeOf, type Tree } from "./tree.js";
import { type DocumentIdentity, identityOf, versionOf } from "./version.js";

type CompleteRoute = CompleteDocument["routes"][number];

export interface CompileInput {
  readonly document: CompleteDocument;
  readonly materials: Materials;
  readonly tree: Tree;
}

export interface Compiled {
  readonly snapshot: Snapshot;
  readonly identity: DocumentIdentity;
}

export function compile(input: CompileInput): Compiled {
  const { document } = input;
  const content = {
    listeners: document.listeners.map((listener, index) => compileListener(listener, ["listeners", index], input)),
    routes: document.routes.map(compileRoute),
    services: document.services.map((service, index) => compileService(service, ["services", index], input)),
    zone: document.zone,
    jwtProviders: document.providers.jwt.map((provider, index) => compileProvider(provider, ["providers", "jwt", index], input)),
    limits: { store: document.limits.store, maxKeys: document.limits.maxKeys },
    registry: compileRegistry(input),
    telemetry: compileTelemetry(input),
    admin: compileAdmin(input),
    workers: document.workers === "auto" ? availableParallelism() : document.workers,
    drain: { timeoutMs: milliseconds(document.drain.timeout) },
    supervision: compileSupervision(document.supervision),
  };
  const identity = identityOf(content, input);
  return { snapshot: deepFreeze({ version: versionOf(identity), ...content }), identity };
}

/** The schema has let it through, so it is a duration. */
function milliseconds(text: string): number {
  return parseDuration(text) as number;
}

function bytes(size: string | number): number {
  return typeof size === "number" ? size : (parseSize(size) as number);
}

function address(text: string): { host: string; port: number } {
  return parseAddress(text) as { host: string; port: number };
}

function absolutePath(path: string, at: DocumentPath, { tree }: CompileInput): string {
  return resolve(placeOf(tree, at).file.directory, path);
}

function lowerCase(texts: readonly string[]): string[] {
  return texts.map((text) => text.toLowerCase());
}

function compileAdmin(input: CompileInput): AdminSpec {
  const { bind, token, tokens, socket } = input.document.admin;
  const named = tokens.map(({ name, role }, index) => ({ name, role, token: input.materials.text(["admin", "tokens", index, "token"]) }));
  const own = { name: "admin", role: "write", token: input.materials.text(["admin", "token"]) } as const;
  return {
    bind: address(bind),
    tokens: token === undefined ? named : [own, ...named],
    socketPath: socket === undefined ? "" : absolutePath(socket, ["admin", "socket"], input),
  };
}

function compileListener(listener: CompleteListener, path: DocumentPath, input: CompileInput): ListenerSpec {
  return {
    name: listener.name,
    direction: listener.direction,
    protocol: listener.protocol,
    bind: address(listener.bind),
    tls:
      listener.tls === undefined
        ? null
        : {
            certificates: listener.tls.certificates.map((files, index) =>
              compileCertificate(files, [...path, "tls", "certificates", index], input),
            ),
          },
    hostnames: lowerCase(listener.hostnames),
    trustedProxies: listener.trustedProxies,
    limits: {
      maxHeaderBytes: bytes(listener.limits.maxHeaderBytes),
      maxBodyBytes: bytes(listener.limits.maxBodyBytes),
      minBodyBytesPerSecond: bytes(listener.limits.minBodyBytesPerSecond),
      maxConnections: listener.limits.maxConnections,
      maxConnectionsPerAddress: listener.limits.maxConnectionsPerAddress,
    },
    timeouts: {
      requestMs: milliseconds(listener.timeouts.request),
      streamIdleMs: milliseconds(listener.timeouts.streamIdle),
      connectionAgeMs: milliseconds(listener.timeouts.connectionAge),
    },
    webSocket: compileWebSocket(listener.webSocket),
    hardening: { ...listener.hardening },
    wire: isWireProtocol(listener.protocol) ? compileWire(listener, path, input) : null,
  };
}

function compileWire(listener: CompleteListener, path: DocumentPath, { materials }: CompileInput): WireSpec {
  const { tls, proxyProtocol, limits, timeouts, http2 } = withWireDefaults(listener);
  const { minVersion, handshake, maxHandshakes } = wireTlsSettings(listener);
  const caPem = materials.text([...path, "tls", "clientAuth", "ca"]);
  return {
    tls:
      tls === undefined
        ? null
        : {
            minVersion: `TLSv${minVersion}`,
            handshakeMs: milliseconds(handshake),
            maxHandshakes,
            pems: tls.certificates.map((_, index) => certificatePem([...path, "tls", "certificates", index], materials)),
            clientAuth: tls.clientAuth === undefined ? null : { isRequired: tls.clientAuth.mode === "require", caPem },
          },
    proxyProtocol,
    requestHeaderMs: milliseconds(timeouts.requestHeader),
    keepAliveMs: milliseconds(timeouts.keepAlive),
    maxHeaderFields: limits.maxHeaderFields,
    http2: {
      maxConcurrentStreams: http2.maxConcurrentStreams,
      streamWindowBytes: bytes(http2.streamWindow),
      connectionWindowBytes: bytes(http2.connectionWindow),
      maxStreamWindowBytes: bytes(http2.maxStreamWindow),
      pingMs: milliseconds(http2.ping),
    },
  };
}

function certificatePem(path: DocumentPath, materials: Materials): { cert: string; key: string } {
  const loaded = materials.certificate(path);
  return { cert: loaded?.certPem ?? "", key: loaded?.keyPem ?? "" };
}

function compileWebSocket(webSocket: CompleteListener["webSocket"]): WebSocketSpec {
  return {
    maxMessageBytes: bytes(webSocket.maxMessageBytes),
    maxQueueBytes: bytes(webSocket.maxQueueBytes),
    idleMs: milliseconds(webSocket.idleTimeout),
    maxAgeMs: milliseconds(webSocket.maxAge),
    isCompressed: webSocket.compression,
  };
}

function compileCertificate(files: { cert: string; key: string }, path: DocumentPath, input: CompileInput) {
  const loaded = input.materials.certificate(path);
  return {
    certPath: absolutePath(files.cert, [...path, "cert"], input),
    keyPath: absolutePath(files.key, [...path, "key"], input),
    names: loaded?.names ?? [],
    notAfterMs: loaded?.notAfterMs ?? 0,
    fingerprint: loaded?.fingerprint ?? "",
  };
}

function compileRoute(route: CompleteRoute): RouteSpec {
  return {
    name: route.name,
    listeners: route.listeners,
    hostnames: lowerCase(route.hostnames),
    match: route.match.map(compileMatch),
    filters: route.filters.map((entry) => filterOf(entry) as { type: string; config: unknown }),
    backends: route.backends.map(
      (backend): BackendSpec => ({ service: backend.service, subset: compileSubset(backend), weight: backend.weight }),
    ),
    timeouts: { requestMs: milliseconds(route.timeouts.request), backendRequestMs: milliseconds(route.timeouts.backendRequest) },
    retry: compileRetry(route.retry),
  };
}

function compileRetry({ on, maxReplayBytes, ...rest }: CompleteRoute["retry"]): RetrySpec {
  const words = on.map(String);
  const statuses = new Set(words.map(Number).filter((status) => !Number.isNaN(status)));
  return {
    ...rest,
    on: {
      connectFailure: words.includes("connect-failure"),
      reset: words.includes("reset"),
      timeout: words.includes("timeout"),
      malformed: words.includes("malformed"),
      statuses: [...statuses].sort((a, b) => a - b),
    },
    maxReplayBytes: bytes(maxReplayBytes),
  };
}

function compileMatch(match: CompleteRoute["match"][number]): MatchSpec {
  const { type, value } = match.path;
  return {
    path: { type, value: type === "PathPrefix" ? value.replace(/(?<=[^/])\/+$|(?<=^\/)\/+$/, "") : value },
    methods: match.methods,
    headers: match.headers.map(({ name, value: wanted }) => ({ name: name.toLowerCase(), value: toByteString(wanted) })),
    query: match.queryParams.map(({ name, value: wanted }) => ({ name, value: wanted })),
  };
}

/** Header values of requests are byte strings: one character per byte of what the client sent. */
function toByteString(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

function compileService(service: Service, path: DocumentPath, { materials, tree }: CompileInput): ServiceSpec {
  const tls = {
    serverName: service.tls?.serverName?.toLowerCase() ?? certificateNameOf(service.endpoints),
    caPem: materials.text([...path, "tls", "ca"]),
    isVerified: service.tls?.insecureSkipVerify !== true,
    alpn: service.protocol === "h2" ? ONLY_HTTP2 : (service.tls?.alpn ?? ANY_HTTP),
  };
  return {
    name: service.name,
    endpoints: compileEndpoints(service, [...path, "endpoints"], { materials, tree }),
    protocol: service.protocol,
    tls: service.protocol === "https" || service.protocol === "h2" ? tls : null,
    http2: compileServiceHttp2(service.http2 ?? SERVICE_HTTP2_DEFAULTS),
    balance: compileBalance(service.balance),
    connectTimeoutMs: milliseconds(service.timeouts.connect),
    keepAliveMs: milliseconds(service.timeouts.keepAlive),
    connectionAgeMs: milliseconds(service.timeouts.connectionAge),
    maxConnections: service.circuit.maxConnections,
    maxPendingRequests: service.circuit.maxPendingRequests,
    maxSlowClientPercent: service.circuit.maxSlowClientPercent,
    maxWebSockets: service.circuit.maxWebSockets,
    warmConnections: service.warm.connections,
    maxRequests: service.circuit.maxRequests,
    breakers: { endpoint: compileBreaker(service.circuit.breakers.endpoint), service: compileBreaker(service.circuit.breakers.service) },
    outlier: compileOutlier(service.outlier),
    health: compileHealth(service.health),
  };
}

const ONLY_HTTP2 = ["h2"] as const;
const ANY_HTTP = ["h2", "http/1.1"] as const;

function compileServiceHttp2({
  maxConcurrentStreams,
  maxStreamWindow,
  ping,
  streamWindow,
}: typeof SERVICE_HTTP2_DEFAULTS): UpstreamHttp2Spec {
  const windows = { streamWindowBytes: bytes(streamWindow), maxStreamWindowBytes: bytes(maxStreamWindow) };
  return { maxConcurrentStreams, ...windows, pingMs: milliseconds(ping) };
}

function compileProvider(provider: CompleteProvider, path: DocumentPath, input: CompileInput): JwtProviderSpec {
  return {
    name: provider.name,
    issuer: provider.issuer,
    audiences: provider.audiences,
    algorithms: provider.algorithms,
    clockSkewMs: milliseconds(provider.clockSkew),
    keys: compileKeys(provider.jwks, [...path, "jwks"], input),
  };
}

function compileKeys(jwks: CompleteProvider["jwks"], path: DocumentPath, { materials }: CompileInput): JwksSourceSpec {
  if (jwks.uri === undefined) return { type: "fixed", jwks: { keys: materials.keys(path) } };
  return {
    type: "uri",
    uri: jwks.uri,
    refreshMs: milliseconds(jwks.refresh),
    cooldownMs: milliseconds(jwks.cooldown),
    timeoutMs: milliseconds(jwks.timeout),
    caPem: materials.text([...path, "ca"]),
  };
}

function compileRegistry({ document: { registry }, materials }: CompileInput): RegistrySpec | null {
  if (registry === undefined) return null;
  const { bind, redis, tokens, grace, drain, retention } = registry;
  return {
    redis: redis === undefined ? null : compileRedis(redis, ["registry", "redis"], materials),
    bind: address(bind),
    tokens: tokens.map(({ name, services }, index) => ({ name, services, token: materials.text(["registry", "tokens", index, "token"]) })),
    graceMs: milliseconds(grace),
    drainMs: milliseconds(drain),
    retentionMs: milliseconds(retention),
  };
}

function compileSupervision({ stallTimeout, maxWorkerMemory, maxCrashes, crashWindow }: CompleteDocument["supervision"]): SupervisionSpec {
  return {
    stallTimeoutMs: milliseconds(stallTimeout),
    maxWorkerMemoryBytes: bytes(maxWorkerMemory),
    maxCrashes,
    crashWindowMs: milliseconds(crashWindow),
  };
}

function compileTelemetry(input: CompileInput): TelemetrySpec {
  const { path, sample } = input.document.telemetry.accessLog;
  const isStream = path === "stdout" || path === "stderr" || path === "off";
  return { accessLog: { path: isStream ? path : absolutePath(path, ["telemetry", "accessLog", "path"], input), sample } };
}
