/**
 * Consistent hashing by table ("Maglev", Eisenbud et al., NSDI 2016): endpoints take turns to fill a table of prime size,
 * each in an order of its own, so that shares are almost exact. A pick is one look into the table. Compared with the
 * ring: more even, but a few further keys move when an endpoint comes or goes.
 */
import type { Endpoint, PickRequest } from "../model/endpoint.js";
import type { GroupPicker } from "./group-picker.js";
import { hashText, mix } from "./hash.js";
import { HashMembers } from "./hash-members.js";

/** Primes: with up to 4,096 endpoints the small one, which leaves each at least 16 slots. */
const SLOTS = 65_537;
const MANY_SLOTS = 655_373;
const MANY_ENDPOINTS = 4_096;
/** Rarely so many slots in a row cannot take a request. */
const MAX_STEPS = 32;
/** Second hash of an endpoint's id; any number but the first one's seed. */
const SKIP_SEED = 0x5bd1e995;

export class MaglevPicker implements GroupPicker {
  readonly #members: HashMembers;
  /** Slot → endpoint. */
  readonly #table: Uint32Array;

  constructor(members: readonly Endpoint[], maxLoadPercent: number) {
    this.#members = new HashMembers(members, maxLoadPercent);
    this.#table = fillTable(this.#members, members.length > MANY_ENDPOINTS ? MANY_SLOTS : SLOTS);
  }

  update(active: readonly Endpoint[], weights: Float64Array): void {
    this.#members.update(active, weights);
  }

  pick(request: PickRequest): Endpoint | null {
    const members = this.#members;
    if (!members.begin(request)) return null;
    const slots = this.#table.length;
    let slot = Math.floor(request.hash * (slots / 2 ** 32));
    const first = this.#table[slot] as number;
    if (members.accepts(first)) return members.endpoints[first] as Endpoint;
    // A way of its own for each key: the keys of an endpoint that is out are spread over all others.
    const skip = 1 + (mix(request.hash + SKIP_SEED) % (slots - 1));
    for (let step = 0; step < MAX_STEPS; step++) {
      slot = (slot + skip) % slots;
      const owner = this.#table[slot] as number;
      if (members.accepts(owner)) return members.endpoints[owner] as Endpoint;
    }
    return members.search(request.hash);
  }
}

const EMPTY = 0xffff_ffff;
/** The mean of equal weights may be a little more than each of them. */
const ROUNDING = 1e-9;

/** Heavier endpoints have several turns in a round, lighter ones miss some; so the work is that of the slots, whatever the weights. */
function fillTable({ endpoints, weights }: HashMembers, slots: number): Uint32Array {
  const table = new Uint32Array(slots).fill(EMPTY);
  if (endpoints.length === 0) return table;
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
  const skips = Uint32Array.from(endpoints, ({ id }) => 1 + (hashText(id, SKIP_SEED) % (slots - 1)));
  const next = Uint32Array.from(endpoints, ({ id }) => hashText(id) % slots);
  /** What each one has saved up for turns; a turn costs the mean weight. */
  const saved = new Float64Array(endpoints.length);
  for (let filled = 0; ; ) {
    for (let i = 0; i < endpoints.length; i++) {
      saved[i] = (saved[i] as number) + (weights[i] as number);
      for (; (saved[i] as number) >= mean - ROUNDING; saved[i] = (saved[i] as number) - mean) {
        let slot = next[i] as number;
        while (table[slot] !== EMPTY) slot = (slot + (skips[i] as number)) % slots;
        table[slot] = i;
        next[i] = (slot + (skips[i] as number)) % slots;
        if (++filled === slots) return table;
      }
    }
  }
}
