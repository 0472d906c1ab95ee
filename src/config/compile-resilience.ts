/** `health`, `outlier` and `circuit.breakers` of a service, as they are served. */
import type { BreakerSpec, HealthProbe, HealthSpec, OutlierSpec, StatusRange } from "../engine/model/snapshot.js";
import { parseDuration } from "../engine/model/units.js";
import type { Breaker, Health, Outlier } from "./schema/resilience.js";

export function compileHealth(health: Health | undefined): HealthSpec | null {
  if (health === undefined) return null;
  const { unhealthyAfter, healthyAfter } = health;
  const times = { intervalMs: milliseconds(health.interval), timeoutMs: milliseconds(health.timeout) };
  return { probe: compileProbe(health), ...times, unhealthyAfter, healthyAfter };
}

function compileProbe({ type, path, method, statuses, service, host, port = 0 }: Health): HealthProbe {
  switch (type) {
    case "http":
      return { type, method, path, host, statuses: statuses.map(statusRange), port };
    case "tcp":
      return { type, port };
    case "grpc":
      return { type, service, host, port };
  }
}

function statusRange(status: string | number): StatusRange {
  if (typeof status === "number") return { from: status, to: status };
  const from = Number(status.charAt(0)) * 100;
  return { from, to: from + 99 };
}

export function compileOutlier(outlier: Outlier | undefined): OutlierSpec | null {
  if (outlier === undefined) return null;
  const { interval, baseEjectionTime, maxEjectionTime, successRate = null, ...counts } = outlier;
  const times = {
    intervalMs: milliseconds(interval),
    baseEjectionMs: milliseconds(baseEjectionTime),
    maxEjectionMs: milliseconds(maxEjectionTime),
  };
  return { ...counts, successRate, ...times };
}

export function compileBreaker(breaker: Breaker | undefined): BreakerSpec | null {
  if (breaker === undefined) return null;
  const { window, openFor, ...counts } = breaker;
  return { ...counts, windowMs: milliseconds(window), openMs: milliseconds(openFor) };
}

/** The schema has let it through, so it is a duration. */
function milliseconds(text: string): number {
  return parseDuration(text) as number;
}
