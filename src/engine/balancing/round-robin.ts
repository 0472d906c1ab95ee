/**
 * Smooth weighted round robin: endpoints take turns, heavier ones more often, and turns of one endpoint are spread out
 * (5:1:1 gives a a b a c a a). Deterministic. Equal weights, the usual case, need no arithmetic.
 */
import type { Endpoint, Picker } from "../model/endpoint.js";
import { untried } from "./untried.js";

export function createRoundRobinPicker(endpoints: readonly Endpoint[]): Picker {
  const active = endpoints.filter((endpoint) => endpoint.weight > 0);
  const isEven = active.every((endpoint) => endpoint.weight === active[0]?.weight);
  return isEven ? new EvenTurns(active) : new WeightedTurns(active);
}

class EvenTurns implements Picker {
  readonly #endpoints: readonly Endpoint[];
  #next = 0;

  constructor(endpoints: readonly Endpoint[]) {
    this.#endpoints = endpoints;
  }

  pick(_random: number, tried: readonly Endpoint[] | null): Endpoint | null {
    let endpoint = this.#turn();
    if (tried === null || endpoint === null) return endpoint;
    const candidates = untried(this.#endpoints, tried);
    while (!candidates.includes(endpoint)) endpoint = this.#turn() as Endpoint;
    return endpoint;
  }

  #turn(): Endpoint | null {
    const endpoint = this.#endpoints[this.#next] ?? null;
    this.#next = this.#next + 1 < this.#endpoints.length ? this.#next + 1 : 0;
    return endpoint;
  }
}

class WeightedTurns implements Picker {
  readonly #endpoints: readonly Endpoint[];
  readonly #weights: Float64Array;
  /** How far each endpoint is behind its share; the sum is always zero. */
  readonly #arrears: Float64Array;
  readonly #totalWeight: number;

  constructor(endpoints: readonly Endpoint[]) {
    this.#endpoints = endpoints;
    this.#weights = Float64Array.from(endpoints, (endpoint) => endpoint.weight);
    this.#arrears = new Float64Array(endpoints.length);
    this.#totalWeight = this.#weights.reduce((sum, weight) => sum + weight, 0);
  }

  pick(_random: number, tried: readonly Endpoint[] | null): Endpoint | null {
    const candidates = tried === null ? null : untried(this.#endpoints, tried);
    let best = -1;
    for (let i = 0; i < this.#endpoints.length; i++) {
      const arrears = (this.#arrears[i] as number) + (this.#weights[i] as number);
      this.#arrears[i] = arrears;
      // Unequal weights mean at least two endpoints, so there is always a candidate.
      const isCandidate = candidates === null || candidates.includes(this.#endpoints[i] as Endpoint);
      if (isCandidate && (best === -1 || arrears > (this.#arrears[best] as number))) best = i;
    }
    this.#arrears[best] = (this.#arrears[best] as number) - this.#totalWeight;
    return this.#endpoints[best] as Endpoint;
  }
}
