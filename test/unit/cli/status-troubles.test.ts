import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointView, ServiceView, SourceView } from "../../../src/admin/views.js";
import { findTroubles, troubleRows } from "../../../src/cli/status-troubles.js";

const ENDPOINT: EndpointView = {
  address: "10.0.0.1:80",
  weight: 1,
  zone: "",
  priority: 0,
  labels: {},
  state: "healthy",
  reasons: [],
  override: null,
  inFlight: 0,
  circuit: "closed",
  ejectedBy: 0,
  ejectedForMs: 0,
  workers: 1,
  checks: [],
};

function service(changes: Partial<ServiceView>, ...endpoints: Partial<EndpointView>[]): ServiceView {
  const base = { name: "app", protocol: "http1", algorithm: "ewma", healthCheck: null, reasons: [], isPanicking: false } as const;
  return { ...base, circuit: "closed", endpoints: endpoints.map((endpoint) => ({ ...ENDPOINT, ...endpoint })), ...changes };
}

const SOURCE: SourceView = {
  service: "orders",
  type: "dns",
  source: "dns A orders.internal 80",
  status: "ready",
  endpoints: 2,
  version: 1,
  ageSeconds: 90,
  confirmedAt: null,
  changedAt: null,
  nextTryAt: null,
  failures: 0,
  lastError: "",
  note: "",
};

const plain = (_: unknown, text: string): string => text;
const linesOf = (services: readonly ServiceView[], sources: readonly SourceView[] = []): string[] =>
  troubleRows(findTroubles(services, sources), plain).map((row) => row.join(" ").trim());

test("nothing is said of what is well", () => {
  assert.deepEqual(linesOf([service({}, {}, { state: "unhealthy" })], [SOURCE]), []);
});

test("each trouble has its words", () => {
  const said = (changes: Partial<ServiceView>, ...endpoints: Partial<EndpointView>[]) => linesOf([service(changes, ...endpoints)])[0];
  assert.equal(said({}), "service app: no endpoints");
  assert.equal(said({}, { state: "unhealthy" }, { state: "ejected" }), "service app: none of 2 endpoints is healthy");
  assert.equal(said({ isPanicking: true }, {}, { state: "unhealthy" }), "service app: panicking: all of them are asked");
  assert.equal(said({ circuit: "open", reasons: ["circuit open, 80 % failed"] }, {}), "service app: circuit open, 80 % failed");
  assert.equal(said({ circuit: "halfOpen" }, {}), "service app: circuit half open");
  assert.equal(said({}, {}, { circuit: "open", state: "ejected" }), "service app: 1 endpoint with an open circuit");
  const override = {
    service: "app",
    address: "a",
    weight: null,
    isDraining: true,
    note: "",
    author: "",
    setAt: "",
    weightUntil: null,
    drainingUntil: null,
    isPresent: true,
  };
  assert.equal(said({}, {}, { state: "draining", override }), "service app: 1 drained");
});

test("sources that wait or are stale say why and how old they are", () => {
  const stale = { ...SOURCE, status: "stale", lastError: "SERVFAIL" } as const;
  const waiting = { ...SOURCE, status: "waiting", ageSeconds: null, lastError: "no answer" } as const;
  assert.deepEqual(linesOf([], [stale, waiting]), [
    "source orders: stale, endpoints are 1m 30s old (dns A orders.internal 80): SERVFAIL",
    "source orders: waiting (dns A orders.internal 80): no answer",
  ]);
});

test("a long list is cut", () => {
  const lines = linesOf(Array.from({ length: 30 }, () => service({})));
  assert.equal(lines.length, 21);
  assert.equal(lines[20], "and 10 more: windrose status --json");
});
