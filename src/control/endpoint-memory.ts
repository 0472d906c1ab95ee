/**
 * The last sets of endpoints on disk, so that a primary that starts while its sources cannot be asked begins with them and not with
 * nothing. One small file in the state directory; a disk that refuses costs this memory only.
 */
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RememberedSet } from "../discovery/sources.js";
import type { EndpointSpec } from "../engine/model/snapshot.js";
import type { ProcessLog } from "../telemetry/process-log.js";

export interface EndpointMemory {
  /** As the last process left them. */
  load(): readonly RememberedSet[];
  /** Writes soon what `read` gives then; many changes are one write. */
  changed(read: () => readonly RememberedSet[]): void;
  /** Nothing is written until `resume`: another process may have taken over. */
  stop(): void;
  /** Writes what has changed meanwhile. */
  resume(): void;
}

const NAME = "endpoints.json";
const WRITE_DELAY_MS = 500;
const MAX_BYTES = 64 * 1024 * 1024;

/** @param directory null: there is none */
export function createEndpointMemory(directory: string | null, log: ProcessLog): EndpointMemory {
  const path = directory === null ? null : join(directory, NAME);
  let timer: NodeJS.Timeout | null = null;
  /** What is to be written; null: nothing has changed since. */
  let pending: (() => readonly RememberedSet[]) | null = null;
  let isStopped = false;
  let hasFailed = false;

  function plan(): void {
    if (!isStopped && pending !== null) timer ??= setTimeout(write, WRITE_DELAY_MS).unref();
  }

  function write(): void {
    const sets = pending?.() ?? [];
    timer = null;
    pending = null;
    if (path === null) return;
    try {
      writeFileSync(`${path}.${process.pid}`, JSON.stringify({ sets }), { mode: 0o600 });
      renameSync(`${path}.${process.pid}`, path);
      hasFailed = false;
    } catch (error) {
      if (!hasFailed) log.warn({ err: error }, "endpoints that were found cannot be kept on disk");
      hasFailed = true;
    }
  }

  return {
    load() {
      try {
        if (path === null || statSync(path).size > MAX_BYTES) return [];
        return readSets(JSON.parse(readFileSync(path, "utf8")));
      } catch {
        // None yet, or half of one: it is a memory, not the truth.
        return [];
      }
    },
    changed(read) {
      pending = read;
      plan();
    },
    stop() {
      isStopped = true;
      if (timer !== null) clearTimeout(timer);
      timer = null;
    },
    resume() {
      isStopped = false;
      plan();
    },
  };
}

function readSets(document: unknown): RememberedSet[] {
  const sets: unknown = isObject(document) ? document["sets"] : null;
  return Array.isArray(sets) ? sets.flatMap((set: unknown) => (isSet(set) ? [set] : [])) : [];
}

function isSet(value: unknown): value is RememberedSet {
  if (!isObject(value) || !Array.isArray(value["endpoints"])) return false;
  const { service, place, confirmedAtMs, changedAtMs } = value;
  const hasHead = typeof service === "string" && typeof place === "string" && isCount(confirmedAtMs) && isCount(changedAtMs);
  return hasHead && value["endpoints"].every(isEndpoint);
}

function isEndpoint(value: unknown): value is EndpointSpec {
  if (!isObject(value)) return false;
  const { host, port, weight, zone, priority, labels } = value;
  const isAddress = typeof host === "string" && host !== "" && isCount(port) && port > 0 && port <= 65_535;
  return isAddress && isCount(weight) && typeof zone === "string" && isCount(priority) && isObject(labels) && areTexts(labels);
}

function areTexts(labels: Readonly<Record<string, unknown>>): boolean {
  return Object.values(labels).every((label) => typeof label === "string");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
