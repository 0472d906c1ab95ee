/** A registry whose instances are nowhere but here: this process decides, by its own clock. */
import { isOver, type LifeTimes, lapse, type Order, obey, type Registration } from "./instance.js";
import type { Change, InstanceTable } from "./instance-table.js";
import { createKeptOrders, type KeptOrders } from "./kept-orders.js";
import { MAX_INSTANCES, type Registered, type Registry } from "./registry.js";
import { keyOf } from "./shared/record.js";

export interface MemoryRegistry extends Registry {
  register(service: string, id: string, registration: Registration): Registered;
  drain(service: string, id: string): boolean;
  restore(service: string, id: string): boolean;
  /** Lets time pass for all of them. */
  sweep(): void;
}

export interface MemoryRegistryOptions {
  readonly table: InstanceTable;
  readonly times: LifeTimes;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** How long instances have to come back, after a start. */
  readonly settleMs: number;
  /** For a store that may come back: what is ordered after what it has not heard of takes its place. */
  readonly kept?: KeptOrders;
}

/** Every lease in the table begins anew. */
export function createMemoryRegistry(options: MemoryRegistryOptions): MemoryRegistry {
  return new InMemory(options);
}

class InMemory implements MemoryRegistry {
  readonly trouble = "";
  readonly #table: InstanceTable;
  readonly #now: () => number;
  readonly #settledAtMs: number;
  readonly #kept: KeptOrders;
  #times: LifeTimes;

  constructor({ table, times, now, settleMs, kept = createKeptOrders() }: MemoryRegistryOptions) {
    this.#table = table;
    this.#times = times;
    this.#now = now;
    this.#kept = kept;
    this.#settledAtMs = now() + settleMs;
    for (const [service, instance] of [...table.all()]) table.put(service, { ...instance, renewedAtMs: now(), revision: 0 }, null);
  }

  get isSettled(): boolean {
    return this.#now() >= this.#settledAtMs;
  }

  register(service: string, id: string, registration: Registration): Registered {
    const known = this.#table.get(service, id);
    if (known === null && (this.#table.count >= MAX_INSTANCES || !this.#table.hasRoomFor(service))) return "full";
    this.#obey(service, id, { kind: "register", registration });
    return known === null || known.state === "removed" ? "created" : "updated";
  }

  heartbeat(service: string, id: string): boolean {
    return this.#obey(service, id, HEARTBEAT);
  }

  drain(service: string, id: string): boolean {
    return this.#obey(service, id, DRAIN);
  }

  restore(service: string, id: string): boolean {
    return this.#obey(service, id, RESTORE);
  }

  setTimes(times: LifeTimes): void {
    this.#times = times;
  }

  sweep(): void {
    const nowMs = this.#now();
    for (const [service, known] of [...this.#table.all()]) {
      if (!isOver(known, this.#times, nowMs)) continue;
      const { next, event } = lapse(known, nowMs);
      if (next === null) {
        this.#table.remove(service, known.id, this.#change(event, nowMs));
        this.#kept.take(keyOf(service, known.id));
      } else this.#table.put(service, next, this.#change(event, nowMs));
    }
    this.#table.tidy();
  }

  async close(): Promise<void> {}

  #obey(service: string, id: string, order: Order): boolean {
    const nowMs = this.#now();
    const step = obey(this.#table.get(service, id), id, order, nowMs);
    if (step === null) return false;
    const key = keyOf(service, id);
    if (step.event !== null && this.#kept.has(key)) this.#kept.add(key, order);
    this.#table.put(service, step.next, step.event === null ? null : this.#change(step.event, nowMs));
    return true;
  }

  /** Microseconds, so that an index of before a restart does not come back with another meaning. */
  #change(event: Change["event"], atMs: number): Change {
    return { index: Math.max(this.#table.index + 1, atMs * 1000), event, atMs };
  }
}

const HEARTBEAT: Order = { kind: "heartbeat" };
const DRAIN: Order = { kind: "drain" };
const RESTORE: Order = { kind: "restore" };
