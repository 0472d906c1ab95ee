/** Builds the picker of a service. One file per algorithm; all of them are synchronous and free of randomness. */
import type { Endpoint, Picker } from "../model/endpoint.js";
import type { BalanceAlgorithm } from "../model/snapshot.js";
import { createLeastRequestPicker } from "./least-request.js";
import { createRandomPicker } from "./random.js";
import { createRoundRobinPicker } from "./round-robin.js";

const PICKERS: Readonly<Record<BalanceAlgorithm, (endpoints: readonly Endpoint[]) => Picker>> = {
  roundRobin: createRoundRobinPicker,
  leastRequest: createLeastRequestPicker,
  random: createRandomPicker,
};

/** The set and the weights are read once; `inFlight` with every pick. */
export function createPicker(algorithm: BalanceAlgorithm, endpoints: readonly Endpoint[]): Picker {
  return PICKERS[algorithm](endpoints);
}
