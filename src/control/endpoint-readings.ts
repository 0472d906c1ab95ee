/** What the primary knows of the endpoints of its services, as numbers for metrics: asked with each scrape. */
import type { HealthChecks } from "../discovery/health/health-checks.js";
import type { Sources } from "../discovery/sources.js";
import { endpointId } from "../engine/model/endpoint.js";
import type { ServiceSpec } from "../engine/model/snapshot.js";
import type { EndpointsReading } from "../telemetry/endpoint-metrics.js";
import type { EndpointOverrides } from "./overrides/endpoint-overrides.js";

export interface EndpointParts {
  readonly sources: Pick<Sources, "endpointsOf">;
  readonly health: Pick<HealthChecks, "state" | "countsOf">;
  readonly overrides: Pick<EndpointOverrides, "ofService">;
}

export function endpointReadings(services: readonly ServiceSpec[], { sources, health, overrides }: EndpointParts): EndpointsReading[] {
  const unhealthy = new Map(health.state().map((one) => [one.service, new Set(one.unhealthy)]));
  return services.map(({ name }) => {
    const said = overrides.ofService(name);
    const counts = { healthy: 0, unhealthy: 0, draining: 0 };
    for (const endpoint of sources.endpointsOf(name)) {
      const id = endpointId(endpoint);
      if (unhealthy.get(name)?.has(id) === true) counts.unhealthy++;
      else if (said.get(id)?.isDraining === true) counts.draining++;
      else counts.healthy++;
    }
    const kinds = { draining: 0, weight: 0 };
    for (const { isDraining, weight } of said.values()) {
      if (isDraining) kinds.draining++;
      if (weight !== null) kinds.weight++;
    }
    return { service: name, ...counts, overrides: kinds, checks: health.countsOf(name) };
  });
}
