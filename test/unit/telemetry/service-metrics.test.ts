import assert from "node:assert/strict";
import { test } from "node:test";
import { readingOf } from "../../../src/control/endpoint-reports.js";
import { AttemptResult, type Endpoint } from "../../../src/engine/model/endpoint.js";
import type { BreakerSpec, OutlierSpec } from "../../../src/engine/model/snapshot.js";
import { createRetryBudget, tryRetry } from "../../../src/engine/resilience/retry-budget.js";
import { ServiceGuard } from "../../../src/engine/resilience/service-guard.js";
import { endpointMetrics } from "../../../src/telemetry/endpoint-metrics.js";
import { formatMetric } from "../../../src/telemetry/exposition.js";
import { serviceMetrics } from "../../../src/telemetry/service-metrics.js";
import { BALANCE, endpointsOf, serviceSpec } from "../engine/balancing/endpoints.js";

const OUTLIER: OutlierSpec = {
  consecutive5xx: 2,
  consecutiveGatewayErrors: 0,
  successRate: null,
  intervalMs: 10_000,
  baseEjectionMs: 600_000,
  maxEjectionMs: 600_000,
  maxEjectionPercent: 100,
};
const BREAKER: BreakerSpec = { failurePercent: 50, minimumRequests: 2, windowMs: 10_000, openMs: 600_000, halfOpenRequests: 1 };

function runtime(count: number) {
  const endpoints = endpointsOf(Array.from({ length: count }, () => 1));
  const spec = { ...serviceSpec([]), name: "app", balance: BALANCE, outlier: OUTLIER, breakers: { endpoint: BREAKER, service: BREAKER } };
  const guard = new ServiceGuard(spec);
  const set = endpoints[0]!.set;
  return { endpoints, guard, service: { spec, endpoints: set, guard, hashKey: null, feedback: guard, retryBudget: createRetryBudget() } };
}

function fail(guard: ServiceGuard, endpoint: Endpoint, times: number): void {
  const result = Object.assign(new AttemptResult(), { endpoint, status: 500, now: performance.now() });
  for (let i = 0; i < times; i++) guard.note(result);
}

const linesOf = (text: string): string[] => text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

test("what a guard does is told by service, never by address", () => {
  const { endpoints, guard, service } = runtime(3);
  for (const endpoint of endpoints.slice(0, 2)) fail(guard, endpoint, 2);
  assert.equal(tryRetry(service.retryBudget, 0, { budgetPercent: 0, budgetMinPerSecond: 0 }), false);
  const text = serviceMetrics([readingOf(service)])
    .map(formatMetric)
    .join("");
  assert.deepEqual(linesOf(text), [
    'windrose_upstream_panicking_workers{windrose_service="app"} 1',
    'windrose_upstream_refused_retries_total{windrose_service="app"} 1',
    'windrose_upstream_ejected_endpoints{windrose_service="app"} 2',
    'windrose_upstream_ejections_total{windrose_service="app",windrose_reason="consecutive_5xx"} 2',
    'windrose_upstream_ejections_total{windrose_service="app",windrose_reason="consecutive_gateway_errors"} 0',
    'windrose_upstream_ejections_total{windrose_service="app",windrose_reason="success_rate"} 0',
    'windrose_upstream_circuits{windrose_service="app",windrose_scope="endpoint",windrose_state="closed"} 1',
    'windrose_upstream_circuits{windrose_service="app",windrose_scope="endpoint",windrose_state="open"} 2',
    'windrose_upstream_circuits{windrose_service="app",windrose_scope="endpoint",windrose_state="half_open"} 0',
    'windrose_upstream_circuits{windrose_service="app",windrose_scope="service",windrose_state="closed"} 0',
    'windrose_upstream_circuits{windrose_service="app",windrose_scope="service",windrose_state="open"} 1',
    'windrose_upstream_circuits{windrose_service="app",windrose_scope="service",windrose_state="half_open"} 0',
    'windrose_upstream_circuit_transitions_total{windrose_service="app",windrose_scope="endpoint",windrose_state="closed"} 0',
    'windrose_upstream_circuit_transitions_total{windrose_service="app",windrose_scope="endpoint",windrose_state="open"} 2',
    'windrose_upstream_circuit_transitions_total{windrose_service="app",windrose_scope="endpoint",windrose_state="half_open"} 0',
    'windrose_upstream_circuit_transitions_total{windrose_service="app",windrose_scope="service",windrose_state="closed"} 0',
    'windrose_upstream_circuit_transitions_total{windrose_service="app",windrose_scope="service",windrose_state="open"} 1',
    'windrose_upstream_circuit_transitions_total{windrose_service="app",windrose_scope="service",windrose_state="half_open"} 0',
  ]);
});

test("a service without a guard has no rows of one", () => {
  const { service } = runtime(2);
  const metrics = serviceMetrics([readingOf({ ...service, guard: null })]);
  assert.deepEqual(
    metrics.map(({ name, rows }) => [name, rows.length]),
    [
      ["windrose_upstream_panicking_workers", 1],
      ["windrose_upstream_refused_retries_total", 1],
      ["windrose_upstream_ejected_endpoints", 0],
      ["windrose_upstream_ejections_total", 0],
      ["windrose_upstream_circuits", 0],
      ["windrose_upstream_circuit_transitions_total", 0],
    ],
  );
});

test("a thousand endpoints make no more rows than one, and are read in a few milliseconds", () => {
  const { endpoints, guard, service } = runtime(1_000);
  for (const endpoint of endpoints) fail(guard, endpoint, 1);
  const rowsOf = (reading: ReturnType<typeof readingOf>): number =>
    serviceMetrics([reading]).reduce((sum, { rows }) => sum + rows.length, 0);
  assert.equal(rowsOf(readingOf(service)), rowsOf(readingOf(runtime(1).service)));
  for (let i = 0; i < 20; i++) serviceMetrics([readingOf(service)]);
  const startedAt = performance.now();
  for (let i = 0; i < 20; i++) serviceMetrics([readingOf(service)]);
  const eachMs = (performance.now() - startedAt) / 20;
  assert.ok(eachMs < 20, `${eachMs} ms`);
});

test("what the primary knows is told by service and state", () => {
  const reading = { service: "app", healthy: 3, unhealthy: 2, draining: 1, overrides: { draining: 1, weight: 2 } };
  const plain = { ...reading, service: "plain", checks: null };
  const text = endpointMetrics([{ ...reading, checks: { passed: 9, failed: 4, healthy: 1, unhealthy: 3 } }, plain])
    .map(formatMetric)
    .join("");
  assert.deepEqual(
    linesOf(text).filter((line) => line.includes('"app"')),
    [
      'windrose_upstream_endpoints{windrose_service="app",windrose_state="healthy"} 3',
      'windrose_upstream_endpoints{windrose_service="app",windrose_state="unhealthy"} 2',
      'windrose_upstream_endpoints{windrose_service="app",windrose_state="draining"} 1',
      'windrose_endpoint_overrides{windrose_service="app",windrose_kind="draining"} 1',
      'windrose_endpoint_overrides{windrose_service="app",windrose_kind="weight"} 2',
      'windrose_health_checks_total{windrose_service="app",windrose_result="passed"} 9',
      'windrose_health_checks_total{windrose_service="app",windrose_result="failed"} 4',
      'windrose_health_transitions_total{windrose_service="app",windrose_state="healthy"} 1',
      'windrose_health_transitions_total{windrose_service="app",windrose_state="unhealthy"} 3',
    ],
  );
  assert.equal(linesOf(text).filter((line) => line.includes('"plain"')).length, 5);
});
