/**
 * The endpoints of a hashed group as its table numbers them, and which of them may take the request at hand: active, not
 * tried before, and with bounded load ("Consistent Hashing with Bounded Loads", Mirrokni, Thorup, Zadimoghaddam) below
 * its share of all attempts under way times the bound. The table itself does not change with any of it, so that a key
 * comes back to its endpoint when the endpoint does.
 */
import type { Endpoint, PickRequest } from "../model/endpoint.js";

/** What is asked of an endpoint, less and less of it: untried and with room, untried, not the last one tried, anything active. */
const STRICTEST = 0;
const UNTRIED = 1;
const NOT_LAST = 2;
const LOOSEST = 3;

/** 25.000000000000004 is 25. */
const ROUNDING = 1e-9;

export class HashMembers {
  /** In the order of their ids, whatever the order of the list: tables are the same everywhere. */
  readonly endpoints: readonly Endpoint[];
  readonly weights: Float64Array;
  readonly #indexes: ReadonlyMap<Endpoint, number>;
  readonly #isActive: Uint8Array;
  /** Numbers of the active ones, ascending. */
  #active = new Uint32Array(0);
  /** Part of the active weight times the bound. */
  readonly #bounds: Float64Array;
  readonly #maxLoadPercent: number;
  #tried: readonly Endpoint[] | null = null;
  /** Attempts under way in the group, this one included; 0: load does not matter. */
  #load = 0;
  #level = STRICTEST;

  constructor(members: readonly Endpoint[], maxLoadPercent: number) {
    this.endpoints = [...members].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
    this.weights = Float64Array.from(this.endpoints, ({ weight }) => weight);
    this.#indexes = new Map(this.endpoints.map((endpoint, index) => [endpoint, index]));
    this.#isActive = new Uint8Array(members.length);
    this.#bounds = new Float64Array(members.length);
    this.#maxLoadPercent = maxLoadPercent;
  }

  update(active: readonly Endpoint[], weights: Float64Array): void {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    this.#isActive.fill(0);
    this.#active = Uint32Array.from(active, (endpoint) => this.#indexes.get(endpoint) as number).sort();
    active.forEach((endpoint, position) => {
      const index = this.#indexes.get(endpoint) as number;
      this.#isActive[index] = 1;
      this.#bounds[index] = ((weights[position] as number) / total) * (this.#maxLoadPercent / 100);
    });
  }

  /** Before a pick. @returns false when there is nobody to pick */
  begin({ tried }: PickRequest): boolean {
    this.#tried = tried;
    this.#level = STRICTEST;
    this.#load = this.#maxLoadPercent === 0 ? 0 : this.#countLoad() + 1;
    return this.#active.length > 0;
  }

  accepts(index: number): boolean {
    if (this.#isActive[index] === 0) return false;
    return (this.#tried === null || this.#isFresh(this.endpoints[index] as Endpoint, this.#tried)) && this.#hasRoom(index);
  }

  /** For keys whose table led to nobody within reason: the first active one behind the key's place that will do. */
  search(hash: number): Endpoint {
    const count = this.#active.length;
    const start = hash % count;
    for (; this.#level <= LOOSEST; this.#level++) {
      for (let i = 0; i < count; i++) {
        const index = this.#active[(start + i) % count] as number;
        if (this.accepts(index)) return this.endpoints[index] as Endpoint;
      }
    }
    throw new Error("an active endpoint refuses everything");
  }

  #isFresh(endpoint: Endpoint, tried: readonly Endpoint[]): boolean {
    if (this.#level <= UNTRIED) return !tried.includes(endpoint);
    return this.#level > NOT_LAST || tried[tried.length - 1] !== endpoint;
  }

  #hasRoom(index: number): boolean {
    if (this.#load === 0 || this.#level > STRICTEST) return true;
    return (this.endpoints[index] as Endpoint).inFlight < Math.ceil((this.#bounds[index] as number) * this.#load - ROUNDING);
  }

  /** The set keeps its own count; only parts of a set have to be added up. */
  #countLoad(): number {
    const set = this.endpoints[0]?.set;
    if (set === undefined) return 0;
    if (set.endpoints.length === this.endpoints.length) return set.inFlight;
    let load = 0;
    for (const endpoint of this.endpoints) load += endpoint.inFlight;
    return load;
  }
}
