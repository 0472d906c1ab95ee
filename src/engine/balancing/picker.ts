/**
 * The picker of a service, or of a subset of it. What is slow to find out (who belongs to which priority and zone, who may
 * take traffic, what share each group gets) is found out when it changes; a pick compares two numbers to know that it has
 * not, and asks the algorithm of the only group, or of one group drawn by share.
 */
import type { Endpoint, EndpointSet, Picker, PickRequest } from "../model/endpoint.js";
import type { BalanceSpec, SubsetSpec } from "../model/snapshot.js";
import { type EligibleLevel, findEligible, nextExpiry } from "./eligibility.js";
import { EwmaPicker } from "./ewma.js";
import type { GroupPicker } from "./group-picker.js";
import { mix } from "./hash.js";
import { type Group, type Level, layOut } from "./layout.js";
import { LeastRequestPicker } from "./least-request.js";
import { MaglevPicker } from "./maglev.js";
import { RandomPicker } from "./random.js";
import { RingHashPicker } from "./ring-hash.js";
import { RoundRobinPicker } from "./round-robin.js";
import { isStarting, nextStep, presentWeight } from "./slow-start.js";
import { shareOfLocalZone } from "./spill-over.js";

export interface PickerRules {
  readonly balance: BalanceSpec;
  readonly subset: SubsetSpec | null;
  /** Where this gateway runs; "": unknown. */
  readonly zone: string;
}

/** Owned by nobody in particular: made for a service's set, told nothing, it watches the set's generation. */
export function createPicker(set: EndpointSet, rules: PickerRules): Picker {
  return new ServicePicker(set, rules);
}

export function isHashing({ algorithm }: Pick<BalanceSpec, "algorithm">): boolean {
  return algorithm === "ringHash" || algorithm === "maglev";
}

function createGroupPicker({ algorithm, maxLoadPercent }: BalanceSpec, members: readonly Endpoint[]): GroupPicker {
  switch (algorithm) {
    case "roundRobin":
      return new RoundRobinPicker();
    case "leastRequest":
      return new LeastRequestPicker();
    case "ewma":
      return new EwmaPicker();
    case "random":
      return new RandomPicker();
    case "ringHash":
      return new RingHashPicker(members, maxLoadPercent);
    case "maglev":
      return new MaglevPicker(members, maxLoadPercent);
  }
}

interface ActiveGroup {
  readonly endpoints: readonly Endpoint[];
  readonly picker: GroupPicker;
  readonly share: number;
  readonly priority: number;
}

/** Keys choose their group and their endpoint by different hashes. */
const GROUP_SEED = 0x9e3779b9;

class ServicePicker implements Picker {
  readonly #set: EndpointSet;
  readonly #rules: PickerRules;
  readonly #slowStartMs: number;
  #layout = -1;
  #generation = -1;
  #levels: readonly Level[] = [];
  #groups: readonly ActiveGroup[] = [];
  /** Other zones without a share, for retries. Priorities without a share stay out of use. */
  #reserves: readonly ActiveGroup[] = [];
  /** The usual case: one group takes everything. */
  #only: GroupPicker | null = null;
  /** Something changes by itself then. */
  #nextChangeAt = 0;

  constructor(set: EndpointSet, rules: PickerRules) {
    this.#set = set;
    this.#rules = rules;
    this.#slowStartMs = isHashing(rules.balance) ? 0 : rules.balance.slowStartMs;
    this.#layOut();
  }

