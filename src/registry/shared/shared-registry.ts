/**
 * A registry that several gateways share in Redis. The store decides; this gateway knows a copy, which is what heartbeats, lists and sources are
 * answered from. While the store is away the copy goes on: nothing expires, orders are carried out on the copy and written down later.
 */
import { randomBytes } from "node:crypto";
import { type Instance, isOver, type LifeTimes, lapse, type Order, obey, type Registration, type Step, timeInState } from "../instance.js";
import type { InstanceTable } from "../instance-table.js";
import { type KeptOrder, type KeptOrders, newOrderId } from "../kept-orders.js";
import { MAX_INSTANCES, type Registered, type Registry } from "../registry.js";
import { argumentsOf, type Beat, type Heard, readHeard, type Want, type WantResult, wantOf } from "./exchange.js";
import { keyOf, writeRecord } from "./record.js";
import { type RedisLink, StoreFailure } from "./redis-link.js";
import { type NewerHere, Replica } from "./replica.js";

export interface SharedRegistry extends Registry {
  /** Settles, never rejects, when the store has been asked once. */
  readonly ready: Promise<void>;
}

export interface SharedRegistryOptions {
  readonly table: InstanceTable;
  readonly times: LifeTimes;
  /** Also of those before it, whatever their store was. */
  readonly kept: KeptOrders;
  /** Rejects with a `StoreFailure`. */
  readonly open: () => Promise<RedisLink>;
  /** For people: `redis://host:port`. */
  readonly place: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** After the store began, instances have this time to come back. */
  readonly settleMs: number;
  /** `trouble` or `isSettled` has changed. */
  readonly onStatus: () => void;
  readonly log: (message: string) => void;
}

export function createSharedRegistry(options: SharedRegistryOptions): SharedRegistry {
  return new Shared(options);
}

const TICK_MS = 250;
const MIN_PAUSE_MS = 50;
/** The store gives heartbeats five seconds to come back. */
const MAX_PAUSE_MS = 1_000;
const MAX_BEATS = 1_000;
const MAX_WANTS = 200;
const MAX_TRIES = 10;
const LEASES_MS = 10_000;
const STALE_PAUSE_MS = 2_000;

class Shared implements SharedRegistry {
  readonly ready: Promise<void>;
  isSettled = false;
  trouble = "";
  readonly #options: SharedRegistryOptions;
  readonly #table: InstanceTable;
  readonly #replica: Replica;
  readonly #gateway = randomBytes(8).toString("hex");
  /** Keys whose leases are to be renewed. */
  readonly #beats = new Set<string>();
  readonly #wants: Want[] = [];
  readonly #kept: KeptOrders;
  /** Keys whose time is over, while the store is asked. */
  readonly #lapsing = new Set<string>();
  /** Keys that the store had not when it was last asked for all. */
  #missing: ReadonlySet<string> = new Set();
  /** Keys of which the store has not heard (again) yet. */
  readonly #unsaid = new Set<string>();
  readonly #ended: Promise<void>;
  #wasAsked: () => void = () => {};
  #times: LifeTimes;
  /** Null while the store is away. */
  #link: RedisLink | null = null;
  #epoch = "";
  #runId = "";
  #clockOffsetMs = 0;
  /** The store's own clock, by which leases run. */
  #clockMs = 0;
  #leasesReadAtMs = 0;
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(options: SharedRegistryOptions) {
    this.#options = options;
    this.#table = options.table;
    this.#times = options.times;
    this.#kept = options.kept;
    this.#replica = new Replica(options.table);
    this.ready = new Promise((resolve) => {
      this.#wasAsked = resolve;
    });
    this.#ended = this.#follow();
  }

