/** Draws two different endpoints by weight from one random number; which of them is better is the algorithm's matter. */
import type { WeightedList } from "./weighted-list.js";

/** The result of a draw, read before the next one: indexes into the list. */
export const drawn = { first: 0, second: 0 };

/** The list needs two endpoints. 0 ≤ random < 1. */
export function drawTwo(list: WeightedList, random: number): void {
  const point = random * list.totalWeight;
  const first = list.indexAt(point);
  // What the first draw leaves of the random number is again evenly spread over 0…1.
  const rest = Math.min((point - list.startOf(first)) / list.weightOf(first), 1);
  drawn.first = first;
  drawn.second = list.indexWithout(first, rest);
}
