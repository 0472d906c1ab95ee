/**
 * Power of two choices: of two endpoints drawn by weight, the one with fewer attempts under way for its weight. Almost
 * as even as asking all of them, and without the herd that runs to the one least loaded endpoint.
 */
import type { Endpoint, PickRequest } from "../model/endpoint.js";
import type { GroupPicker } from "./group-picker.js";
import { drawn, drawTwo } from "./two-choices.js";
import { EMPTY_LIST, WeightedList } from "./weighted-list.js";

export class LeastRequestPicker implements GroupPicker {
  #list = EMPTY_LIST;

  update(active: readonly Endpoint[], weights: Float64Array): void {
    this.#list = new WeightedList(active, weights);
  }

  pick({ random, tried }: PickRequest): Endpoint | null {
    const list = tried === null ? this.#list : this.#list.without(tried);
    if (list.endpoints.length < 2) return list.endpoints[0] ?? null;
    drawTwo(list, random);
    const { first, second } = drawn;
    const one = list.endpoints[first] as Endpoint;
    const other = list.endpoints[second] as Endpoint;
    return other.inFlight / list.weightOf(second) < one.inFlight / list.weightOf(first) ? other : one;
  }
}
