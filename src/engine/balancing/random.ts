/** Weighted random choice: no state, so any number of workers spread evenly without knowing of each other. */
import type { Endpoint, Picker } from "../model/endpoint.js";
import { WeightedList } from "./weighted-list.js";

export function createRandomPicker(endpoints: readonly Endpoint[]): Picker {
  const list = new WeightedList(endpoints);
  return { pick: (random, tried) => pickRandom(tried === null ? list : list.without(tried), random) };
}

function pickRandom(list: WeightedList, random: number): Endpoint | null {
  return list.endpoints[list.indexAt(random * list.totalWeight)] ?? null;
}
