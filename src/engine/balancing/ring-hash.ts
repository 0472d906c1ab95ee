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
/** Of all endpoints together, about; very many of them have fewer each. */
const MAX_PLACES = 2 ** 20;
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
    const { places, owners } = drawPlaces(this.#members);
    this.#places = places;
    this.#owners = owners;
    this.#shift = 32 - Math.max(1, Math.floor(Math.log2(places.length || 1)));
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

interface Ring {
  readonly places: Uint32Array;
  readonly owners: Uint32Array;
}

function drawPlaces({ endpoints, weights }: HashMembers): Ring {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const each = Math.max(1, Math.min(PLACES_PER_ENDPOINT, Math.floor(MAX_PLACES / (2 * endpoints.length))));
  const counts = Array.from(weights, (weight) => Math.max(1, Math.round((each * endpoints.length * weight) / total)));
  const size = counts.reduce((sum, count) => sum + count, 0);
  const ring = { places: new Uint32Array(size), owners: new Uint32Array(size) };
  let at = 0;
  endpoints.forEach(({ id }, owner) => {
    const start = hashText(id);
    const step = hashText(id, STEP_SEED);
    for (let i = 0; i < (counts[owner] as number); i++) {
      ring.places[at] = mix(start + Math.imul(i, step));
      ring.owners[at++] = owner;
    }
  });
  return sortByDigit(sortByDigit(ring, 0), 16);
}

/** One round of a radix sort, for a ring of 160,000 places should not hold up requests. Stable: of places taken twice, the smaller id's comes first. */
function sortByDigit({ places, owners }: Ring, shift: number): Ring {
  const ends = new Uint32Array(2 ** 16 + 1);
  for (const place of places) {
    const digit = (place >>> shift) & 0xffff;
    ends[digit + 1] = (ends[digit + 1] as number) + 1;
  }
  for (let digit = 1; digit < ends.length; digit++) ends[digit] = (ends[digit] as number) + (ends[digit - 1] as number);
  const sorted = { places: new Uint32Array(places.length), owners: new Uint32Array(places.length) };
  for (let i = 0; i < places.length; i++) {
    const place = places[i] as number;
    const digit = (place >>> shift) & 0xffff;
    const to = ends[digit] as number;
    ends[digit] = to + 1;
    sorted.places[to] = place;
    sorted.owners[to] = owners[i] as number;
  }
  return sorted;
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
