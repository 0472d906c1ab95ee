/**
 * The primary's side of metrics: the last totals of each worker, the totals of workers that ended, and the primary's own. Sums
 * never go backwards when a worker dies: its counters stay, only its gauges leave with it.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { formatMetric } from "./exposition.js";
import { type MetricJson, type MetricRow, WORKER_START_METRIC } from "./metric-json.js";
import { addSourceMetrics, type SourceReading } from "./source-metrics.js";

export interface MetricsAggregator {
  /**
   * Replaces what is known of a worker. A report with a new start time under a known id counts as its successor's;
   * a late report of a worker that was retired is ignored.
   */
  update(workerId: number | string, metrics: readonly MetricJson[]): void;
  /** The worker ended: keeps its counters. */
  retire(workerId: number | string): void;
  recordWorkerRestart(): void;
  /** One that ran was replaced by another. */
  recordWorkerReplacement(reason: "stalled" | "memory" | "roll"): void;
  /** Workers crash too often, or have stopped to. */
  recordCrashLoop(isCrashing: boolean): void;
  /** A snapshot was published to the workers. */
  recordSnapshot(version: string): void;
  /** A configuration was not taken because it had problems; the last good one still serves. */
  recordRejectedSnapshot(): void;
  /** What is told of sources of endpoints, from now on, with each scrape. */
  readSources(read: () => readonly SourceReading[]): void;
  /** Further metrics of the primary, read with each scrape. */
  addMetrics(read: () => readonly MetricJson[]): void;
  /** A metric of the workers, summed as in `text`; null when none has reported it. */
  metric(name: string): MetricJson | null;
  /** Prometheus text of everything. */
  text(): Promise<string>;
}

export interface AggregatorOptions {
  /** Of Windrose itself. */
  readonly version?: string;
}

interface WorkerReport {
  readonly startedAt: number;
  readonly metrics: readonly MetricJson[];
}

export function createMetricsAggregator({ version = "unknown" }: AggregatorOptions = {}): MetricsAggregator {
  const workers = new Map<string, WorkerReport>();
  /** Start time of the last retired worker per id. */
  const retiredStarts = new Map<string, number>();
  let ended: readonly MetricJson[] = [];
  const others: (() => readonly MetricJson[])[] = [];
  const primary = createPrimaryMetrics(version, () => workers.size);

  function retire(id: string): void {
    const report = workers.get(id);
    if (report === undefined) return;
    workers.delete(id);
    retiredStarts.set(id, report.startedAt);
    ended = mergeMetrics([ended, report.metrics.filter((metric) => metric.type !== "gauge")]);
  }

  return {
    update(workerId, metrics) {
      const id = String(workerId);
      const startedAt = startTime(metrics);
      if (retiredStarts.get(id) === startedAt) return;
      if (workers.has(id) && workers.get(id)?.startedAt !== startedAt) retire(id);
      workers.set(id, { startedAt, metrics });
    },
    retire: (workerId) => retire(String(workerId)),
    recordWorkerRestart: () => primary.restarts.inc(),
    recordWorkerReplacement: (reason) => primary.replacements.inc({ reason }),
    recordCrashLoop: (isCrashing) => primary.crashLoop.set(isCrashing ? 1 : 0),
    recordSnapshot(snapshotVersion) {
      primary.snapshotInfo.reset();
      primary.snapshotInfo.set({ windrose_snapshot_version: snapshotVersion }, 1);
      primary.snapshotTime.setToCurrentTime();
    },
    recordRejectedSnapshot: () => primary.rejected.inc(),
    readSources: (read) => addSourceMetrics(primary.registry, read),
    addMetrics: (read) => void others.push(read),
    metric(name) {
      const reports = [ended, ...[...workers.values()].map((report) => report.metrics)];
      return mergeMetrics(reports.map((report) => report.filter((metric) => metric.name === name)))[0] ?? null;
    },
    async text() {
      const own = await primary.registry.metrics();
      const merged = mergeMetrics([ended, ...[...workers.values()].map((report) => report.metrics)]);
      return `${[...merged, ...others.flatMap((read) => read())].map(formatMetric).join("\n")}\n${own}`;
    },
  };
}

interface PrimaryMetrics {
  readonly registry: Registry;
  readonly restarts: Counter;
  readonly replacements: Counter<"reason">;
  readonly crashLoop: Gauge;
  readonly rejected: Counter;
  readonly snapshotInfo: Gauge;
  readonly snapshotTime: Gauge;
}

function createPrimaryMetrics(version: string, countWorkers: () => number): PrimaryMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({ name: "windrose_build_info", help: "Constant 1.", labelNames: ["version"], registers }).set({ version }, 1);
  new Gauge({ name: "windrose_uptime_seconds", help: "Since the primary started.", registers, collect: setUptime });
  new Gauge({
    name: "windrose_workers",
    help: "Workers that have reported and not ended.",
    registers,
    collect() {
      this.set(countWorkers());
    },
  });
  return {
    registry,
    restarts: new Counter({ name: "windrose_worker_restarts_total", help: "Workers restarted after a crash.", registers }),
    crashLoop: new Gauge({ name: "windrose_worker_crash_loop", help: "1 while workers crash too often, else 0.", registers }),
    replacements: new Counter({
      name: "windrose_worker_replacements_total",
      help: "Workers replaced because they hung (stalled), grew too large (memory) or could not change in place (roll).",
      labelNames: ["reason"],
      registers,
    }),
    rejected: new Counter({ name: "windrose_snapshots_rejected_total", help: "Configurations refused for problems.", registers }),
    snapshotInfo: new Gauge({
      name: "windrose_snapshot_info",
      help: "Constant 1; the version being served.",
      labelNames: ["windrose_snapshot_version"],
      registers,
    }),
    snapshotTime: new Gauge({ name: "windrose_snapshot_timestamp_seconds", help: "When it was published, Unix time.", registers }),
  };
}

function setUptime(this: Gauge): void {
  this.set(process.uptime());
}

function startTime(metrics: readonly MetricJson[]): number {
  return metrics.find((metric) => metric.name === WORKER_START_METRIC)?.rows[0]?.[1][0] ?? 0;
}

/** Sums rows with equal labels; metrics keep the order in which they first appear. */
export function mergeMetrics(reports: readonly (readonly MetricJson[])[]): MetricJson[] {
  const merged = new Map<string, MergedMetric>();
  for (const metric of reports.flat()) {
    const entry = merged.get(metric.name) ?? { metric, rows: new Map() };
    merged.set(metric.name, entry);
    for (const row of metric.rows) addRow(entry.rows, row);
  }
  return [...merged.values()].map(({ metric, rows }) => ({ ...metric, rows: [...rows.values()] }));
}

type SummedRows = Map<string, [labels: readonly string[], sums: number[]]>;

interface MergedMetric {
  readonly metric: MetricJson;
  readonly rows: SummedRows;
}

function addRow(rows: SummedRows, [labels, numbers]: MetricRow): void {
  const key = labels.join("\u0000");
  const sums = rows.get(key)?.[1];
  if (sums === undefined) rows.set(key, [labels, [...numbers]]);
  else for (let i = 0; i < numbers.length; i++) sums[i] = (sums[i] ?? 0) + (numbers[i] ?? 0);
}
