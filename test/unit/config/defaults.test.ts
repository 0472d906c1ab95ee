/** Every default value that a user may rely on, as the snapshot shows it. */
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { accept, BACKENDS, MINIMAL, withRoute } from "./fixtures.js";

function listenerOf(direction: string) {
  const text = `listeners: [{ name: a, bind: "127.0.0.1:1", protocol: http, direction: ${direction} }]`;
  const [listener] = accept(text).snapshot.listeners;
  assert.ok(listener !== undefined);
  return listener;
}

test("a listener without direction is ingress, hardened and limited", () => {
  const [listener] = accept(MINIMAL).snapshot.listeners;
  assert.deepEqual(listener, {
    name: "public",
    direction: "ingress",
    protocol: "http",
    bind: { host: "127.0.0.1", port: 8080 },
    tls: null,
    hostnames: [],
    trustedProxies: [],
    limits: {
      maxHeaderBytes: 16_384,
      maxBodyBytes: 10_485_760,
      minBodyBytesPerSecond: 240,
      maxConnections: 10_000,
      maxConnectionsPerAddress: 0,
    },
    timeouts: { requestMs: 60_000, streamIdleMs: 300_000, connectionAgeMs: 0 },
    webSocket: { maxMessageBytes: 1_048_576, maxQueueBytes: 1_048_576, idleMs: 120_000, maxAgeMs: 0, isCompressed: false },
    hardening: { normalisePath: true, refuseEncodedSlashes: true, refuseUnderscoreHeaders: true, dropForwardedHeaders: true },
    wire: null,
  });
});

test("a listener on our own codecs takes larger heads and has timeouts and limits of its own", () => {
  const [listener] = accept('listeners: [{ name: a, bind: "127.0.0.1:1", protocol: h2c }]').snapshot.listeners;
  assert.equal(listener?.limits.maxHeaderBytes, 61_440);
  assert.deepEqual(listener?.wire, {
    tls: null,
    proxyProtocol: "off",
    requestHeaderMs: 10_000,
    keepAliveMs: 75_000,
    maxHeaderFields: 98,
    http2: {
      maxConcurrentStreams: 100,
      streamWindowBytes: 65_536,
      connectionWindowBytes: 1_048_576,
      maxStreamWindowBytes: 2_097_152,
      pingMs: 30_000,
    },
  });
});

test("inside, nothing is hardened and bodies are unlimited", () => {
  for (const direction of ["egress", "inbound", "outbound"]) {
    const listener = listenerOf(direction);
    assert.equal(listener.limits.maxBodyBytes, 0, direction);
    const off = { normalisePath: false, refuseEncodedSlashes: false, refuseUnderscoreHeaders: false, dropForwardedHeaders: false };
    assert.deepEqual(listener.hardening, off, direction);
  }
});

test("one hardening rule can be switched without touching the others", () => {
  const text = 'listeners: [{ name: a, bind: "127.0.0.1:1", protocol: http, hardening: { refuseUnderscoreHeaders: false } }]';
  const hardening = accept(text).snapshot.listeners[0]?.hardening;
  assert.deepEqual(hardening, {
    normalisePath: true,
    refuseEncodedSlashes: true,
    refuseUnderscoreHeaders: false,
    dropForwardedHeaders: true,
  });
});

test("a route matches everything on all ingress listeners, for 15 s, with one retry", () => {
  const [route] = accept(withRoute(BACKENDS)).snapshot.routes;
  assert.deepEqual(route, {
    name: "first",
    listeners: ["public"],
    hostnames: [],
    match: [{ path: { type: "PathPrefix", value: "/" }, methods: [], headers: [], query: [] }],
    filters: [],
    backends: [{ service: "orders", subset: null, weight: 1 }],
    timeouts: { requestMs: 15_000, backendRequestMs: 0 },
    retry: {
      attempts: 1,
      on: { connectFailure: true, reset: false, timeout: false, malformed: false, statuses: [] },
      maxReplayBytes: 65_536,
      budgetPercent: 20,
      budgetMinPerSecond: 10,
    },
  });
});

test("retry conditions are words and statuses, as text or number; statuses are sorted and count once", () => {
  const retryOf = (retry: string) => accept(withRoute(`${BACKENDS}    retry: ${retry}\n`)).snapshot.routes[0]?.retry;
  assert.deepEqual(retryOf('{ attempts: 2, on: [reset, "504", 503, timeout, "503"], maxReplayBytes: 1MiB, budgetPercent: 5 }'), {
    attempts: 2,
    on: { connectFailure: false, reset: true, timeout: true, malformed: false, statuses: [503, 504] },
    maxReplayBytes: 1024 * 1024,
    budgetPercent: 5,
    budgetMinPerSecond: 10,
  });
  assert.deepEqual(retryOf("{ on: [] }")?.on, { connectFailure: false, reset: false, timeout: false, malformed: false, statuses: [] });
});

