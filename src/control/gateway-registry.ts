/**
 * The registry of a running gateway: where it listens and where it keeps its instances, both of which follow the configuration, and the
 * endpoints of its services for the sources. What is registered outlives changes of the configuration, another store included.
 */
import type { Source, SourceSink } from "../discovery/source.js";
import type { RegistrySpec } from "../engine/model/registry.js";
import { createInstanceTable } from "../registry/instance-table.js";
import { createKeptOrders } from "../registry/kept-orders.js";
import { createMemoryRegistry } from "../registry/memory-registry.js";
import type { Registry } from "../registry/registry.js";
import { createRegistryApi } from "../registry/registry-api.js";
import { openRegistryServer, type RegistryServer } from "../registry/registry-server.js";
import { openRedisLink } from "../registry/shared/redis-link.js";
import { createSharedRegistry } from "../registry/shared/shared-registry.js";
import { createRegistrySource, type RegistrySource } from "./registry-source.js";

export interface GatewayRegistry {
  /** 0: it does not listen. */
  readonly port: number;
  /**
   * Null, or why the address cannot be had; where it listened before it listens still.
   * @param port for one that the system is to choose
   */
  move(spec: RegistrySpec | null, port?: number): Promise<string | null>;
  /** As `move`, for an address that another process lets go in a moment. */
  movePatiently(spec: RegistrySpec | null, port?: number): Promise<string | null>;
  /** Frees the address for another process, and tells the store what it has not heard; `resume` takes all of it again. */
  release(): Promise<void>;
  /** Null, or why the address could not be had again. */
  resume(): Promise<string | null>;
  createSource(service: string, sink: SourceSink): Source;
  close(): Promise<void>;
}

const SWEEP_MS = 500;
/** After a start instances have this time to come back; until then those known before stay beside them. */
const SETTLE_MS = 35_000;
const CONFIRM_MS = 5_000;
const PATIENCE_MS = 5_000;
const PAUSE_MS = 50;
/** A store that does not answer delays a start or a change by no more. */
const STORE_WAIT_MS = 2_500;
const NO_TIMES = { graceMs: 60_000, drainMs: 30_000, retentionMs: 3_600_000 };

export function createGatewayRegistry(log: (message: string) => void): GatewayRegistry {
  return new Seat(log);
}

