/**
 * Power of two choices: of two endpoints drawn by weight, the one with fewer attempts under way for its weight. Almost
 * as even as asking all of them, and without the herd that runs to the one least loaded endpoint.
 */
import type { Endpoint, Picker } from "../model/endpoint.js";
import { WeightedList } from "./weighted-list.js";

export function createLeastRequestPicker(endpoints: readonly Endpoint[]): Picker {
  const list = new WeightedList(endpoints);
  return { pick: (random, tried) => pickLessLoaded(tried === null ? list : list.without(tried), random) };
}

function pickLessLoaded(list: WeightedList, random: number): Endpoint | null {
  const count = list.endpoints.length;
  if (count < 2) return list.endpoints[0] ?? null;
  const point = random * list.totalWeight;
  const first = list.indexAt(point);
  // What the first draw leaves of the random number is again evenly spread over 0…1.
  const rest = Math.min((point - list.startOf(first)) / list.weightOf(first), 1);
  const second = list.indexWithout(first, rest);
  const one = list.endpoints[first] as Endpoint;
  const other = list.endpoints[second] as Endpoint;
  return other.inFlight / list.weightOf(second) < one.inFlight / list.weightOf(first) ? other : one;
}
