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

  constructor(log: (message: string) => void) {
    this.#log = log;
    this.#registry = this.#remember(null);
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  async move(spec: RegistrySpec | null, port = 0): Promise<string | null> {
    const before = this.#server;
    const keptSpec = this.#spec;
    if (!isSame(spec?.redis, keptSpec?.redis)) await this.#changeStore(spec);
    if (!isSame(spec?.bind, keptSpec?.bind)) {
      try {
        this.#server = spec === null ? null : await openRegistryServer({ ...spec.bind, port: spec.bind.port || port }, this.#api);
      } catch (error) {
        if (!isSame(spec?.redis, keptSpec?.redis)) await this.#changeStore(keptSpec);
        return `registry: ${spec?.bind.host}:${spec?.bind.port} cannot be bound (${(error as NodeJS.ErrnoException).code})`;
      }
      void before?.close();
    }
    this.#spec = spec;
    if (spec !== null) this.#registry.setTimes(spec);
    return null;
  }

  async movePatiently(spec: RegistrySpec | null, port = 0): Promise<string | null> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const problem = await this.move(spec, port);
      if (problem === null || performance.now() > deadline) return problem;
      await delay(PAUSE_MS);
    }
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
