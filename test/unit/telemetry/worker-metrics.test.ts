import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ErrorCode } from "../../../src/engine/model/errors.js";
import type { MetricJson } from "../../../src/telemetry/metric-json.js";
import { createWorkerMetrics } from "../../../src/telemetry/worker-metrics.js";
import { exchangeRecord } from "./exchange-record.js";

function rows(metrics: readonly MetricJson[], name: string): Record<string, number> {
  const metric = metrics.find((candidate) => candidate.name === name);
  assert.ok(metric, `${name} is missing`);
  return Object.fromEntries(metric.rows.map(([labels, numbers]) => [labels.join(" "), numbers[0] as number]));
}

function totalRequests(metrics: readonly MetricJson[]): number {
  return Object.values(rows(metrics, "windrose_requests_total")).reduce((sum, value) => sum + value, 0);
}

test("an exchange is counted under its listener, route, service, method and status", () => {
  const metrics = createWorkerMetrics(1);
  metrics.observer.onComplete(exchangeRecord());
  metrics.observer.onComplete(exchangeRecord());
  metrics.observer.onComplete(exchangeRecord({ method: "POST", status: 503 }));
  assert.deepEqual(rows(metrics.snapshot(), "windrose_requests_total"), {
    "public orders orders-service GET 200": 2,
    "public orders orders-service POST 503": 1,
  });
});

test("a duration falls into its bucket and into the sum, in seconds", () => {
  const metrics = createWorkerMetrics(1);
  metrics.observer.onComplete(exchangeRecord({ startedAt: 0, completedAt: 5 }));
  metrics.observer.onComplete(exchangeRecord({ startedAt: 0, completedAt: 60_000 }));
  const histogram = metrics.snapshot().find((metric) => metric.name === "http_server_request_duration_seconds");
  const numbers = histogram?.rows[0]?.[1] ?? [];
  assert.equal(numbers[histogram?.bounds.indexOf(0.005) ?? -1], 1, "a value on the bound belongs to the bucket");
  assert.equal(numbers[histogram?.bounds.length ?? -1], 1, "beyond the last bound");
  assert.equal(numbers.at(-1), 60.005);
});

test("methods that clients invent share one label", () => {
  const metrics = createWorkerMetrics(1);
  for (const method of ["BREW", "PROPFIND", "get"]) metrics.observer.onComplete(exchangeRecord({ method }));
  assert.deepEqual(rows(metrics.snapshot(), "windrose_requests_total"), { "public orders orders-service _OTHER 200": 3 });
});

test("exchanges under way are those accepted and not completed", () => {
  const metrics = createWorkerMetrics(1);
  metrics.observer.onAccept("public");
  metrics.observer.onAccept("public");
  metrics.observer.onComplete(exchangeRecord());
  assert.deepEqual(rows(metrics.snapshot(), "http_server_active_requests"), { public: 1 });
});

test("attempts, retries and the time to the upstream's head are counted per service", () => {
  const metrics = createWorkerMetrics(1);
  metrics.observer.onComplete(exchangeRecord({ attempts: 3 }));
  metrics.observer.onComplete(exchangeRecord({ attempts: 0, serviceName: "" }));
  metrics.observer.onComplete(
    exchangeRecord({ upstreamHeadAt: 0, status: 504, errorCode: "upstream-timeout", flag: "UT", isLocalReply: true }),
  );
  const snapshot = metrics.snapshot();
  assert.deepEqual(rows(snapshot, "windrose_upstream_attempts_total"), { "orders-service": 4 });
  assert.deepEqual(rows(snapshot, "windrose_upstream_retries_total"), { "orders-service": 2 });
  const heads = snapshot.find((metric) => metric.name === "windrose_upstream_head_duration_seconds")?.rows[0]?.[1] ?? [];
  assert.equal(heads.at(-1), 0.0025);
});

test("local replies are counted by flag, broken exchanges apart from them", () => {
  const metrics = createWorkerMetrics(1);
  metrics.observer.onComplete(exchangeRecord({ isLocalReply: true, errorCode: "rate-limited", flag: "RL", status: 429 }));
  metrics.observer.onComplete(exchangeRecord({ isLocalReply: true, status: 301 }));
  metrics.observer.onComplete(exchangeRecord({ errorCode: "upstream-closed", flag: "UC" }));
  const snapshot = metrics.snapshot();
  assert.deepEqual(rows(snapshot, "windrose_local_replies_total"), {
    "public orders orders-service RL rate-limited": 1,
    "public orders orders-service  ": 1,
  });
  assert.deepEqual(rows(snapshot, "windrose_aborted_exchanges_total"), { "public orders orders-service UC upstream-closed": 1 });
});

