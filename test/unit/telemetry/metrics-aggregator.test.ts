import assert from "node:assert/strict";
import { test } from "node:test";
import { Histogram, Registry } from "prom-client";
import { formatMetric } from "../../../src/telemetry/exposition.js";
import { DURATION_BOUNDS } from "../../../src/telemetry/histogram.js";
import { type MetricJson, WORKER_START_METRIC } from "../../../src/telemetry/metric-json.js";
import { createMetricsAggregator } from "../../../src/telemetry/metrics-aggregator.js";
import { createWorkerMetrics } from "../../../src/telemetry/worker-metrics.js";
import { exchangeRecord } from "./exchange-record.js";

function report(startedAt: number, requests: number, active = 0): MetricJson[] {
  const base = { help: "Help.", bounds: [], labelNames: ["route"] };
  return [
    { ...base, name: "x_total", type: "counter", rows: [[["a"], [requests]]] },
    { ...base, name: "x_active", type: "gauge", rows: [[["a"], [active]]] },
    { ...base, name: "x_seconds", type: "histogram", bounds: [1], rows: [[["a"], [requests, 0, requests / 2]]] },
    { ...base, name: WORKER_START_METRIC, type: "gauge", rows: [[["1"], [startedAt]]] },
  ];
}

function valueIn(text: string, series: string): number | undefined {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

test("workers are summed, buckets and gauges too", async () => {
  const aggregator = createMetricsAggregator();
  aggregator.update(1, report(10, 4, 1));
  aggregator.update(2, report(11, 6, 2));
  const text = await aggregator.text();
  assert.equal(valueIn(text, 'x_total{route="a"}'), 10);
  assert.equal(valueIn(text, 'x_active{route="a"}'), 3);
  assert.equal(valueIn(text, 'x_seconds_bucket{route="a",le="1"}'), 10);
  assert.equal(valueIn(text, 'x_seconds_sum{route="a"}'), 5);
  assert.equal(valueIn(text, 'x_seconds_count{route="a"}'), 10);
});

test("a report replaces the worker's last one", async () => {
  const aggregator = createMetricsAggregator();
  aggregator.update(1, report(10, 4));
  aggregator.update(1, report(10, 7));
  assert.equal(valueIn(await aggregator.text(), 'x_total{route="a"}'), 7);
});

test("the counters of a worker that ended stay, its gauges go", async () => {
  const aggregator = createMetricsAggregator();
  aggregator.update(1, report(10, 4, 3));
  aggregator.retire(1);
  aggregator.retire(1);
  aggregator.update(1, report(20, 1, 1));
  const text = await aggregator.text();
  assert.equal(valueIn(text, 'x_total{route="a"}'), 5);
  assert.equal(valueIn(text, 'x_active{route="a"}'), 1);
});

test("a late report of a worker that ended is not counted again", async () => {
  const aggregator = createMetricsAggregator();
  aggregator.update(1, report(10, 4));
  aggregator.retire(1);
  aggregator.update(1, report(10, 4));
  assert.equal(valueIn(await aggregator.text(), 'x_total{route="a"}'), 4);
});

test("a successor under the same id adds to what the predecessor had, even without being told that it ended", async () => {
  const aggregator = createMetricsAggregator();
  aggregator.update(1, report(10, 4));
  aggregator.update(1, report(20, 2));
  assert.equal(valueIn(await aggregator.text(), 'x_total{route="a"}'), 6);
});

test("the primary reports itself: workers, restarts, snapshot and process", async () => {
  const aggregator = createMetricsAggregator({ version: "1.2.3" });
  aggregator.update(1, report(10, 4));
  aggregator.recordWorkerRestart();
  aggregator.recordSnapshot("abc");
  aggregator.recordSnapshot("def");
  aggregator.recordRejectedSnapshot();
  const text = await aggregator.text();
  assert.equal(valueIn(text, "windrose_workers"), 1);
  assert.equal(valueIn(text, "windrose_worker_restarts_total"), 1);
  assert.equal(valueIn(text, "windrose_snapshots_rejected_total"), 1);
  assert.equal(valueIn(text, 'windrose_build_info{version="1.2.3"}'), 1);
  assert.equal(valueIn(text, 'windrose_snapshot_info{windrose_snapshot_version="def"}'), 1);
  assert.equal(valueIn(text, 'windrose_snapshot_info{windrose_snapshot_version="abc"}'), undefined);
  assert.ok((valueIn(text, "windrose_uptime_seconds") ?? 0) > 0);
  assert.match(text, /^process_cpu_seconds_total /m);
});

test("every line is well formed, no name is announced twice, the text ends with a line feed", async () => {
  const worker = createWorkerMetrics(1);
  worker.observer.onAccept("public");
  worker.observer.onComplete(exchangeRecord({ routeName: 'a"b\\c\nd' }));
  const aggregator = createMetricsAggregator();
  aggregator.update(1, worker.snapshot());
  const text = await aggregator.text();
  const line = /^(# (HELP|TYPE) \S+ .+|[a-zA-Z_:][\w:]*(\{([a-z_]\w*="(\\[\\n"]|[^"\\])*",?)*\})? (-?[\d.e+-]+|Na[Nn]|[+-]Inf)|)$/;
  for (const candidate of text.split("\n")) assert.match(candidate, line);
  const announced = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
  assert.equal(new Set(announced).size, announced.length);
  assert.ok(text.endsWith("\n"));
  assert.ok(text.includes('windrose_route="a\\"b\\\\c\\nd"'));
});

test("a histogram is written as prom-client writes it", async () => {
  const worker = createWorkerMetrics(1);
  const registry = new Registry();
  const labelNames = ["windrose_listener", "windrose_route", "windrose_service", "http_request_method", "http_response_status_code"];
  const name = "http_server_request_duration_seconds";
  const oracle = new Histogram({
    name,
    help: "From accept to completion of an exchange.",
    labelNames,
    buckets: [...DURATION_BOUNDS],
    registers: [registry],
  });
  for (const durationMs of [0, 1, 1.5, 4, 250, 9999, 20_000]) {
    worker.observer.onComplete(exchangeRecord({ startedAt: 0, completedAt: durationMs }));
    const [listener, route, service] = ["public", "orders", "orders-service"];
    oracle.observe(
      {
        windrose_listener: listener,
        windrose_route: route,
        windrose_service: service,
        http_request_method: "GET",
        http_response_status_code: "200",
      },
      durationMs / 1000,
    );
  }
  const ours = worker.snapshot().find((metric) => metric.name === name) as MetricJson;
  const normalise = (text: string) => text.replace(/\{([^}]*)\}/g, (_, labels: string) => `{${labels.split(",").sort().join(",")}}`).trim();
  assert.equal(normalise(formatMetric(ours)), normalise(await registry.metrics()));
});
