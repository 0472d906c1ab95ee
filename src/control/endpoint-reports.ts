/** What a worker knows of its services and their endpoints: one by one for people, as numbers for metrics. Not for the request path. */
import { isPanicking } from "../engine/balancing/panic.js";
import type { Endpoint } from "../engine/model/endpoint.js";
import type { ServiceRuntime } from "../proxy/runtime.js";
import type { ServiceReading } from "../telemetry/service-metrics.js";
import type { EndpointReport } from "./protocol.js";

/** @param service undefined: there is none */
export function reportsOf(service: ServiceRuntime | undefined, worker: number): EndpointReport[] {
  if (service === undefined) return [];
  const { spec, endpoints: set, guard } = service;
  const now = performance.now();
  const common = {
    service: spec.name,
    worker,
    isPanicking: isPanicking(set, spec.balance, now),
    serviceCircuit: guard?.circuitState ?? "closed",
    serviceReason: guard?.circuitReason(now) ?? "",
  } as const;
  return set.endpoints.map((endpoint) => ({ ...common, ...reportOf(endpoint, service, now) }));
}

type OfEndpoint = Omit<EndpointReport, "service" | "worker" | "isPanicking" | "serviceCircuit" | "serviceReason">;

function reportOf(endpoint: Endpoint, { guard }: ServiceRuntime, now: number): OfEndpoint {
  const { id, inFlight, weight, zone, priority, isHealthy, isDraining, ejectedUntil } = endpoint;
  const reasons = guard?.reasonsOf(endpoint, now) ?? [];
  const circuit = guard?.circuitStateOf(endpoint) ?? "closed";
  const ejectedForMs = Math.max(0, Math.ceil(ejectedUntil - now));
  return { endpoint: id, inFlight, weight, zone, priority, isHealthy, isDraining, ejectedForMs, circuit, reasons };
}

export function readingOf({ spec, endpoints: set, guard, retryBudget }: ServiceRuntime): ServiceReading {
  const now = performance.now();
  const circuits = { closed: 0, open: 0, halfOpen: 0 };
  let ejected = 0;
  for (const endpoint of set.endpoints) {
    if (endpoint.ejectedUntil > now) ejected++;
    if (guard !== null) circuits[guard.circuitStateOf(endpoint)]++;
  }
  return {
    service: spec.name,
    isPanicking: isPanicking(set, spec.balance, now),
    ejected,
    refusedRetries: retryBudget.refused,
    guard: guard && { endpointCircuits: circuits, serviceCircuit: guard.circuitState, counts: guard.counts },
  };
}
