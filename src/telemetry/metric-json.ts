/**
 * The compact form in which a worker hands its metrics to the primary: one row per series, numbers only. prom-client's own
 * JSON repeats every label object for each histogram bucket, some twenty times the bytes to build, send and parse;
 * a scrape must not cost a worker that much. The primary merges rows (metrics-aggregator.ts) and writes text (exposition.ts).
 */

export type MetricType = "counter" | "gauge" | "histogram";

export interface MetricJson {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly labelNames: readonly string[];
  /** Upper bucket bounds, ascending, without +Inf. Empty unless a histogram. */
  readonly bounds: readonly number[];
  readonly rows: readonly MetricRow[];
}

/**
 * Label values in the order of `labelNames`, then numbers: `[value]`, or for a histogram the count of each bucket
 * (not cumulative, +Inf last) followed by the sum.
 */
export type MetricRow = readonly [labels: readonly string[], numbers: readonly number[]];

/** Label value that stands for everything beyond a cardinality cap. */
export const OVERFLOW = "_overflow";

/** Carries a worker's start time; the aggregator tells a restarted worker from its predecessor by it. */
export const WORKER_START_METRIC = "windrose_worker_start_time_seconds";
