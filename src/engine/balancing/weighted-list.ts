/** Endpoints with their cumulative weights: a weighted choice is one binary search. */
import type { Endpoint } from "../model/endpoint.js";
import { untried } from "./untried.js";

export class WeightedList {
  readonly endpoints: readonly Endpoint[];
  readonly totalWeight: number;
  /** `#ends[i]` is the sum of the weights up to and including endpoint i. */
  readonly #ends: Float64Array;

  /** @param weights of the endpoints, each above 0; read once */
  constructor(endpoints: readonly Endpoint[], weights: Float64Array) {
    this.endpoints = endpoints;
    this.#ends = new Float64Array(endpoints.length);
    let total = 0;
    for (let i = 0; i < endpoints.length; i++) {
      total += weights[i] as number;
      this.#ends[i] = total;
    }
    this.totalWeight = total;
  }

  /** The list for an attempt after others; they are rare enough to build one. */
  without(tried: readonly Endpoint[]): WeightedList {
    const left = untried(this.endpoints, tried);
    const indexes = new Map(this.endpoints.map((endpoint, index) => [endpoint, index]));
    return new WeightedList(
      left,
      Float64Array.from(left, (endpoint) => this.weightOf(indexes.get(endpoint) as number)),
    );
  }

  /** Index of the endpoint whose share holds `point`, 0 ≤ point ≤ totalWeight. */
  indexAt(point: number): number {
    let low = 0;
    let high = this.#ends.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (point < (this.#ends[middle] as number)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** As `indexAt`, among all but the endpoint `without`; needs two endpoints. 0 ≤ random < 1. */
  indexWithout(without: number, random: number): number {
    const start = this.startOf(without);
    const weight = this.weightOf(without);
    const point = random * (this.totalWeight - weight);
    const index = this.indexAt(point < start ? point : point + weight);
    if (index !== without) return index;
    // Rounding at a border of the gap.
    return without + 1 < this.endpoints.length ? without + 1 : without - 1;
  }

  startOf(index: number): number {
    return index === 0 ? 0 : (this.#ends[index - 1] as number);
  }

  weightOf(index: number): number {
    return (this.#ends[index] as number) - this.startOf(index);
  }
}

export const EMPTY_LIST = new WeightedList([], new Float64Array(0));
