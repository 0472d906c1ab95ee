/** What a guard has done since it exists, for metrics: counted where it happens, read whole. */
import type { Circuit } from "./circuit.js";
import type { OutlierReason } from "./outlier.js";

export class GuardCounts {
  readonly ejections: Record<OutlierReason["type"], number> = { consecutive5xx: 0, consecutiveGatewayErrors: 0, successRate: 0 };
  /** Changes of the circuits of endpoints, and of the service's own, by what they became. */
  readonly endpointCircuits: Record<Circuit["state"], number> = { closed: 0, open: 0, halfOpen: 0 };
  readonly serviceCircuit: Record<Circuit["state"], number> = { closed: 0, open: 0, halfOpen: 0 };
}
