/**
 * What this gateway knows of the store: applies its records and its log to the table, in the order of the log. It decides nothing but which of two
 * versions of an instance is the newer one, which matters after the store has lost some.
 */
import type { Instance } from "../instance.js";
import type { InstanceTable } from "../instance-table.js";
import type { RegistryEvent } from "../registry.js";
import { keyOf, type LogEntry, readEntry, readRecord, revisionOf, type StoredRecord } from "./record.js";

export class Replica {
  /** Of the last entry of the log that is applied. */
  revision = 0;
  /** Keys whose records could not be read, for whoever wonders. */
  readonly unreadable = new Set<string>();
  readonly #table: InstanceTable;

  constructor(table: InstanceTable) {
    this.#table = table;
  }

  /** @returns instances of which this gateway knows more than the store, with the record that is there */
  apply(entries: readonly string[], records: readonly string[]): readonly NewerHere[] {
    const newer: NewerHere[] = [];
    entries.forEach((text, i) => {
      const entry = readEntry(text);
      this.revision = Math.max(this.revision, revisionOf(text));
      if (entry === null) return;
      const record = records[i] ?? "";
      const found = record === "" ? this.#applyGone(entry) : this.#applyRecord(entry, record);
      if (found !== null) newer.push(found);
    });
    return newer;
  }

  /**
   * A record of the store, read outside the log. Null: taken, or the same already.
   * @param merge makes of the record what this gateway has been told since
   */
  adopt(record: StoredRecord, merge: (stored: Instance) => Instance): NewerHere | null {
    const { service, instance } = record;
    const known = this.#table.get(service, instance.id);
    if (known !== null && known.revision > record.knownAs) return { service, instance: known, over: instance.revision };
    const next = withLatestLease(merge(instance), known);
    if (known !== null && JSON.stringify(known) === JSON.stringify(next)) return null;
    this.#table.put(service, next, { index: this.#table.indexOf(service) + 1, event: null, atMs: 0 });
    return null;
  }

  read(key: string, text: string): StoredRecord | null {
    const record = readRecord(key, text);
    if (record === null && this.unreadable.size < MAX_UNREADABLE) this.unreadable.add(key.slice(0, 128));
    return record;
  }

  /** History, and the index that every gateway gives a service. */
  learn(log: readonly string[]): void {
    const events = new Map<string, RegistryEvent[]>();
    const indexes = new Map<string, number>();
    for (const [service, { revision }] of this.#table.all()) indexes.set(service, Math.max(indexes.get(service) ?? 0, revision));
    for (const text of log) {
      const entry = readEntry(text);
      if (entry === null || entry.revision > this.revision) continue;
      const { service, id, event, revision, atMs } = entry;
      const own = events.get(service) ?? [];
      own.push({ index: revision, at: new Date(atMs).toISOString(), id, event });
      events.set(service, own);
      indexes.set(service, Math.max(indexes.get(service) ?? 0, revision));
    }
    for (const [service, index] of indexes) {
      if (index === 0) continue;
      if (events.has(service) || this.#table.indexOf(service) > 0) this.#table.learn(service, events.get(service) ?? [], index);
    }
  }

  #applyGone({ service, id, event, revision, atMs }: LogEntry): null {
    const known = this.#table.get(service, id);
    if (known === null || known.revision <= revision) this.#table.remove(service, id, { index: revision, event, atMs });
    return null;
  }

  #applyRecord({ service, id, event, revision, atMs }: LogEntry, text: string): NewerHere | null {
    const record = this.read(keyOf(service, id), text);
    const known = this.#table.get(service, id);
    if (record === null) return null;
    if (known !== null && known.revision > record.knownAs) return { service, instance: known, over: record.instance.revision };
    this.#table.put(service, withLatestLease(record.instance, known), { index: revision, event, atMs });
    return null;
  }
}

export interface NewerHere {
  readonly service: string;
  readonly instance: Instance;
  /** Revision of the record in the store. */
  readonly over: number;
}

const MAX_UNREADABLE = 100;

/** Heartbeats change no record. */
function withLatestLease(stored: Instance, known: Instance | null): Instance {
  const isLater = known !== null && stored.state === "up" && known.state === "up" && known.renewedAtMs > stored.renewedAtMs;
  return isLater ? { ...stored, renewedAtMs: known.renewedAtMs } : stored;
}
