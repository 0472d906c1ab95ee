/** Weighted random choice: no state, so any number of workers spread evenly without knowing of each other. */
import type { Endpoint, PickRequest } from "../model/endpoint.js";
import type { GroupPicker } from "./group-picker.js";
import { EMPTY_LIST, WeightedList } from "./weighted-list.js";

export class RandomPicker implements GroupPicker {
  #list = EMPTY_LIST;

  update(active: readonly Endpoint[], weights: Float64Array): void {
    this.#list = new WeightedList(active, weights);
  }

  pick({ random, tried }: PickRequest): Endpoint | null {
    const list = tried === null ? this.#list : this.#list.without(tried);
    return list.endpoints[list.indexAt(random * list.totalWeight)] ?? null;
  }
}