  async register(service: string, id: string, registration: Registration): Promise<Registered> {
    const known = this.#table.get(service, id);
    if (known === null && !this.#table.hasRoomFor(service)) return "full";
    const outcome = await this.#carryOut(service, id, { kind: "register", registration });
    if (outcome === "full") return "full";
    return outcome?.event === "registered" ? "created" : "updated";
  }

  heartbeat(service: string, id: string): boolean {
    const known = this.#table.get(service, id);
    if (known === null || known.state === "removed") return false;
    if (known.state === "expired") void this.#carryOut(service, id, HEARTBEAT);
    else this.#renew(service, known);
    return true;
  }

  async drain(service: string, id: string): Promise<boolean> {
    return (await this.#carryOut(service, id, DRAIN)) !== null;
  }

  async restore(service: string, id: string): Promise<boolean> {
    return (await this.#carryOut(service, id, RESTORE)) !== null;
  }

  setTimes(times: LifeTimes): void {
    this.#times = times;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    await this.#ended;
  }

  // ── Orders ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Null: there is no instance to obey it. */
  async #carryOut(service: string, id: string, order: Order, orderId = newOrderId()): Promise<Step | "full" | null> {
    for (let tries = 0; tries < MAX_TRIES && this.#link !== null; tries++) {
      const known = this.#table.get(service, id);
      const step = obey(known, id, order, this.#now());
      if (step === null) return null;
      if (step.event === null) {
        if (order.kind !== "drain") this.#renew(service, step.next);
        return step;
      }
      const result = await this.#ask({ ...wantOf(service, known, step, this.#times), order: orderId, isIfDue: false });
      if (result === "done") return step;
      if (result === "full") return "full";
      if (result === "failed") break;
    }
    return this.#keep(service, id, order, orderId);
  }

  #ask(want: Omit<Want, "settle">): Promise<WantResult | "failed"> {
    return new Promise((settle) => {
      this.#wants.push({ ...want, settle });
      this.#wake();
    });
  }

  /** Nobody sees it: the store hears of it with many others. */
  #renew(service: string, instance: Instance): void {
    this.#table.put(service, { ...instance, renewedAtMs: this.#now() }, null);
    if (instance.state === "up") this.#beats.add(keyOf(service, instance.id));
  }

  /** Carried out here; the store hears of it when it is back. */
  #keep(service: string, id: string, order: Order, orderId: string): Step | "full" | null {
    const known = this.#table.get(service, id);
    const step = obey(known, id, order, this.#now());
    if (step === null) return null;
    if (step.event === null) {
      if (order.kind !== "drain") this.#renew(service, step.next);
      return step;
    }
    if (known === null && this.#table.count >= MAX_INSTANCES) return "full";
    this.#kept.add(keyOf(service, id), order, orderId);
    this.#table.put(service, step.next, { index: this.#table.indexOf(service) + 1, event: null, atMs: 0 });
    return step;
  }

  // ── Following the store ────────────────────────────────────────────────────────────────────────────────────────

  async #follow(): Promise<void> {
    let pauseMs = MIN_PAUSE_MS;
    while (!this.#isClosed) {
      try {
        await this.#attend();
        return;
      } catch (error) {
        pauseMs = this.trouble === "" ? MIN_PAUSE_MS : Math.min(2 * pauseMs, MAX_PAUSE_MS);
        this.#say(`${this.#options.place} ${error instanceof StoreFailure ? error.message : "holds what cannot be understood"}`);
      }
      this.#wasAsked();
      await this.#pause(pauseMs * (0.5 + Math.random() / 2));
    }
  }

  /** Until the registry is closed; rejects when the store is away. */
  async #attend(): Promise<void> {
    const link = await this.#options.open();
    try {
      await this.#meet(link);
      this.#say("");
      this.#wasAsked();
      while (!this.#isClosed) {
        const isUpToDate = await this.#exchange(link);
        // Kept ones come late from a registry before this one, or from an order that others were always faster than.
        if (!isUpToDate || this.#kept.count > 0) await this.#meet(link);
        else if (this.#wants.length === 0 && this.#beats.size < MAX_BEATS) await this.#pause(TICK_MS);
        if (!(await this.#readLeases(link))) await this.#meet(link);
      }
      await this.#exchange(link);
      await link.signOff(this.#gateway);
    } finally {
      this.#link = null;
      link.close();
      for (const want of this.#wants.splice(0)) want.settle("failed");
    }
  }

  /** One call. False: what is known has to be compared with all that the store holds. */
  async #exchange(link: RedisLink): Promise<boolean> {
    const wants = this.#wants.splice(0, MAX_WANTS);
    const beats = this.#takeBeats();
    let results: readonly (WantResult | "failed")[] = [];
    try {
      const said = { epoch: this.#epoch, gateway: this.#gateway, revision: this.#replica.revision, beats, wants };
      const heard = readHeard(await link.exchange(argumentsOf(said)));
      results = heard?.results ?? wants.map(() => "stale");
      if (heard === null) for (const { key } of beats) this.#beats.add(key);
      const isUpToDate = heard !== null && (await this.#hear(link, heard, beats));
      return isUpToDate;
    } catch (error) {
      for (const { key } of beats) this.#beats.add(key);
      throw error;
    } finally {
      // Only now: what was changed can be seen here by those who hear that it was.
      wants.forEach((want, i) => want.settle(results[i] ?? "failed"));
    }
  }

  async #hear(link: RedisLink, first: Heard, beats: readonly Beat[]): Promise<boolean> {
    for (let heard = first; ; ) {
      const { revision } = this.#replica;
      this.#clockOffsetMs = heard.timeMs - this.#options.now();
      this.#offer(this.#replica.apply(heard.entries, heard.records));
      for (const key of heard.due) this.#letLapse(key);
      if (!heard.hasMore || this.#replica.revision === revision) break;
      const said = { epoch: this.#epoch, gateway: this.#gateway, revision: this.#replica.revision, beats: [], wants: [] };
      const next = readHeard(await link.exchange(argumentsOf(said)));
      if (next === null) return false;
      heard = next;
    }
    this.#settle(first.clockMs);
    for (const key of first.stale) this.#renewAgain(key, beats);
    return true;
  }

  #takeBeats(): Beat[] {
    const beats: Beat[] = [];
    for (const key of this.#beats) {
      this.#beats.delete(key);
      const known = this.#instanceAt(key);
      if (known?.state === "up") beats.push({ key, revision: known.revision, leaseMs: known.leaseMs });
      if (beats.length === MAX_BEATS) break;
    }
    return beats;
  }

  /** A heartbeat for a record that had changed, which is known by now. */
  #renewAgain(key: string, beats: readonly Beat[]): void {
    const known = this.#instanceAt(key);
    if (known === null || known.revision === beats.find((beat) => beat.key === key)?.revision) return;
    const [service = "", id = ""] = key.split("/");
    this.heartbeat(service, id);
  }

  /** Every gateway tries; the store lets one of them. */
  #letLapse(key: string): void {
    const known = this.#instanceAt(key);
    if (known === null || this.#lapsing.has(key)) return;
    this.#lapsing.add(key);
    const want = wantOf(serviceOf(key), known, lapse(known, this.#now()), this.#times);
    // One whose record cannot be read here would be asked for without a pause.
    const forget = (result: WantResult | "failed"): void => {
      if (result === "stale") setTimeout(() => this.#lapsing.delete(key), STALE_PAUSE_MS).unref();
      else this.#lapsing.delete(key);
    };
    this.#wants.push({ ...want, order: "", isIfDue: true, settle: forget });
  }

  // ── Meeting the store, again or for the first time ─────────────────────────────────────────────────────────────

  async #meet(link: RedisLink): Promise<void> {
    const epoch = await link.claimEpoch(randomBytes(9).toString("base64url"));
    const mayHaveLost = epoch !== this.#epoch || link.runId === "" || link.runId !== this.#runId;
    const revision = await link.revision();
    const newer = new Map<string, NewerHere>();
    const found = new Set<string>();
    for await (const [key, text] of link.instances()) {
      found.add(key);
      const record = this.#replica.read(key, text);
      if (record !== null && this.#hasOutlived(record.instance, this.#instanceAt(key))) this.#kept.add(key, HEARTBEAT);
      const more = record && this.#replica.adopt(record, (stored) => this.#afterKept(key, stored));
      if (more !== null) newer.set(key, more);
    }
    const log = await link.log();
    for (const [service, instance] of [...this.#table.all()]) {
      const key = keyOf(service, instance.id);
      if (this.#kept.has(key)) newer.set(key, newer.get(key) ?? { service, instance, over: found.has(key) ? instance.revision : 0 });
      if (this.#missing.has(key)) newer.set(key, newer.get(key) ?? { service, instance, over: found.has(key) ? instance.revision : 0 });
      if (found.has(key) || newer.has(key)) continue;
      if (mayHaveLost || instance.revision === 0 || this.#unsaid.has(key)) newer.set(key, { service, instance, over: 0 });
      else this.#table.remove(service, instance.id, { index: this.#table.indexOf(service) + 1, event: null, atMs: 0 });
    }
    this.#replica.revision = revision;
    this.#replica.learn(log);
    [this.#epoch, this.#runId, this.#link] = [epoch, link.runId, link];
    this.#offer([...newer.values()]);
    // What is left is of instances that neither side knows.
    this.#kept.clear();
  }

  /** Its lease ended in the store while its heartbeats came here, and the store could not be told. */
  #hasOutlived(stored: Instance, known: Instance | null): boolean {
    if (known?.state !== "up" || stored.state !== "expired") return false;
    return known.renewedAtMs > stored.changedAtMs && !isOver(known, this.#times, this.#now());
  }

  /** What it is here, where it has obeyed more than the store has heard of. */
  #afterKept(key: string, stored: Instance): Instance {
    return this.#kept.of(key).reduce((known, { order }) => obey(known, known.id, order, this.#now())?.next ?? known, stored);
  }

  /** Tells the store what it has lost or not heard of. When another gateway was first, both are compared, and orders repeated. */
  #offer(newer: readonly NewerHere[]): void {
    for (const { service, instance, over } of newer) {
      const key = keyOf(service, instance.id);
      const kept = this.#kept.take(key);
      const last = kept.at(-1);
      this.#unsaid.add(key);
      this.#wants.push({
        order: last?.id ?? "",
        key,
        over,
        record: writeRecord(instance, last === undefined || over === 0 ? instance.revision : 0),
        delayMs: timeInState(instance, this.#times),
        event: last === undefined ? "recovered" : EVENT_OF[last.order.kind],
        isIfDue: false,
        settle: (result) => this.#wasOffered(key, kept, result),
      });
    }
  }

  #wasOffered(key: string, kept: readonly KeptOrder[], result: WantResult | "failed"): void {
    if (result === "failed") return this.#kept.giveBack(key, kept);
    this.#unsaid.delete(key);
    if (result === "full") this.#options.log(`${this.#options.place} has no room for ${key}`);
    if (result !== "stale") return;
    const [service = "", id = ""] = key.split("/");
    void kept.reduce((before, { id: orderId, order }) => before.then(() => this.#carryOut(service, id, order, orderId)), NOTHING);
  }

  /**
   * When instances of other gateways were renewed, which people want to know, and whether the store has all of them still: keys of it may
   * have been evicted or deleted by hand. False: twice in a row it has not.
   */
  async #readLeases(link: RedisLink): Promise<boolean> {
    const nowMs = this.#now();
    if (nowMs - this.#leasesReadAtMs < LEASES_MS) return true;
    this.#leasesReadAtMs = nowMs;
    const due = new Map(await link.due());
    const missing = Array.from(this.#table.all(), ([service, { id }]) => keyOf(service, id)).filter(
      (key) => !due.has(key) && !this.#unsaid.has(key),
    );
    const isComplete = !missing.some((key) => this.#missing.has(key));
    this.#missing = new Set(missing);
    // Whatever else it has lost, it is to be told.
    if (!isComplete) this.#epoch = "";
    for (const [key, atMs] of due) {
      const known = this.#instanceAt(key);
      // Whatever number stands there: nothing was renewed later than now.
      const renewedAtMs = Math.min(nowMs, Math.round(nowMs - (this.#clockMs - (atMs - (known?.leaseMs ?? 0)))));
      if (known?.state !== "up" || !(renewedAtMs > known.renewedAtMs)) continue;
      this.#table.put(serviceOf(key), { ...known, renewedAtMs }, null);
    }
    this.#table.tidy();
    return isComplete;
  }

  // ── Small things ───────────────────────────────────────────────────────────────────────────────────────────────

  #instanceAt(key: string): Instance | null {
    const slash = key.indexOf("/");
    return this.#table.get(key.slice(0, slash), key.slice(slash + 1));
  }

  /** By the clock of the store's machine, so that gateways write the same times. */
  #now(): number {
    return this.#options.now() + this.#clockOffsetMs;
  }

  #pause(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#isClosed ? 0 : pauseMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #settle(clockMs: number): void {
    this.#clockMs = clockMs;
    if (this.isSettled || clockMs < this.#options.settleMs) return;
    this.isSettled = true;
    this.#options.onStatus();
  }

  #say(trouble: string): void {
    if (trouble === this.trouble) return;
    this.#options.log(trouble === "" ? `${this.#options.place} is well again` : `${trouble}; the registry goes on with what it knows`);
    this.trouble = trouble;
    this.#options.onStatus();
  }
}

function serviceOf(key: string): string {
  return key.slice(0, key.indexOf("/"));
}

const EVENT_OF = { register: "registered", heartbeat: "renewed", drain: "draining", restore: "restored" } as const;

const NOTHING: Promise<unknown> = Promise.resolve();
const HEARTBEAT: Order = { kind: "heartbeat" };
const DRAIN: Order = { kind: "drain" };
const RESTORE: Order = { kind: "restore" };
