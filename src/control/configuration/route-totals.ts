/** Requests and failures of every route, read from the counters that the workers report. */
import type { MetricJson } from "../../telemetry/metric-json.js";
import { NO_ROUTE, type RouteCount, type RouteTotals } from "./guard.js";

export interface CounterSource {
  /** The sum over all workers, those that have ended included; null when nothing has been reported yet. */
  metric(name: string): MetricJson | null;
}

/** What the gateway refuses with one of these it may have let through before. */
const REFUSALS: ReadonlySet<string> = new Set(["unauthorized", "forbidden", "route-not-found", "host-misdirected"]);
const NO_ROUTE_CODES: ReadonlySet<string> = new Set(["route-not-found", "host-misdirected"]);

export function readRouteTotals(source: CounterSource): RouteTotals {
  const totals = new Map<string, { requests: number; failures: number }>();
  const of = (route: string): { requests: number; failures: number } => {
    const known = totals.get(route);
    if (known !== undefined) return known;
    const added = { requests: 0, failures: 0 };
    totals.set(route, added);
    return added;
  };
  const all = { requests: 0, failures: 0 };
  eachRow(source.metric("windrose_requests_total"), (labels, count) => {
    const [, route = "", , , status = ""] = labels;
    of(route).requests += count;
    all.requests += count;
    if (Number(status) >= 500) of(route).failures += count;
  });
  eachRow(source.metric("windrose_local_replies_total"), (labels, count) => {
    const [, route = "", , , code = ""] = labels;
    if (REFUSALS.has(code)) of(route).failures += count;
    if (NO_ROUTE_CODES.has(code)) all.failures += count;
  });
  eachRow(source.metric("windrose_aborted_exchanges_total"), (labels, count) => {
    const [, route = "", , , code = ""] = labels;
    if (code !== "downstream-abort") of(route).failures += count;
  });
  totals.set(NO_ROUTE, all);
  return totals satisfies ReadonlyMap<string, RouteCount>;
}

function eachRow(metric: MetricJson | null, visit: (labels: readonly string[], count: number) => void): void {
  for (const [labels, numbers] of metric?.rows ?? []) visit(labels, numbers[0] ?? 0);
}
