/**
 * The registry of a running gateway: where it listens, which follows the configuration, and the endpoints of its services for the
 * sources. What is registered outlives changes of the configuration.
 */
import type { Source, SourceSink } from "../discovery/source.js";
import type { RegistrySpec } from "../engine/model/registry.js";
import type { EndpointSpec } from "../engine/model/snapshot.js";
import type { Instance } from "../registry/instance.js";
import { splitAddress } from "../registry/registration.js";
import { createRegistry, type Registry } from "../registry/registry.js";
import { createRegistryApi } from "../registry/registry-api.js";
import { openRegistryServer, type RegistryServer } from "../registry/registry-server.js";

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
const PATIENCE_MS = 5_000;
const PAUSE_MS = 50;
const NO_TIMES = { graceMs: 0, drainMs: 0, retentionMs: 0 };

export function createGatewayRegistry(): GatewayRegistry {
  return new Seat();
}

class Seat implements GatewayRegistry {
  readonly #registry: Registry = createRegistry(NO_TIMES);
  readonly #startedAt = performance.now();
  readonly #api = createRegistryApi({ registry: this.#registry, tokens: () => this.#spec?.tokens ?? [], now: Date.now });
  readonly #sweep = setInterval(() => this.#registry.sweep(Date.now()), SWEEP_MS).unref();
  #spec: RegistrySpec | null = null;
  #server: RegistryServer | null = null;

  get port(): number {
    return this.#server?.port ?? 0;
  }

  async move(spec: RegistrySpec | null, port = 0): Promise<string | null> {
    const before = this.#server;
    if (!isSameBind(spec, this.#spec)) {
      try {
        this.#server = spec === null ? null : await openRegistryServer({ ...spec.bind, port: spec.bind.port || port }, this.#api);
      } catch (error) {
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
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  createSource(service: string, sink: SourceSink): Source {
    const push = (): void => {
      const isSettling = performance.now() - this.#startedAt < SETTLE_MS;
      sink.found(endpointsOf(this.#registry.instancesOf(service).instances, isSettling), isSettling);
    };
    const settled = setTimeout(push, Math.max(0, SETTLE_MS - (performance.now() - this.#startedAt)) + 1);
    settled.unref();
    let forget = (): void => {};
    return {
      start: () => {
        forget = this.#registry.onChange(service, push);
        push();
      },
      stop: () => {
        clearTimeout(settled);
        forget();
      },
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep);
    await this.#server?.close();
  }
}

function isSameBind(a: RegistrySpec | null, b: RegistrySpec | null): boolean {
  return a?.bind.host === b?.bind.host && a?.bind.port === b?.bind.port;
}

/**
 * Draining ones take nothing new and stay listed; of two with one address one that is up counts, then the later registration.
 * @param isSettling all are listed, so that those that left are not taken for ones that are still to come back
 */
function endpointsOf(instances: readonly Instance[], isSettling: boolean): EndpointSpec[] {
  const byAddress = new Map<string, Instance>();
  for (const instance of instances) {
    const other = byAddress.get(instance.address);
    const isListed = isSettling || instance.state === "up" || instance.state === "draining";
    if (isListed && (other === undefined || rank(instance) >= rank(other))) byAddress.set(instance.address, instance);
  }
  return Array.from(byAddress.values(), ({ address, state, weight, zone, priority, labels }) => {
    const { host, port } = splitAddress(address) as { host: string; port: number };
    return { host, port, weight: state === "up" ? weight : 0, zone, priority, labels };
  });
}

function rank({ state, registeredAtMs }: Instance): number {
  return state === "up" ? Number.MAX_SAFE_INTEGER / 2 + registeredAtMs : registeredAtMs;
}
