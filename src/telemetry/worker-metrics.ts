/**
 * A worker's metrics: an Observer that counts into plain pre-bound cells, and a snapshot of them for the primary. prom-client
 * hashes the labels of every call, which is too slow for the request path; it serves the primary only.
 * Names follow OpenTelemetry's semantic conventions where they exist, in Prometheus form; the rest begins with `windrose_`.
 */
import { ERRORS } from "../engine/model/errors.js";
import type { ConnectionRefusal, ExchangeRecord, Observer } from "../proxy/ports.js";
import { DURATION_BOUNDS, DurationHistogram } from "./histogram.js";
import { type MetricJson, type MetricRow, type MetricType, OVERFLOW, WORKER_START_METRIC } from "./metric-json.js";
import { RequestCells, type ScopeCells, type SeriesCaps, seriesLabels } from "./request-cells.js";

/** A number read at snapshot time from whoever owns it, e.g. dropped log lines. Counters must never decrease. */
export interface Reading {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  read(): number;
}

/** For listeners, which see connections open and close; exchanges are counted by the observer. */
export interface ConnectionMetrics {
  onOpen(listenerName: string): void;
  onClose(listenerName: string): void;
  onRefuse(listenerName: string, reason: ConnectionRefusal): void;
}

export interface WorkerMetrics {
  readonly observer: Observer;
  readonly connections: ConnectionMetrics;
  addReading(reading: Reading): void;
  /** Further metrics, read with each snapshot. */
  addMetrics(read: () => readonly MetricJson[]): void;
  /** Totals since the worker started; safe to send twice. */
  snapshot(): MetricJson[];
}

interface ListenerCells {
  active: number;
  openConnections: number;
  connections: number;
  readonly refusals: Map<ConnectionRefusal, number>;
}

interface ServiceCells {
  attempts: number;
  retries: number;
  readonly headDuration: DurationHistogram;
}

const DEFAULT_CAPS: SeriesCaps = { maxScopes: 1000, maxSeries: 2000 };
/** Listeners and services come from the configuration; the cap only matters when reloads keep renaming them. */
const MAX_NAMES = 1000;
const SCOPE_LABELS = ["windrose_listener", "windrose_route", "windrose_service"] as const;
const SERIES_LABELS = [...SCOPE_LABELS, "http_request_method", "http_response_status_code"] as const;
const ERROR_LABELS = [...SCOPE_LABELS, "windrose_flag", "error_type"] as const;

export function createWorkerMetrics(workerId: number | string, caps: SeriesCaps = DEFAULT_CAPS): WorkerMetrics {
  const requests = new RequestCells(caps);
  const listeners = new Map<string, ListenerCells>();
  const services = new Map<string, ServiceCells>();
  const readings: Reading[] = [];
  const others: (() => readonly MetricJson[])[] = [];
  const startedAtSeconds = performance.timeOrigin / 1000;

  const observer: Observer = {
    onAccept(listenerName) {
      listenerCells(listeners, listenerName).active++;
    },
    onComplete(record) {
      listenerCells(listeners, record.listenerName).active--;
      requests.count(record);
      if (record.attempts > 0) countAttempts(serviceCells(services, record.serviceName), record);
    },
  };
  const connections: ConnectionMetrics = {
    onOpen(listenerName) {
      const cells = listenerCells(listeners, listenerName);
      cells.openConnections++;
      cells.connections++;
    },
    onClose(listenerName) {
      listenerCells(listeners, listenerName).openConnections--;
    },
    onRefuse(listenerName, reason) {
      const { refusals } = listenerCells(listeners, listenerName);
      refusals.set(reason, (refusals.get(reason) ?? 0) + 1);
    },
  };
  return {
    observer,
    connections,
    addReading: (reading) => void readings.push(reading),
    addMetrics: (read) => void others.push(read),
    snapshot: () => [
      ...requestMetrics(requests.scopes),
      ...listenerMetrics(listeners),
      ...serviceMetrics(services),
      ...processMetrics(String(workerId), startedAtSeconds),
      ...readings.map(({ name, help, type, read }) => metric(type, name, help, [], [[[], [read()]]])),
      ...others.flatMap((read) => read()),
    ],
  };
}

function countAttempts(cells: ServiceCells, record: ExchangeRecord): void {
  cells.attempts += record.attempts;
  cells.retries += record.attempts - 1;
  if (record.upstreamHeadAt > 0) cells.headDuration.observe(Math.max(0, record.upstreamHeadAt - record.attemptStartedAt) / 1000);
}

function listenerCells(listeners: Map<string, ListenerCells>, name: string): ListenerCells {
  return listeners.get(name) ?? addCells(listeners, name, () => ({ active: 0, openConnections: 0, connections: 0, refusals: new Map() }));
}

function serviceCells(services: Map<string, ServiceCells>, name: string): ServiceCells {
  return services.get(name) ?? addCells(services, name, () => ({ attempts: 0, retries: 0, headDuration: new DurationHistogram() }));
}

function addCells<T>(cells: Map<string, T>, name: string, create: () => T): T {
  const key = cells.size < MAX_NAMES ? name : OVERFLOW;
  const known = cells.get(key);
  if (known !== undefined) return known;
  const added = create();
  cells.set(key, added);
  return added;
}