  pick(request: PickRequest): Endpoint | null {
    if (this.#set.generation !== this.#generation || request.now >= this.#nextChangeAt) this.#rebuild(request.now);
    if (this.#only !== null && (request.tried === null || this.#reserves.length === 0)) return this.#only.pick(request);
    return this.#groups.length === 0 ? null : this.#pickGroup(request).picker.pick(request);
  }

  #pickGroup(request: PickRequest): ActiveGroup {
    const isHashed = isHashing(this.#rules.balance);
    let point = isHashed ? mix(request.hash ^ GROUP_SEED) / 2 ** 32 : request.random;
    let chosen = 0;
    for (let i = 0; i < this.#groups.length; i++) {
      const { share } = this.#groups[i] as ActiveGroup;
      chosen = i;
      if (point < share) {
        // What this draw leaves of the random number is again evenly spread over 0…1.
        if (!isHashed) request.random = point / share;
        break;
      }
      point -= share;
    }
    const group = this.#groups[chosen] as ActiveGroup;
    return request.tried === null ? group : this.#withUntried(group, request.tried);
  }

  /**
   * A retry goes to another zone of the same priority first, because what fails in a zone often fails there together, and leaves any
   * group when that has nobody new to ask, and others have.
   */
  #withUntried(drawn: ActiveGroup, tried: readonly Endpoint[]): ActiveGroup {
    const groups = [drawn, ...this.#groups, ...this.#reserves];
    const last = tried[tried.length - 1];
    return (
      groups.find((group) => group.priority === last?.priority && !group.endpoints.some((endpoint) => tried.includes(endpoint))) ??
      groups.find(({ endpoints }) => endpoints.some((endpoint) => !tried.includes(endpoint))) ??
      groups.find(({ endpoints }) => endpoints.some((endpoint) => endpoint !== last)) ??
      drawn
    );
  }

  #layOut(): void {
    const { balance, subset, zone } = this.#rules;
    this.#layout = this.#set.layout;
    this.#levels = layOut(this.#set.endpoints, {
      subset,
      zone: balance.prefersLocalZone ? zone : "",
      createGroupPicker: (members) => createGroupPicker(balance, members),
    });
  }

  #rebuild(now: number): void {
    if (this.#set.layout !== this.#layout) this.#layOut();
    this.#generation = this.#set.generation;
    this.#nextChangeAt = nextExpiry(this.#levels, now);
    const eligible = findEligible(this.#levels, this.#rules.balance, now);
    const groups = eligible.flatMap((found) => this.#activate(found, now));
    this.#groups = groups.filter(({ share }) => share > 0);
    this.#reserves = groups.filter(({ share }) => share <= 0);
    this.#only = this.#groups.length === 1 ? (this.#groups[0] as ActiveGroup).picker : null;
  }

  #activate(found: EligibleLevel, now: number): ActiveGroup[] {
    const { level, share } = found;
    const local = membersIn(level.local, found);
    const remote = membersIn(level.remote, found);
    const localShare = localShareOf(found, local, remote);
    return [
      ...this.#group(level.local, local, share * localShare, now),
      ...this.#group(level.remote, remote, share * (1 - localShare), now),
    ];
  }

  #group({ picker }: Group, endpoints: readonly Endpoint[], share: number, now: number): ActiveGroup[] {
    if (endpoints.length === 0) return [];
    picker.update(endpoints, this.#weightsOf(endpoints, now));
    return [{ endpoints, picker, share, priority: endpoints[0]?.priority ?? 0 }];
  }

  #weightsOf(endpoints: readonly Endpoint[], now: number): Float64Array {
    const slowStartMs = this.#slowStartMs;
    return Float64Array.from(endpoints, (endpoint) => {
      if (!isStarting(endpoint, slowStartMs, now)) return endpoint.weight;
      this.#nextChangeAt = Math.min(this.#nextChangeAt, nextStep(endpoint, slowStartMs, now));
      return presentWeight(endpoint, slowStartMs, now);
    });
  }
}

function membersIn({ members }: Group, { active }: EligibleLevel): readonly Endpoint[] {
  if (members.length === 0) return members;
  const wanted = new Set(members);
  return active.filter((endpoint) => wanted.has(endpoint));
}

/** In panic health says nothing, and zones are all alike. */
function localShareOf({ isPanicking, healthyLocalShare }: EligibleLevel, local: readonly Endpoint[], remote: readonly Endpoint[]): number {
  if (local.length === 0) return 0;
  if (remote.length === 0) return 1;
  if (!isPanicking) return shareOfLocalZone(healthyLocalShare);
  const weight = (endpoints: readonly Endpoint[]): number => endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0);
  return weight(local) / (weight(local) + weight(remote));
}
