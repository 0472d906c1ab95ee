/** Services and their endpoints as people may see them: what the primary's checks and all workers know, put together. */
import type { EndpointView, ServiceView } from "../admin/views.js";
import type { EndpointRecord, HealthChecks } from "../discovery/health/health-checks.js";
import { endpointId } from "../engine/balancing/endpoint-registry.js";
import type { EndpointStates } from "../engine/model/explanation.js";
import type { EndpointSpec, ServiceSpec } from "../engine/model/snapshot.js";
import type { EndpointReport } from "./protocol.js";

type Records = Pick<HealthChecks, "recordOf">;

/** What the primary knows. */
export interface Known {
  readonly records: Records;
  readonly endpointsOf: (service: string) => readonly EndpointSpec[];
}

type Labels = Readonly<Record<string, string>>;

/** `windrose explain` shows one line per endpoint. */
export function endpointStates(reports: readonly EndpointReport[], records: Records): EndpointStates {
  const byEndpoint = groupBy(reports, ({ service, endpoint }) => `${service} ${endpoint}`);
  return (service, endpoint) => {
    const found = byEndpoint.get(`${service} ${endpoint}`);
    if (found === undefined) return null;
    const { state, reasons, inFlight } = endpointView(found, records.recordOf(service, endpoint), {});
    return [`${inFlight} under way`, ...(state === "healthy" ? [] : [state]), ...reasons].join(", ");
  };
}

export function serviceViews(services: readonly ServiceSpec[], reports: readonly EndpointReport[], known: Known): ServiceView[] {
  const byService = groupBy(reports, ({ service }) => service);
  return services.map((spec) => {
    const own = byService.get(spec.name) ?? [];
    const byEndpoint = groupBy(own, ({ endpoint }) => endpoint);
    const labels = new Map(known.endpointsOf(spec.name).map((endpoint) => [endpointId(endpoint), endpoint.labels]));
    return {
      name: spec.name,
      protocol: spec.protocol,
      algorithm: spec.balance.algorithm,
      healthCheck: spec.health?.probe.type ?? null,
      reasons: countedTexts(own.filter(isFirstOfWorker()).map(({ serviceReason }) => serviceReason)),
      endpoints: [...byEndpoint].map(([id, found]) => endpointView(found, known.records.recordOf(spec.name, id), labels.get(id) ?? {})),
    };
  });
}

/** A worker repeats what it knows of the service with each of its endpoints. */
function isFirstOfWorker(): (report: EndpointReport) => boolean {
  const seen = new Set<number>();
  return ({ worker }) => !seen.has(worker) && seen.add(worker) !== undefined;
}

/** @param reports of one endpoint; at least one */
function endpointView(reports: readonly EndpointReport[], record: EndpointRecord | null, labels: Labels): EndpointView {
  const [{ endpoint, weight, zone, priority }] = reports as readonly [EndpointReport];
  const ejected = reports.filter(({ ejectedForMs }) => ejectedForMs > 0);
  const ejectedForMs = Math.max(0, ...ejected.map((report) => report.ejectedForMs));
  return {
    address: endpoint,
    weight,
    zone,
    priority,
    labels,
    state: stateOf(reports, ejected.length),
    reasons: [...checkReasons(record), ...ejectionReasons(reports, ejected.length, ejectedForMs)],
    inFlight: reports.reduce((sum, { inFlight }) => sum + inFlight, 0),
    ejectedBy: ejected.length,
    ejectedForMs,
    workers: reports.length,
    checks: (record?.checks ?? []).map(({ atMs, durationMs, isPassed, text }) => {
      return { at: new Date(atMs).toISOString(), durationMs: Math.round(durationMs), isPassed, text };
    }),
  };
}

/** Workers hear of health within milliseconds of each other; one that takes it out is enough to say so. */
function stateOf(reports: readonly EndpointReport[], ejectedBy: number): EndpointView["state"] {
  if (reports.some(({ isHealthy }) => !isHealthy)) return "unhealthy";
  if (ejectedBy > 0) return "ejected";
  return reports.some(({ isDraining }) => isDraining) ? "draining" : "healthy";
}

function checkReasons(record: EndpointRecord | null): string[] {
  if (record?.state !== "unhealthy") return [];
  const failure = record.checks.find(({ isPassed }) => !isPassed);
  return [`unhealthy since ${new Date(record.sinceMs).toISOString()}${failure === undefined ? "" : `: ${failure.text}`}`];
}

function ejectionReasons(reports: readonly EndpointReport[], ejectedBy: number, ejectedForMs: number): string[] {
  const reasons = countedTexts(reports.flatMap((report) => report.reasons));
  if (ejectedBy === 0) return reasons;
  return [`ejected by ${ejectedBy} of ${reports.length} workers for ${(ejectedForMs / 1000).toFixed(1)} s`, ...reasons];
}

function countedTexts(texts: readonly string[]): string[] {
  return [...new Set(texts.filter((text) => text !== ""))];
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
