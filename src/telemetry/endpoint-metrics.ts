/** Metrics of what the primary knows of endpoints: how many a service has, who is well, and what operators have said. No addresses. */
import type { MetricJson, MetricRow } from "./metric-json.js";

export interface EndpointsReading {
  readonly service: string;
  /** None of them is two of these: an unhealthy one is that, drained or not. */
  readonly healthy: number;
  readonly unhealthy: number;
  readonly draining: number;
  readonly overrides: { readonly draining: number; readonly weight: number };
  /** Since the service has active checks; null: it has none. */
  readonly checks: CheckCounts | null;
}

export interface CheckCounts {
  readonly passed: number;
  readonly failed: number;
  /** Endpoints that became so. */
  readonly healthy: number;
  readonly unhealthy: number;
}

const SERVICE = "windrose_service";

export function endpointMetrics(services: readonly EndpointsReading[]): MetricJson[] {
  const checked = services.flatMap(({ service, checks }) => (checks === null ? [] : [{ service, checks }]));
  return [
    {
      ...metric("gauge", "windrose_upstream_endpoints", "Endpoints, by what active checks and operators say of them.", "windrose_state"),
      rows: services.flatMap(({ service, healthy, unhealthy, draining }) => rowsOf(service, { healthy, unhealthy, draining })),
    },
    {
      ...metric("gauge", "windrose_endpoint_overrides", "Overrides by operators; one may be of both kinds.", "windrose_kind"),
      rows: services.flatMap(({ service, overrides }) => rowsOf(service, overrides)),
    },
    {
      ...metric("counter", "windrose_health_checks_total", "Active checks.", "windrose_result"),
      rows: checked.flatMap(({ service, checks: { passed, failed } }) => rowsOf(service, { passed, failed })),
    },
    {
      ...metric("counter", "windrose_health_transitions_total", "Endpoints that active checks found changed.", "windrose_state"),
      rows: checked.flatMap(({ service, checks: { healthy, unhealthy } }) => rowsOf(service, { healthy, unhealthy })),
    },
  ];
}

function metric(type: "counter" | "gauge", name: string, help: string, label: string): Omit<MetricJson, "rows"> {
  return { name, help, type, labelNames: [SERVICE, label], bounds: [] };
}

function rowsOf(service: string, numbers: Readonly<Record<string, number>>): MetricRow[] {
  return Object.entries(numbers).map(([label, value]) => [[service, label], [value]]);
}
