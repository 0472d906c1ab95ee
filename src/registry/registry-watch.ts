/**
 * Watching by server-sent events. A watcher is owed the names of services that changed, never events: what it gets is the latest state, once it has
 * read the state before. So a slow one costs no more than a fast one, and one that does not read at all is cut.
 */
import type { ServerResponse } from "node:http";
import type { InstanceTable } from "./instance-table.js";
import type { InstanceViews } from "./instance-views.js";

export interface WatchSpec {
  /** "" for all that `mayUse` allows. */
  readonly service: string;
  /** Of the moment, as `isAllowed`. */
  readonly mayUse: (service: string) => boolean;
  /** Of `last-event-id`; null: it knows nothing. */
  readonly knownIndex: number | null;
  /** False: its token is none any more. */
  readonly isAllowed: () => boolean;
}

export interface RegistryWatch {
  /** False: too many watch already. */
  open(response: ServerResponse, spec: WatchSpec): boolean;
}

const MAX_WATCHERS = 1_000;
const KEEP_ALIVE_MS = 15_000;
/** Many changes at once are one event. */
const MIN_PAUSE_MS = 10;
/** Of the time, for writing events. */
const SHARE = 10;
const HEAD = { "content-type": "text/event-stream", "cache-control": "no-store", connection: "close", "x-accel-buffering": "no" };
const EVENT_END = Buffer.from("\n\n");

interface Watcher extends WatchSpec {
  readonly response: ServerResponse;
  /** Services whose state it has not been sent. */
  readonly owed: Set<string>;
  /** Has not read what it was sent since the last keep-alive. */
  isSlow: boolean;
}

/** @param keepAliveMs between comments; who has not read for two of them is cut */
export function createRegistryWatch(table: InstanceTable, views: InstanceViews, keepAliveMs = KEEP_ALIVE_MS): RegistryWatch {
  return new Watch(table, views, keepAliveMs);
}

class Watch implements RegistryWatch {
  readonly #table: InstanceTable;
  readonly #views: InstanceViews;
  readonly #keepAliveMs: number;
  readonly #watchers = new Set<Watcher>();
  readonly #changed = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #keepAlive: NodeJS.Timeout | null = null;
  #forget: () => void = () => {};
  #restUntil = 0;

  constructor(table: InstanceTable, views: InstanceViews, keepAliveMs: number) {
    this.#keepAliveMs = keepAliveMs;
    this.#table = table;
    this.#views = views;
  }

  open(response: ServerResponse, spec: WatchSpec): boolean {
    if (this.#watchers.size >= MAX_WATCHERS) return false;
    if (this.#watchers.size === 0) this.#begin();
    const watcher: Watcher = { ...spec, response, owed: new Set(firstOwed(spec, this.#table)), isSlow: false };
    this.#watchers.add(watcher);
    response.once("close", () => this.#end(watcher)).on("drain", () => this.#send(watcher));
    // A socket that fails while it is written to; close follows.
    response.on("error", () => {});
    response.writeHead(200, HEAD).write("retry: 2000\n\n");
    if (spec.service === "") {
      response.write(`event: services\ndata: ${JSON.stringify({ services: this.#table.services().filter(spec.mayUse) })}\n\n`);
    }
    this.#send(watcher);
    return true;
  }

  #begin(): void {
    this.#forget = this.#table.onAnyChange((service) => {
      this.#changed.add(service);
      this.#timer ??= setTimeout(() => this.#flush(), Math.max(MIN_PAUSE_MS, this.#restUntil - performance.now())).unref();
    });
    this.#keepAlive = setInterval(() => this.#beat(), this.#keepAliveMs).unref();
  }

  #end(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return;
    this.#forget();
    this.#changed.clear();
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#keepAlive !== null) clearInterval(this.#keepAlive);
    this.#timer = null;
  }

  #flush(): void {
    this.#timer = null;
    const begun = performance.now();
    for (const watcher of this.#watchers) {
      for (const service of this.#changed) if (concerns(watcher, service)) watcher.owed.add(service);
      this.#send(watcher);
    }
    this.#changed.clear();
    const now = performance.now();
    this.#restUntil = now + SHARE * (now - begun);
  }

  #send(watcher: Watcher): void {
    const { response, owed, isAllowed } = watcher;
    if (owed.size > 0 && !isAllowed()) response.end();
    for (const service of owed) {
      if (response.writableNeedDrain || response.writableEnded) return;
      owed.delete(service);
      // Its token may have lost the service while the socket was full.
      if (!concerns(watcher, service)) continue;
      const { index, json } = this.#views.of(service);
      // In one piece: after a cork, Node.js 22 may say for ever that a drain is to be waited for.
      response.write(Buffer.concat([Buffer.from(`id: ${index}\nevent: instances\ndata: `), json, EVENT_END]));
    }
  }

  #beat(): void {
    for (const watcher of this.#watchers) {
      const { response, isAllowed } = watcher;
      // An end that was written long ago and not read: the socket is full, and stays so.
      if (response.writableEnded) response.destroy();
      else if (!isAllowed()) response.end();
      else if (!response.writableNeedDrain) {
        watcher.isSlow = false;
        response.write(":\n\n");
      } else if (watcher.isSlow) response.destroy();
      else watcher.isSlow = true;
    }
  }
}

/** Those who come back to one service and know its index have missed nothing. */
function firstOwed({ service, mayUse, knownIndex }: WatchSpec, table: InstanceTable): readonly string[] {
  if (service === "") return table.services().filter(mayUse);
  return table.indexOf(service) === knownIndex ? [] : [service];
}

function concerns({ service, mayUse }: WatchSpec, changed: string): boolean {
  return service === "" ? mayUse(changed) : service === changed;
}