function requestMetrics(scopes: readonly ScopeCells[]): MetricJson[] {
  const counts: MetricRow[] = [];
  const durations: MetricRow[] = [];
  for (const scope of scopes) {
    for (const [key, histogram] of scope.durations) {
      const { method, status } = seriesLabels(key);
      const labels = [scope.listener, scope.route, scope.service, method, status];
      counts.push([labels, [histogram.count]]);
      durations.push([labels, histogram.numbers()]);
    }
  }
  const scopeRows = (read: (scope: ScopeCells) => number) => scopes.map((scope): MetricRow => [scopeLabels(scope), [read(scope)]]);
  return [
    counter("windrose_requests_total", "Finished exchanges.", SERIES_LABELS, counts),
    histogram("http_server_request_duration_seconds", "From accept to completion of an exchange.", SERIES_LABELS, durations),
    counter(
      "windrose_request_bytes_total",
      "Request body bytes received.",
      SCOPE_LABELS,
      scopeRows((scope) => scope.requestBytes),
    ),
    counter(
      "windrose_response_bytes_total",
      "Response body bytes sent.",
      SCOPE_LABELS,
      scopeRows((scope) => scope.responseBytes),
    ),
    counter(
      "windrose_local_replies_total",
      "Responses the gateway made itself.",
      ERROR_LABELS,
      errorRows(scopes, (s) => s.localReplies),
    ),
    counter(
      "windrose_aborted_exchanges_total",
      "Exchanges that ended without a complete response, by either side.",
      ERROR_LABELS,
      errorRows(scopes, (scope) => scope.aborts),
    ),
  ];
}

function errorRows(scopes: readonly ScopeCells[], select: (scope: ScopeCells) => ReadonlyMap<string, number>): MetricRow[] {
  const rows: MetricRow[] = [];
  for (const scope of scopes) {
    for (const [code, count] of select(scope)) rows.push([[...scopeLabels(scope), flagOf(code), code], [count]]);
  }
  return rows;
}

function flagOf(code: string): string {
  return code in ERRORS ? ERRORS[code as keyof typeof ERRORS].flag : "";
}

function scopeLabels(scope: ScopeCells): string[] {
  return [scope.listener, scope.route, scope.service];
}

function listenerMetrics(listeners: ReadonlyMap<string, ListenerCells>): MetricJson[] {
  const labels = ["windrose_listener"];
  const rows = (read: (cells: ListenerCells) => number) => [...listeners].map(([name, cells]): MetricRow => [[name], [read(cells)]]);
  return [
    gauge(
      "http_server_active_requests",
      "Exchanges under way.",
      labels,
      rows((cells) => cells.active),
    ),
    gauge(
      "windrose_downstream_connections",
      "Open downstream connections.",
      labels,
      rows((cells) => cells.openConnections),
    ),
    counter(
      "windrose_downstream_connections_total",
      "Accepted downstream connections.",
      labels,
      rows((cells) => cells.connections),
    ),
    counter(
      "windrose_downstream_refused_connections_total",
      "Downstream connections closed as soon as they were accepted.",
      ["windrose_listener", "windrose_reason"],
      [...listeners].flatMap(([name, { refusals }]) => [...refusals].map(([reason, count]): MetricRow => [[name, reason], [count]])),
    ),
  ];
}

function serviceMetrics(services: ReadonlyMap<string, ServiceCells>): MetricJson[] {
  const labels = ["windrose_service"];
  const rows = (read: (cells: ServiceCells) => number[]) => [...services].map(([name, cells]): MetricRow => [[name], read(cells)]);
  return [
    counter(
      "windrose_upstream_attempts_total",
      "Attempts against endpoints.",
      labels,
      rows((cells) => [cells.attempts]),
    ),
    counter(
      "windrose_upstream_retries_total",
      "Attempts after the first.",
      labels,
      rows((cells) => [cells.retries]),
    ),
    histogram(
      "windrose_upstream_head_duration_seconds",
      "From the start of the last attempt to its response head.",
      labels,
      rows((cells) => cells.headDuration.numbers()),
    ),
  ];
}

function processMetrics(workerId: string, startedAtSeconds: number): MetricJson[] {
  const { user, system } = process.cpuUsage();
  const labels = ["windrose_worker"];
  return [
    gauge(WORKER_START_METRIC, "Start of the worker, Unix time.", labels, [[[workerId], [startedAtSeconds]]]),
    gauge("windrose_worker_resident_memory_bytes", "Resident memory.", labels, [[[workerId], [process.memoryUsage.rss()]]]),
    counter("windrose_worker_cpu_seconds_total", "CPU time of all workers.", [], [[[], [(user + system) / 1e6]]]),
  ];
}

function metric(type: MetricType, name: string, help: string, labelNames: readonly string[], rows: readonly MetricRow[]): MetricJson {
  return { name, help, type, labelNames, bounds: type === "histogram" ? DURATION_BOUNDS : [], rows };
}

function counter(name: string, help: string, labelNames: readonly string[], rows: readonly MetricRow[]): MetricJson {
  return metric("counter", name, help, labelNames, rows);
}

function gauge(name: string, help: string, labelNames: readonly string[], rows: readonly MetricRow[]): MetricJson {
  return metric("gauge", name, help, labelNames, rows);
}

function histogram(name: string, help: string, labelNames: readonly string[], rows: readonly MetricRow[]): MetricJson {
  return metric("histogram", name, help, labelNames, rows);
}
