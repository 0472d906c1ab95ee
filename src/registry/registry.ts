/**
 * The instances of all services, in memory. Every change that others can see raises the index of its service, which is what long
 * polls wait for; heartbeats raise none. Bounded in services, instances and history.
 */
import { age, type Instance, inState, type LifeTimes, type Registration, renew } from "./instance.js";

export interface RegistryEvent {
  readonly at: string;
  readonly id: string;
  readonly event: "registered" | "changed" | "expired" | "renewed" | "draining" | "restored" | "removed" | "gone";
}

export interface ServiceInstances {
  /** Of the service; 0 when it never had an instance. */
  readonly index: number;
  /** In the order of their ids. */
  readonly instances: readonly Instance[];
}

export type Registered = "created" | "updated" | "full";

export interface Registry {
  /** The same again is a heartbeat. */
  register(service: string, id: string, registration: Registration, nowMs: number): Registered;
  /** False: it is not registered (any more) and should register. */
  heartbeat(service: string, id: string, nowMs: number): boolean;
  /** False: there is no such instance. */
  drain(service: string, id: string, nowMs: number): boolean;
  /** Ends draining, and brings back what was removed, with a new lease. */
  restore(service: string, id: string, nowMs: number): boolean;
  /** Lets time pass for all of them. */
  sweep(nowMs: number): void;
  setTimes(times: LifeTimes): void;
  instancesOf(service: string): ServiceInstances;
  services(): readonly string[];
  /** Newest last. */
  historyOf(service: string): readonly RegistryEvent[];
  /** Called after each change; returns how to end that. */
  onChange(service: string, changed: () => void): () => void;
}

const MAX_INSTANCES = 20_000;
const MAX_SERVICES = 2_000;
const MAX_HISTORY = 200;

export function createRegistry(times: LifeTimes): Registry {
  return new MemoryRegistry(times);
}

interface ServiceRecord {
  index: number;
  readonly instances: Map<string, Instance>;
  readonly history: RegistryEvent[];
}

class MemoryRegistry implements Registry {
  readonly #services = new Map<string, ServiceRecord>();
  readonly #listeners = new Map<string, Set<() => void>>();
  #times: LifeTimes;
  #count = 0;
  #index = 0;

  constructor(times: LifeTimes) {
    this.#times = times;
  }

  register(service: string, id: string, registration: Registration, nowMs: number): Registered {
    const record = this.#services.get(service) ?? this.#add(service);
    const known = record?.instances.get(id);
    if (record === null || (known === undefined && this.#count >= MAX_INSTANCES)) return "full";
    if (known === undefined) this.#count++;
    const isBack = known === undefined || known.state === "removed";
    const begun = { id, state: "up", registeredAtMs: nowMs, renewedAtMs: nowMs, changedAtMs: nowMs } as const;
    const now = isBack ? { ...begun, ...registration } : { ...renew(known, nowMs), ...registration };
    record.instances.set(id, now);
    if (isBack) this.#changed(service, record, { id, event: "registered", nowMs });
    else if (!isSame(known, now)) this.#changed(service, record, { id, event: "changed", nowMs });
    return isBack ? "created" : "updated";
  }

  heartbeat(service: string, id: string, nowMs: number): boolean {
    const record = this.#services.get(service);
    const known = record?.instances.get(id);
    if (record === undefined || known === undefined || known.state === "removed") return false;
    const now = renew(known, nowMs);
    record.instances.set(id, now);
    if (now.state !== known.state) this.#changed(service, record, { id, event: "renewed", nowMs });
    return true;
  }

  drain(service: string, id: string, nowMs: number): boolean {
    return this.#move(service, id, (known) => {
      // What nobody calls any more has nothing to finish.
      const next = known.state === "removed" || known.state === "expired" ? "removed" : "draining";
      return { next: inState(known, next, nowMs), event: next, nowMs };
    });
  }

  restore(service: string, id: string, nowMs: number): boolean {
    return this.#move(service, id, (known) => ({
      next: { ...inState(known, "up", nowMs), renewedAtMs: nowMs },
      event: "restored",
      nowMs,
    }));
  }

  sweep(nowMs: number): void {
    for (const [service, record] of this.#services) {
      for (const known of record.instances.values()) this.#age(service, record, known, nowMs);
      if (record.instances.size === 0 && !this.#listeners.has(service)) this.#services.delete(service);
    }
  }

  setTimes(times: LifeTimes): void {
    this.#times = times;
  }

  instancesOf(service: string): ServiceInstances {
    const record = this.#services.get(service);
    const instances = [...(record?.instances.values() ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1));
    return { index: record?.index ?? 0, instances };
  }

  services(): readonly string[] {
    return [...this.#services.keys()].sort();
  }

  historyOf(service: string): readonly RegistryEvent[] {
    return this.#services.get(service)?.history ?? [];
  }

  onChange(service: string, changed: () => void): () => void {
    const listeners = this.#listeners.get(service) ?? new Set();
    this.#listeners.set(service, listeners.add(changed));
    return () => {
      listeners.delete(changed);
      if (listeners.size === 0) this.#listeners.delete(service);
    };
  }

  #add(service: string): ServiceRecord | null {
    if (this.#services.size >= MAX_SERVICES) return null;
    const record: ServiceRecord = { index: 0, instances: new Map(), history: [] };
    this.#services.set(service, record);
    return record;
  }

  #move(service: string, id: string, change: (known: Instance) => Move): boolean {
    const record = this.#services.get(service);
    const known = record?.instances.get(id);
    if (record === undefined || known === undefined) return false;
    const { next, event, nowMs } = change(known);
    record.instances.set(id, next);
    if (next.state !== known.state) this.#changed(service, record, { id, event, nowMs });
    return true;
  }

  #age(service: string, record: ServiceRecord, known: Instance, nowMs: number): void {
    const now = age(known, this.#times, nowMs);
    if (now === known) return;
    if (now === null) {
      record.instances.delete(known.id);
      this.#count--;
    } else record.instances.set(known.id, now);
    this.#changed(service, record, { id: known.id, event: now === null ? "gone" : (now.state as "expired" | "removed"), nowMs });
  }

  #changed(service: string, record: ServiceRecord, { id, event, nowMs }: Omit<Move, "next"> & { readonly id: string }): void {
    record.index = ++this.#index;
    record.history.push({ at: new Date(nowMs).toISOString(), id, event });
    if (record.history.length > MAX_HISTORY) record.history.shift();
    for (const listener of [...(this.#listeners.get(service) ?? [])]) listener();
  }
}

interface Move {
  readonly next: Instance;
  readonly event: RegistryEvent["event"];
  readonly nowMs: number;
}

function isSame(a: Instance, b: Instance): boolean {
  const visible = ({ address, weight, zone, priority, labels, state }: Instance): string =>
    JSON.stringify([address, weight, zone, priority, labels, state]);
  return visible(a) === visible(b);
}
