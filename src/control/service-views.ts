/** Services and their endpoints as people may see them: what the primary's checks and all workers know, put together. */
import type { CircuitState, EndpointView, ServiceView } from "../admin/views.js";
import type { EndpointRecord, HealthChecks } from "../discovery/health/health-checks.js";
import { endpointId } from "../engine/model/endpoint.js";
import type { EndpointStates } from "../engine/model/explanation.js";
import type { EndpointSpec, ServiceSpec } from "../engine/model/snapshot.js";
import type { KeptOverride } from "./overrides/endpoint-overrides.js";
import { overrideReasons, overrideView } from "./overrides/override-views.js";
import type { EndpointReport } from "./protocol.js";

/** What the primary knows of an endpoint beside what workers report. */
export interface KnownOfEndpoints extends Pick<HealthChecks, "recordOf"> {
  /** What an operator has said of it. */
  overrideOf(service: string, endpoint: string): KeptOverride | null;
  endpointsOf(service: string): readonly EndpointSpec[];
}

type Labels = Readonly<Record<string, string>>;

/** `windrose explain` shows one line per endpoint. */
export function endpointStates(reports: readonly EndpointReport[], known: KnownOfEndpoints): EndpointStates {
  const byEndpoint = groupBy(reports, ({ service, endpoint }) => `${service} ${endpoint}`);
  return (service, endpoint) => {
    const found = byEndpoint.get(`${service} ${endpoint}`);
    if (found === undefined) return null;
    const { state, reasons, inFlight } = endpointView(found, service, known, {});
    return [`${inFlight} under way`, ...(state === "healthy" ? [] : [state]), ...reasons].join(", ");
  };
}

export function serviceViews(services: readonly ServiceSpec[], reports: readonly EndpointReport[], known: KnownOfEndpoints): ServiceView[] {
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
      isPanicking: own.some(({ isPanicking }) => isPanicking),
      circuit: worstOf(own.map(({ serviceCircuit }) => serviceCircuit)),
      endpoints: [...byEndpoint].map(([id, found]) => endpointView(found, spec.name, known, labels.get(id) ?? {})),
    };
  });
}

/** A worker repeats what it knows of the service with each of its endpoints. */
function isFirstOfWorker(): (report: EndpointReport) => boolean {
  const seen = new Set<number>();
  return ({ worker }) => !seen.has(worker) && seen.add(worker) !== undefined;
}

/** @param reports of one endpoint; at least one */
function endpointView(reports: readonly EndpointReport[], service: string, known: KnownOfEndpoints, labels: Labels): EndpointView {
  const [{ endpoint, weight, zone, priority }] = reports as readonly [EndpointReport];
  const record = known.recordOf(service, endpoint);
  const override = known.overrideOf(service, endpoint);
  const ejected = reports.filter(({ ejectedForMs }) => ejectedForMs > 0);
  const ejectedForMs = Math.max(0, ...ejected.map((report) => report.ejectedForMs));
  return {
    address: endpoint,
    weight,
    zone,
    priority,
    labels,
    state: stateOf(reports, ejected.length),
    reasons: [...overrideReasons(override), ...checkReasons(record), ...ejectionReasons(reports, ejected.length, ejectedForMs)],
    override: override === null ? null : overrideView(override, true),
    inFlight: reports.reduce((sum, { inFlight }) => sum + inFlight, 0),
    circuit: worstOf(reports.map(({ circuit }) => circuit)),
    ejectedBy: ejected.length,
    ejectedForMs,
    workers: reports.length,
    checks: (record?.checks ?? []).map(({ atMs, durationMs, isPassed, text }) => {
      return { at: new Date(atMs).toISOString(), durationMs: Math.round(durationMs), isPassed, text };
    }),
  };
}

function worstOf(circuits: readonly CircuitState[]): CircuitState {
  return (["open", "halfOpen"] as const).find((state) => circuits.includes(state)) ?? "closed";
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