class Seat implements GatewayRegistry {
  readonly #table = createInstanceTable();
  readonly #kept = createKeptOrders();
  readonly #sources = new Set<RegistrySource>();
  readonly #startedAtMs = Date.now();
  readonly #log: (message: string) => void;
  readonly #api = createRegistryApi({ table: this.#table, registry: () => this.#registry, tokens: () => this.#spec?.tokens ?? [] });
  readonly #confirm = setInterval(() => this.#confirmAll(), CONFIRM_MS).unref();
  #registry: Registry;
  #sweep: NodeJS.Timeout | null = null;
  #spec: RegistrySpec | null = null;
  #server: RegistryServer | null = null;
  #released: { readonly spec: RegistrySpec | null; readonly port: number } | null = null;
  /** Of moves, one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #lastMove = 0;

  constructor(log: (message: string) => void) {
    this.#log = log;
    this.#registry = this.#remember(null);
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  move(spec: RegistrySpec | null, port = 0): Promise<string | null> {
    this.#lastMove++;
    const turn = this.#turn.then(() => this.#move(spec, port));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async movePatiently(spec: RegistrySpec | null, port = 0): Promise<string | null> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const moving = this.move(spec, port);
      const own = this.#lastMove;
      const problem = await moving;
      // Another move that was ordered meanwhile is to be the last one.
      if (problem === null || own !== this.#lastMove || performance.now() > deadline) return problem;
      await delay(PAUSE_MS);
      if (own !== this.#lastMove) return problem;
    }
  }

  async release(): Promise<void> {
    this.#released = { spec: this.#spec, port: this.port };
    await this.move(null);
  }

  async resume(): Promise<string | null> {
    const released = this.#released;
    this.#released = null;
    return released === null ? null : await this.movePatiently(released.spec, released.port);
  }

  createSource(service: string, sink: SourceSink): Source {
    const source = createRegistrySource({ service, sink, table: this.#table, registry: () => this.#registry });
    return {
      start: () => {
        this.#sources.add(source);
        source.start();
      },
      stop: () => {
        this.#sources.delete(source);
        source.stop();
      },
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#confirm);
    if (this.#sweep !== null) clearInterval(this.#sweep);
    await this.#server?.close();
    await Promise.race([this.#registry.close(), delay(STORE_WAIT_MS)]);
  }

  async #move(spec: RegistrySpec | null, port: number): Promise<string | null> {
    const kept = this.#spec;
    const isOtherStore = !isSame(spec?.redis, kept?.redis);
    // What comes while the store is told the rest would come too late.
    if (spec === null) this.#shut();
    if (isOtherStore) await this.#changeStore(spec);
    if (spec !== null && (this.#server === null || !isSame(spec.bind, kept?.bind))) {
      const problem = await this.#bind(spec.bind, port);
      if (problem !== null && isOtherStore) await this.#changeStore(kept);
      if (problem !== null) return problem;
    }
    this.#spec = spec;
    if (spec !== null) this.#registry.setTimes(spec);
    return null;
  }

  /** 127.0.0.1 and 0.0.0.0 cannot share a port: then the old address is given up first, and taken again if the new one is not to be had. */
  async #bind({ host, port }: RegistrySpec["bind"], chosenPort: number): Promise<string | null> {
    const [before, keptHost, keptPort] = [this.#server, this.#spec?.bind.host, this.port];
    const overlaps = before !== null && port === keptPort;
    if (overlaps) this.#shut();
    try {
      this.#server = await openRegistryServer({ host, port: port || chosenPort }, this.#api);
      if (!overlaps) void before?.close();
      return null;
    } catch (error) {
      const problem = `registry: ${host}:${port} cannot be bound (${(error as NodeJS.ErrnoException).code})`;
      if (!overlaps || keptHost === undefined) return problem;
      this.#server = await openRegistryServer({ host: keptHost, port: keptPort }, this.#api).catch(() => null);
      return this.#server === null ? `${problem}, nor ${keptHost}:${keptPort} again` : problem;
    }
  }

  /** Answers what waits; the address is free at once. */
  #shut(): void {
    void this.#server?.close();
    this.#server = null;
  }

  /** What is known goes along. */
  async #changeStore(spec: RegistrySpec | null): Promise<void> {
    if (this.#sweep !== null) clearInterval(this.#sweep);
    this.#sweep = null;
    await Promise.race([this.#registry.close(), delay(STORE_WAIT_MS)]);
    if (spec?.redis == null) {
      this.#registry = this.#remember(spec);
    } else {
      const shared = this.#share(spec, spec.redis);
      this.#registry = shared;
      await Promise.race([shared.ready, delay(STORE_WAIT_MS)]);
    }
    this.#push();
  }

  #remember(spec: RegistrySpec | null): Registry {
    const settleMs = Math.max(0, this.#startedAtMs + SETTLE_MS - Date.now());
    const registry = createMemoryRegistry({ table: this.#table, times: spec ?? NO_TIMES, now: Date.now, settleMs, kept: this.#kept });
    this.#sweep = setInterval(() => registry.sweep(), SWEEP_MS).unref();
    return registry;
  }

  #share(spec: RegistrySpec, redis: NonNullable<RegistrySpec["redis"]>) {
    return createSharedRegistry({
      table: this.#table,
      times: spec,
      kept: this.#kept,
      open: () => openRedisLink(redis),
      place: `redis://${redis.host.includes(":") ? `[${redis.host}]` : redis.host}:${redis.port}`,
      now: Date.now,
      settleMs: SETTLE_MS,
      onStatus: () => this.#push(),
      log: (message) => this.#log(`registry: ${message}`),
    });
  }

  /** What a store that is away said last grows old. */
  #confirmAll(): void {
    if (this.#registry.trouble === "") this.#push();
  }

  #push(): void {
    for (const source of this.#sources) source.push();
  }
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
}

function delay(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs).unref());
}
