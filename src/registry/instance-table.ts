/**
 * The instances of all services as this process knows them. Every change that others can see raises the index of its service, which is
 * what those who watch wait for; heartbeats raise none. Who decides what changes is the registry's business.
 */
import type { EventName, Instance } from "./instance.js";
import { MAX_SERVICES, type RegistryEvent, type ServiceInstances } from "./registry.js";

/** A change that others can see. */
export interface Change {
  /** Of the service from now on; never the same for different content. */
  readonly index: number;
  /** Null: it is not told in the history (yet). */
  readonly event: EventName | null;
  readonly atMs: number;
}

export interface InstanceTable {
  readonly count: number;
  get(service: string, id: string): Instance | null;
  all(): IterableIterator<readonly [string, Instance]>;
  /** @param change null: nobody can see it */
  put(service: string, instance: Instance, change: Change | null): void;
  remove(service: string, id: string, change: Change): void;
  /** History and index as others know them; history that is known already stays. */
  learn(service: string, events: readonly RegistryEvent[], index: number): void;
  hasRoomFor(service: string): boolean;
  /** Forgets services without instances that nobody watches. */
  tidy(): void;
  instancesOf(service: string): ServiceInstances;
  indexOf(service: string): number;
  /** The highest of all. */
  readonly index: number;
  services(): readonly string[];
  /** Newest last. */
  historyOf(service: string): readonly RegistryEvent[];
  /** Called after each change; returns how to end that. */
  onChange(service: string, changed: () => void): () => void;
  /** The same for changes of whichever service. */
  onAnyChange(changed: (service: string) => void): () => void;
}

const MAX_HISTORY = 200;

export function createInstanceTable(): InstanceTable {
  return new Table();
}

interface ServiceRecord {
  index: number;
  readonly instances: Map<string, Instance>;
  history: RegistryEvent[];
}

class Table implements InstanceTable {
  readonly #services = new Map<string, ServiceRecord>();
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #watchers = new Set<(service: string) => void>();
  count = 0;
  index = 0;

  get(service: string, id: string): Instance | null {
    return this.#services.get(service)?.instances.get(id) ?? null;
  }

  *all(): IterableIterator<readonly [string, Instance]> {
    for (const [service, { instances }] of this.#services) for (const instance of instances.values()) yield [service, instance];
  }

  put(service: string, instance: Instance, change: Change | null): void {
    const record = this.#recordOf(service);
    if (!record.instances.has(instance.id)) this.count++;
    record.instances.set(instance.id, instance);
    if (change !== null) this.#changed(service, record, instance.id, change);
  }

  remove(service: string, id: string, change: Change): void {
    const record = this.#services.get(service);
    if (record === undefined) return;
    if (record.instances.delete(id)) this.count--;
    this.#changed(service, record, id, change);
  }

  learn(service: string, events: readonly RegistryEvent[], index: number): void {
    const record = this.#recordOf(service);
    const byIndex = new Map([...record.history, ...events].map((event) => [event.index, event]));
    record.history = [...byIndex.values()].sort((a, b) => a.index - b.index).slice(-MAX_HISTORY);
    if (record.index === index) return;
    record.index = index;
    this.index = Math.max(this.index, index);
    this.#tell(service);
  }

  hasRoomFor(service: string): boolean {
    return this.#services.has(service) || this.#services.size < MAX_SERVICES;
  }

  tidy(): void {
    for (const [service, { instances }] of this.#services) {
      if (instances.size === 0 && !this.#listeners.has(service)) this.#services.delete(service);
    }
  }

  instancesOf(service: string): ServiceInstances {
    const record = this.#services.get(service);
    const instances = [...(record?.instances.values() ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1));
    return { index: record?.index ?? 0, instances };
  }

  indexOf(service: string): number {
    return this.#services.get(service)?.index ?? 0;
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
      if (listeners.size === 0 && this.#listeners.get(service) === listeners) this.#listeners.delete(service);
    };
  }

  onAnyChange(changed: (service: string) => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  #recordOf(service: string): ServiceRecord {
    const known = this.#services.get(service);
    if (known !== undefined) return known;
    const record: ServiceRecord = { index: 0, instances: new Map(), history: [] };
    this.#services.set(service, record);
    return record;
  }

  #changed(service: string, record: ServiceRecord, id: string, { index, event, atMs }: Change): void {
    record.index = index;
    this.index = Math.max(this.index, index);
    const isTold = record.history.at(-1)?.index === index;
    if (event !== null && !isTold) {
      record.history.push({ index, at: new Date(atMs).toISOString(), id, event });
      if (record.history.length > MAX_HISTORY) record.history.shift();
    }
    this.#tell(service);
  }

  #tell(service: string): void {
    for (const listener of [...(this.#listeners.get(service) ?? [])]) listener();
    for (const watcher of [...this.#watchers]) watcher(service);
  }
}
