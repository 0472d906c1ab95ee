/** What the results of checks mean for one endpoint. Pure. */
import type { HealthSpec } from "../../engine/model/snapshot.js";

export type EndpointHealth =
  /** Not checked yet: takes traffic. */
  | { readonly state: "unknown" }
  /** `failures`, `successes`: in a row, of those that are needed to change. */
  | { readonly state: "healthy"; readonly failures: number }
  | { readonly state: "unhealthy"; readonly successes: number };

export const UNKNOWN: EndpointHealth = Object.freeze({ state: "unknown" });
const HEALTHY: EndpointHealth = Object.freeze({ state: "healthy", failures: 0 });
const UNHEALTHY: EndpointHealth = Object.freeze({ state: "unhealthy", successes: 0 });

export type Thresholds = Pick<HealthSpec, "unhealthyAfter" | "healthyAfter">;

/** The very first result decides alone: an endpoint that is not there yet must not get requests for a few intervals. */
export function afterCheck(health: EndpointHealth, isPassed: boolean, { unhealthyAfter, healthyAfter }: Thresholds): EndpointHealth {
  switch (health.state) {
    case "unknown":
      return isPassed ? HEALTHY : UNHEALTHY;
    case "healthy":
      if (isPassed) return HEALTHY;
      return health.failures + 1 >= unhealthyAfter ? UNHEALTHY : { state: "healthy", failures: health.failures + 1 };
    case "unhealthy":
      if (!isPassed) return UNHEALTHY;
      return health.successes + 1 >= healthyAfter ? HEALTHY : { state: "unhealthy", successes: health.successes + 1 };
  }
}
