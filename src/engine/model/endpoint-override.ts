/** What an operator says of one endpoint at run time: operational state beside the configuration, and stronger than it. */
import { endpointId } from "./endpoint.js";
import type { EndpointSpec } from "./snapshot.js";

/** What workers do. */
export interface EndpointOverride {
  readonly service: string;
  /** `host:port`. */
  readonly endpoint: string;
  /** Null: what its source says. */
  readonly weight: number | null;
  /** Takes no new requests while others can. */
  readonly isDraining: boolean;
}

/** The endpoints of a service with the weights that operators gave them. */
export function withWeights(endpoints: readonly EndpointSpec[], overrides: ReadonlyMap<string, EndpointOverride>): readonly EndpointSpec[] {
  if (overrides.size === 0) return endpoints;
  return endpoints.map((spec) => {
    const weight = overrides.get(endpointId(spec))?.weight ?? null;
    return weight === null ? spec : { ...spec, weight };
  });
}
