/**
 * Metrics of what a worker does about failing endpoints, read from its services when they are wanted. Labels are names of services
 * and words of ours, never addresses: who wants to know which endpoint asks /v1/services.
 */
import type { MetricJson, MetricRow } from "./metric-json.js";

type CircuitState = "closed" | "open" | "halfOpen";
type CircuitCounts = Readonly<Record<CircuitState, number>>;

export interface ServiceReading {
  readonly service: string;
  readonly isPanicking: boolean;
  /** Endpoints that are left alone: ejected, or their circuit is open. */
  readonly ejected: number;
  readonly refusedRetries: number;
  /** Null: it has neither outlier ejection nor circuits. */
  readonly guard: GuardReading | null;
}

export interface GuardReading {
  /** Endpoints by the state of their circuits. */
  readonly endpointCircuits: CircuitCounts;
  readonly serviceCircuit: CircuitState;
  /** Since it exists. */
  readonly counts: {
    readonly ejections: Readonly<Record<string, number>>;
    readonly endpointCircuits: CircuitCounts;
    readonly serviceCircuit: CircuitCounts;
  };
}

const SERVICE = "windrose_service";
const WORDS: readonly (readonly [CircuitState, string])[] = [
  ["closed", "closed"],
  ["open", "open"],
  ["halfOpen", "half_open"],
];
/** Of ejections. */
const REASONS: Readonly<Record<string, string>> = {
  consecutive5xx: "consecutive_5xx",
  consecutiveGatewayErrors: "consecutive_gateway_errors",
  successRate: "success_rate",
};

/** A service without a guard has no rows of one, and most have none: a scrape is no longer for it. */
export function serviceMetrics(services: readonly ServiceReading[]): MetricJson[] {
  const guarded = services.flatMap(({ service, guard }) => (guard === null ? [] : [{ service, ...guard }]));
  const ofAll = (read: (reading: ServiceReading) => number) => services.map((reading): MetricRow => [[reading.service], [read(reading)]]);
  return [
    metric("gauge", "windrose_upstream_panicking_workers", "Workers that ask all endpoints of a service because too few are well.", {
      labels: [SERVICE],
      rows: ofAll(({ isPanicking }) => (isPanicking ? 1 : 0)),
    }),
    metric("counter", "windrose_upstream_refused_retries_total", "Retries that the budget of the service did not allow.", {
      labels: [SERVICE],
      rows: ofAll(({ refusedRetries }) => refusedRetries),
    }),
    metric("gauge", "windrose_upstream_ejected_endpoints", "Endpoints left alone by ejection or an open circuit, summed over workers.", {
      labels: [SERVICE],
      rows: services.flatMap(({ service, ejected, guard }): MetricRow[] => (guard === null ? [] : [[[service], [ejected]]])),
    }),
    metric("counter", "windrose_upstream_ejections_total", "Ejections of endpoints.", {
      labels: [SERVICE, "windrose_reason"],
      rows: guarded.flatMap(({ service, counts }) =>
        Object.entries(counts.ejections).map(([reason, count]): MetricRow => [[service, REASONS[reason] ?? reason], [count]]),
      ),
    }),
    metric("gauge", "windrose_upstream_circuits", "Circuits by state, summed over workers.", {
      labels: [SERVICE, "windrose_scope", "windrose_state"],
      rows: guarded.flatMap(({ service, endpointCircuits, serviceCircuit }) => [
        ...circuitRows(service, "endpoint", endpointCircuits),
        ...circuitRows(service, "service", { ...NONE, [serviceCircuit]: 1 }),
      ]),
    }),
    metric("counter", "windrose_upstream_circuit_transitions_total", "Changes of circuits, by what they became.", {
      labels: [SERVICE, "windrose_scope", "windrose_state"],
      rows: guarded.flatMap(({ service, counts }) => [
        ...circuitRows(service, "endpoint", counts.endpointCircuits),
        ...circuitRows(service, "service", counts.serviceCircuit),
      ]),
    }),
  ];
}

const NONE: CircuitCounts = { closed: 0, open: 0, halfOpen: 0 };

function circuitRows(service: string, scope: string, counts: CircuitCounts): MetricRow[] {
  return WORDS.map(([state, word]) => [[service, scope, word], [counts[state]]]);
}

interface Table {
  readonly labels: readonly string[];
  readonly rows: readonly MetricRow[];
}

function metric(type: "counter" | "gauge", name: string, help: string, { labels, rows }: Table): MetricJson {
  return { name, help, type, labelNames: labels, bounds: [], rows };
}
