/**
 * Power of two choices by expected wait: of two endpoints drawn by weight, the one with the smaller product of latency and
 * attempts under way (for its weight, this one included). What is slow or stuck gets less without being left out.
 */
import type { Endpoint, PickRequest } from "../model/endpoint.js";
import type { GroupPicker } from "./group-picker.js";
import { estimateLatency } from "./latency.js";
import { drawn, drawTwo } from "./two-choices.js";
import { EMPTY_LIST, WeightedList } from "./weighted-list.js";

export class EwmaPicker implements GroupPicker {
  #list = EMPTY_LIST;
  #meanWeight = 1;

  update(active: readonly Endpoint[], weights: Float64Array): void {
    this.#list = new WeightedList(active, weights);
    this.#meanWeight = active.length === 0 ? 1 : this.#list.totalWeight / active.length;
  }

  pick({ random, tried, now }: PickRequest): Endpoint | null {
    const list = tried === null ? this.#list : this.#list.without(tried);
    if (list.endpoints.length < 2) return list.endpoints[0] ?? null;
    drawTwo(list, random);
    const { first, second } = drawn;
    const isOtherBetter = this.#cost(list, second, now) < this.#cost(list, first, now);
    return list.endpoints[isOtherBetter ? second : first] as Endpoint;
  }

  /** An idle endpoint costs its latency whatever its weight is: the draw has honoured the weight already. */
  #cost(list: WeightedList, index: number, now: number): number {
    const endpoint = list.endpoints[index] as Endpoint;
    return estimateLatency(endpoint, now) * ((endpoint.inFlight * this.#meanWeight) / list.weightOf(index) + 1);
  }
}
