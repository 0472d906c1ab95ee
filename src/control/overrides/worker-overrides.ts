/** Overrides in a worker: what the primary last said, applied to whatever endpoints a service has. */
import type { EndpointSet } from "../../engine/model/endpoint.js";
import { type EndpointOverride, withWeights } from "../../engine/model/endpoint-override.js";
import type { EndpointSpec } from "../../engine/model/snapshot.js";
import type { OverrideList } from "./endpoint-overrides.js";

type ByEndpoint = ReadonlyMap<string, EndpointOverride>;

const NONE: ByEndpoint = new Map();

export class WorkerOverrides {
  #version = 0;
  #services: ReadonlyMap<string, ByEndpoint> = new Map();

  /** Services whose overrides are others now; null: something newer is known. */
  take({ version, overrides }: OverrideList): readonly string[] | null {
    if (version <= this.#version) return null;
    this.#version = version;
    const before = this.#services;
    this.#services = byService(overrides);
    const names = new Set([...before.keys(), ...this.#services.keys()]);
    return [...names].filter((name) => JSON.stringify(entries(before.get(name))) !== JSON.stringify(entries(this.#services.get(name))));
  }

  /** What sources say, with the weights of operators. */
  weigh(service: string, endpoints: readonly EndpointSpec[]): readonly EndpointSpec[] {
    return withWeights(endpoints, this.#services.get(service) ?? NONE);
  }

  /** Whenever overrides or endpoints have changed. One that comes back starts slowly, if the service has it so. */
  drain(service: string, set: EndpointSet, now: number): void {
    const overrides = this.#services.get(service) ?? NONE;
    let isChanged = false;
    for (const endpoint of set.endpoints) {
      const isDraining = overrides.get(endpoint.id)?.isDraining ?? false;
      if (endpoint.isDraining === isDraining) continue;
      endpoint.isDraining = isDraining;
      if (!isDraining) endpoint.startedAt = now;
      isChanged = true;
    }
    if (isChanged) set.touch();
  }
}

function byService(overrides: readonly EndpointOverride[]): Map<string, Map<string, EndpointOverride>> {
  const services = new Map<string, Map<string, EndpointOverride>>();
  for (const override of overrides) {
    const endpoints = services.get(override.service) ?? new Map<string, EndpointOverride>();
    services.set(override.service, endpoints);
    endpoints.set(override.endpoint, override);
  }
  return services;
}

function entries(overrides: ByEndpoint | undefined): readonly EndpointOverride[] {
  return [...(overrides?.values() ?? [])];
}
