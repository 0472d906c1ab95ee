/**
 * Round robin: endpoints take turns, heavier ones more often, and turns of one endpoint are spread out (5:1:1 gives
 * a b a a a c a). With equal weights, the usual case, a turn is one step; otherwise the endpoint whose turn is due first
 * (a heap: nginx's smooth weighted round robin looks at all endpoints for each turn) waits for its next.
 */
import type { Endpoint, PickRequest } from "../model/endpoint.js";
import type { GroupPicker } from "./group-picker.js";
import { TurnHeap } from "./turn-heap.js";
import { untried } from "./untried.js";

/** Steps of this length spread points over 0…1 evenly, however many there are. */
const GOLDEN = 0.618_033_988_749_895;

export class RoundRobinPicker implements GroupPicker {
  #endpoints: readonly Endpoint[] = [];
  /** Null while all weights are equal. */
  #heap: TurnHeap | null = null;
  #next = 0;
  /** Workers begin at different places: not all of them with the first endpoint. */
  #isBegun = false;

  update(active: readonly Endpoint[], weights: Float64Array): void {
    const isEven = weights.every((weight) => weight === weights[0]);
    const phases = isEven ? null : this.#phases(active);
    const upNext = this.#endpoints[this.#next];
    this.#next = Math.max(0, upNext === undefined ? 0 : active.indexOf(upNext));
    this.#endpoints = active;
    this.#heap = phases === null ? null : new TurnHeap(weights, phases);
  }

  /** How far away each endpoint's turn is, in its own turns: as it was, so that frequent updates favour nobody. */
  #phases(active: readonly Endpoint[]): Float64Array {
    const heap = this.#heap;
    const old = heap === null ? null : new Map(this.#endpoints.map((endpoint, index) => [endpoint, heap.phaseOf(index)]));
    return Float64Array.from(active, (endpoint, index) => old?.get(endpoint) ?? ((index + 1) * GOLDEN) % 1);
  }

  pick({ random, tried }: PickRequest): Endpoint | null {
    const endpoints = this.#endpoints;
    if (endpoints.length === 0) return null;
    if (!this.#isBegun) this.#begin(random);
    if (tried !== null) return this.#pickOf(untried(endpoints, tried));
    return endpoints[this.#heap === null ? this.#turn() : this.#heap.take()] as Endpoint;
  }

  #begin(random: number): void {
    this.#isBegun = true;
    this.#next = Math.floor(random * this.#endpoints.length);
    this.#heap?.shift(random);
  }

  #pickOf(candidates: readonly Endpoint[]): Endpoint {
    const endpoints = this.#endpoints;
    if (this.#heap !== null) return endpoints[this.#heap.takeOf((index) => candidates.includes(endpoints[index] as Endpoint))] as Endpoint;
    for (;;) {
      const endpoint = endpoints[this.#turn()] as Endpoint;
      if (candidates.includes(endpoint)) return endpoint;
    }
  }

  #turn(): number {
    const turn = this.#next;
    this.#next = turn + 1 < this.#endpoints.length ? turn + 1 : 0;
    return turn;
  }
}