test("a client that left before an answer shows as 499", () => {
  const metrics = createWorkerMetrics(1);
  metrics.observer.onComplete(exchangeRecord({ status: 0, errorCode: "downstream-abort", flag: "DC" }));
  assert.deepEqual(rows(metrics.snapshot(), "windrose_requests_total"), { "public orders orders-service GET 499": 1 });
});

test("body bytes and connections are counted", () => {
  const metrics = createWorkerMetrics(1);
  metrics.observer.onComplete(exchangeRecord());
  metrics.observer.onComplete(exchangeRecord());
  metrics.connections.onOpen("public");
  metrics.connections.onOpen("public");
  metrics.connections.onClose("public");
  for (const reason of ["max-connections", "open-files", "open-files"] as const) metrics.connections.onRefuse("public", reason);
  const snapshot = metrics.snapshot();
  assert.deepEqual(rows(snapshot, "windrose_request_bytes_total"), { "public orders orders-service": 20 });
  assert.deepEqual(rows(snapshot, "windrose_response_bytes_total"), { "public orders orders-service": 400 });
  assert.deepEqual(rows(snapshot, "windrose_downstream_connections"), { public: 1 });
  assert.deepEqual(rows(snapshot, "windrose_downstream_connections_total"), { public: 2 });
  assert.deepEqual(rows(snapshot, "windrose_downstream_refused_connections_total"), {
    "public max-connections": 1,
    "public open-files": 2,
  });
});

test("a reading is asked for at every snapshot", () => {
  const metrics = createWorkerMetrics(1);
  let value = 0;
  metrics.addReading({ name: "windrose_x_total", help: "X.", type: "counter", read: () => ++value });
  assert.deepEqual(rows(metrics.snapshot(), "windrose_x_total"), { "": 1 });
  assert.deepEqual(rows(metrics.snapshot(), "windrose_x_total"), { "": 2 });
});

test("a snapshot survives the JSON channel to the primary unchanged", () => {
  const metrics = createWorkerMetrics(1);
  metrics.observer.onComplete(exchangeRecord());
  const snapshot = metrics.snapshot();
  assert.deepEqual(JSON.parse(JSON.stringify(snapshot)), snapshot);
});

test("routes beyond the cap are counted as overflow, the total stays right", () => {
  const metrics = createWorkerMetrics(1, { maxScopes: 10, maxSeries: 100 });
  for (let i = 0; i < 50; i++) metrics.observer.onComplete(exchangeRecord({ routeName: `route-${i}` }));
  const snapshot = metrics.snapshot();
  assert.equal(rows(snapshot, "windrose_requests_total")["_overflow _overflow _overflow GET 200"], 40);
  assert.equal(totalRequests(snapshot), 50);
});

test("a service that invents status codes cannot multiply series without end", () => {
  const metrics = createWorkerMetrics(1, { maxScopes: 10, maxSeries: 5000 });
  for (let status = 100; status < 1000; status++) metrics.observer.onComplete(exchangeRecord({ status }));
  const counts = rows(metrics.snapshot(), "windrose_requests_total");
  assert.ok(Object.keys(counts).length <= 201, `${Object.keys(counts).length} series`);
  assert.equal(counts["public orders orders-service _overflow _overflow"], 700);
});

test("whatever happens, series stay within the caps and no exchange is lost", () => {
  const record = fc.record({
    routeName: fc.integer({ min: 0, max: 40 }).map(String),
    serviceName: fc.integer({ min: 0, max: 5 }).map(String),
    method: fc.constantFrom("GET", "PUT", "WEIRD", "__proto__", ""),
    status: fc.integer({ min: -5, max: 2000 }),
    errorCode: fc.constantFrom<ErrorCode | "">("", "internal", "downstream-abort"),
    isLocalReply: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 300 }), (records) => {
      const metrics = createWorkerMetrics(1, { maxScopes: 20, maxSeries: 30 });
      for (const fields of records) metrics.observer.onComplete(exchangeRecord(fields));
      const snapshot = metrics.snapshot();
      assert.equal(totalRequests(snapshot), records.length);
      assert.ok(Object.keys(rows(snapshot, "windrose_requests_total")).length <= 30 + 201);
      assert.ok(Object.keys(rows(snapshot, "windrose_request_bytes_total")).length <= 21);
    }),
    { numRuns: 60 },
  );
});
