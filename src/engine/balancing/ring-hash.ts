/**
 * Consistent hashing on a ring of 2^32 places: each endpoint has many of them (virtual nodes, more for a heavier one), and
 * a key belongs to the next place at or behind its own. When an endpoint comes or goes, only its own keys move.
 */
import type { Endpoint, PickRequest } from "../model/endpoint.js";
import type { GroupPicker } from "./group-picker.js";
import { hashText, mix } from "./hash.js";
import { HashMembers } from "./hash-members.js";

/** Places of an endpoint of mean weight, as in ketama: shares are within about 8 % of what they should be. */
const PLACES_PER_ENDPOINT = 160;
/** Owner and place are sorted as one number of 52 bits. */
const OWNER_BITS = 20;
const MAX_PLACES = 2 ** OWNER_BITS;
/** Further than this the ring is not searched: rarely so many places in a row cannot take a request. */
const MAX_STEPS = 128;
/** Second hash of an endpoint's id; any number but the first one's seed. */
const STEP_SEED = 0x5bd1e995;

export class RingHashPicker implements GroupPicker {
  readonly #members: HashMembers;
  readonly #places: Uint32Array;
  readonly #owners: Uint32Array;
  /** First place at or behind b << shift, by b: a key's place is a step or two behind it. */
  readonly #starts: Uint32Array;
  readonly #shift: number;

  constructor(members: readonly Endpoint[], maxLoadPercent: number) {
    this.#members = new HashMembers(members, maxLoadPercent);
    const ring = drawPlaces(this.#members);
    this.#places = Uint32Array.from(ring, (place) => Math.floor(place / MAX_PLACES));
    this.#owners = Uint32Array.from(ring, (place) => place % MAX_PLACES);
    this.#shift = 32 - Math.max(1, Math.floor(Math.log2(ring.length || 1)));
    this.#starts = indexPlaces(this.#places, this.#shift);
  }

  update(active: readonly Endpoint[], weights: Float64Array): void {
    this.#members.update(active, weights);
  }

  pick(request: PickRequest): Endpoint | null {
    const members = this.#members;
    if (!members.begin(request)) return null;
    const hash = request.hash;
    let place = this.#placeOf(hash);
    const steps = Math.min(MAX_STEPS, this.#places.length);
    for (let step = 0; step < steps; step++) {
      const owner = this.#owners[place] as number;
      if (members.accepts(owner)) return members.endpoints[owner] as Endpoint;
      place = place + 1 < this.#places.length ? place + 1 : 0;
    }
    return members.search(hash);
  }

  #placeOf(hash: number): number {
    const places = this.#places;
    let place = this.#starts[hash >>> this.#shift] as number;
    while (place < places.length && (places[place] as number) < hash) place++;
    return place < places.length ? place : 0;
  }
}

/** All places in order, each as place × 2^20 + owner: of places taken twice, the owner of the smaller id comes first. */
function drawPlaces({ endpoints, weights }: HashMembers): Float64Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const each = Math.max(1, Math.min(PLACES_PER_ENDPOINT, Math.floor(MAX_PLACES / (2 * endpoints.length))));
  const counts = Array.from(weights, (weight) => Math.max(1, Math.round((each * endpoints.length * weight) / total)));
  const ring = new Float64Array(counts.reduce((sum, count) => sum + count, 0));
  let at = 0;
  endpoints.forEach(({ id }, owner) => {
    const start = hashText(id);
    const step = hashText(id, STEP_SEED);
    for (let i = 0; i < (counts[owner] as number); i++) ring[at++] = mix(start + Math.imul(i, step)) * MAX_PLACES + owner;
  });
  return ring.sort();
}

function indexPlaces(places: Uint32Array, shift: number): Uint32Array {
  const starts = new Uint32Array(2 ** (32 - shift));
  let place = 0;
  for (let bucket = 0; bucket < starts.length; bucket++) {
    while (place < places.length && (places[place] as number) >>> shift < bucket) place++;
    starts[bucket] = place;
  }
  return starts;
}