test("a service is plain HTTP/1.1, round robin, with 1,024 connections per endpoint", () => {
  const [service] = accept(withRoute(BACKENDS)).snapshot.services;
  assert.deepEqual(service, {
    name: "orders",
    endpoints: { type: "static", endpoints: [{ host: "127.0.0.1", port: 9101, weight: 1, zone: "", priority: 0, labels: {} }] },
    protocol: "http1",
    tls: null,
    http2: { maxConcurrentStreams: 100, streamWindowBytes: 262_144, maxStreamWindowBytes: 262_144, pingMs: 15_000 },
    balance: {
      algorithm: "roundRobin",
      hashOn: null,
      maxLoadPercent: 0,
      prefersLocalZone: true,
      slowStartMs: 0,
      panicThresholdPercent: 50,
      retryAfter: { on: [503], maxMs: 30_000 },
    },
    connectTimeoutMs: 5_000,
    keepAliveMs: 60_000,
    connectionAgeMs: 3_600_000,
    maxConnections: 1024,
    maxPendingRequests: 1024,
    maxSlowClientPercent: 75,
    maxWebSockets: 10_000,
    warmConnections: 0,
    maxRequests: 0,
    breakers: { endpoint: null, service: null },
    outlier: null,
    health: null,
  });
});

test("outlier ejection has Envoy's numbers: 5 failures, 10 s, 30 s up to 300 s, 10 %", () => {
  const rest = "outlier: { successRate: {} }, circuit: { breakers: { endpoint: {} } }, health: {}";
  const text = `${MINIMAL}services: [{ name: a, endpoints: { static: [{ address: "a.example:80" }] }, ${rest} }]`;
  const [service] = accept(text).snapshot.services;
  assert.deepEqual(service?.outlier, {
    consecutive5xx: 5,
    consecutiveGatewayErrors: 0,
    successRate: { minimumHosts: 5, requestVolume: 100, stdevFactor: 1.9 },
    intervalMs: 10_000,
    baseEjectionMs: 30_000,
    maxEjectionMs: 300_000,
    maxEjectionPercent: 10,
  });
  assert.deepEqual(service?.breakers, {
    endpoint: { failurePercent: 50, minimumRequests: 20, windowMs: 10_000, openMs: 10_000, halfOpenRequests: 3 },
    service: null,
  });
  assert.deepEqual(service?.health, {
    probe: {
      type: "http",
      method: "GET",
      path: "/",
      host: "",
      statuses: [
        { from: 200, to: 299 },
        { from: 300, to: 399 },
      ],
      port: 0,
    },
    intervalMs: 5_000,
    timeoutMs: 2_000,
    unhealthyAfter: 3,
    healthyAfter: 1,
  });
});

test("a service over TLS verifies against the system's roots and the endpoint's name", () => {
  const text = `${MINIMAL}services: [{ name: a, protocol: https, endpoints: { static: [{ address: "a.example:443" }] } }]`;
  assert.deepEqual(accept(text).snapshot.services[0]?.tls, {
    serverName: "",
    caPem: "",
    isVerified: true,
    alpn: ["h2", "http/1.1"],
  });
});

test("a JWT provider takes every asymmetric algorithm and no other", () => {
  const [provider] = accept(withRoute(BACKENDS)).snapshot.jwtProviders;
  assert.deepEqual(provider, {
    name: "dev",
    issuer: "https://dev.local",
    audiences: [],
    algorithms: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"],
    clockSkewMs: 60_000,
    keys: { type: "uri", uri: "https://dev.local/jwks", refreshMs: 600_000, cooldownMs: 30_000, timeoutMs: 5_000, caPem: "" },
  });
});

test("everything around has defaults too", () => {
  const { limits, telemetry, admin, workers, drain, zone } = accept(MINIMAL).snapshot;
  assert.equal(zone, "");
  assert.deepEqual(limits, { store: "memory", maxKeys: 100_000 });
  assert.deepEqual(telemetry, { accessLog: { path: "stdout", sample: 1 } });
  assert.deepEqual(admin, { bind: { host: "127.0.0.1", port: 9901 }, tokens: [], socketPath: "" });
  assert.equal(workers, availableParallelism());
  assert.deepEqual(drain, { timeoutMs: 30_000 });
});
