/** Weighted random choice: no state, so any number of workers spread evenly without knowing of each other. */
import type { Endpoint, Picker } from "../model/endpoint.js";
import { WeightedList } from "./weighted-list.js";

export function createRandomPicker(endpoints: readonly Endpoint[]): Picker {
  const list = new WeightedList(endpoints);
  return { pick: (random, tried) => pickRandom(list, random, tried) };
}

function pickRandom(list: WeightedList, random: number, tried: Endpoint | null): Endpoint | null {
  const count = list.endpoints.length;
  if (count === 0) return null;
  const avoided = tried === null || count === 1 ? -1 : list.endpoints.indexOf(tried);
  const index = avoided === -1 ? list.indexAt(random * list.totalWeight) : list.indexWithout(avoided, random);
  return list.endpoints[index] as Endpoint;
}
