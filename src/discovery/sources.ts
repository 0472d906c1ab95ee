/**
 * All services of the gateway and where their endpoints come from. A change of configuration is prepared (new places are asked
 * while what is known stays in use) and committed; places that both configurations have keep what they know.
 */
import { type DynamicSourceSpec, placeOfSource } from "../engine/model/endpoint-source.js";
import type { EndpointSpec, ServiceSpec } from "../engine/model/snapshot.js";
import { FollowedService, type KnownSet, type SourceState } from "./followed-service.js";
import type { Source, SourceSink } from "./source.js";

/** A complete set, for whoever serves the service from that place. */
export interface EndpointUpdate {
  readonly service: string;
  /** As `placeOfSource` tells it. */
  readonly place: string;
  /** Grows with every change of any service. */
  readonly version: number;
  readonly endpoints: readonly EndpointSpec[];
}

/** What a former process knew of a service at a place. */
export interface RememberedSet extends Omit<KnownSet, "version"> {
  readonly service: string;
  readonly place: string;
}

export interface SourcesOptions {
  readonly remembered: readonly RememberedSet[];
  readonly createSource: (spec: DynamicSourceSpec, sink: SourceSink) => Source;
  /** Called for every set that is new or has changed. */
  readonly onUpdate: (update: EndpointUpdate) => void;
  readonly log: (message: string) => void;
}

/** Of every service, static ones included; null when it is gone. */
export type EndpointsListener = (service: string, endpoints: readonly EndpointSpec[] | null) => void;

export interface Sources {
  /** Settles, never rejects, when every source has been tried once. */
  start(): Promise<void>;
  prepare(services: readonly ServiceSpec[]): PreparedSources;
  /** What is known now, of dynamic sources. */
  updates(): readonly EndpointUpdate[];
  /** Empty for services that do not exist or have not been found yet. */
  endpointsOf(service: string): readonly EndpointSpec[];
  /** Called at once for what is known, then for every change. */
  onEndpoints(listener: EndpointsListener): void;
  state(): readonly SourceState[];
  /** For whoever starts next. */
  remember(): readonly RememberedSet[];
  stop(): void;
}

export interface PreparedSources {
  /** Settles, never rejects, when every new source has been tried once. */
  readonly ready: Promise<void>;
  /** From now on these are the services; `onUpdate` is called for what is new or has changed. */
  commit(): void;
  cancel(): void;
}

export function createSources(services: readonly ServiceSpec[], options: SourcesOptions): Sources {
  return new AllSources(services, options);
}

const MAX_FORMER = 10_000;

class AllSources implements Sources {
  readonly #options: SourcesOptions;
  readonly #followed = new Map<string, FollowedService>();
  readonly #static = new Map<string, readonly EndpointSpec[]>();
  readonly #listeners: EndpointsListener[] = [];
  /** Of places that are followed no longer, the latest last. */
  readonly #former = new Map<string, KnownSet>();
  /** Started, and not committed yet. */
  readonly #prepared = new Set<FollowedService>();
  #isStopped = false;
  #version = 0;

  constructor(services: readonly ServiceSpec[], options: SourcesOptions) {
    this.#options = options;
    for (const { service, place, ...known } of options.remembered.slice(0, MAX_FORMER)) {
      this.#former.set(keyOf(service, place), { ...known, version: ++this.#version });
    }
    for (const { name, endpoints } of services) {
      if (endpoints.type === "static") this.#static.set(name, endpoints.endpoints);
      else this.#followed.set(name, this.#follow(name, endpoints, this.#knownAt(name, placeOfSource(endpoints))));
    }
  }

  async start(): Promise<void> {
    const followed = [...this.#followed.values()];
    for (const one of followed) one.start();
    await Promise.all(followed.map(({ tried }) => tried));
  }

  prepare(services: readonly ServiceSpec[]): PreparedSources {
    const fresh = services.flatMap(({ name, endpoints }) => {
      if (endpoints.type === "static") return [];
      const current = this.#followed.get(name);
      if (current !== undefined && JSON.stringify(current.spec) === JSON.stringify(endpoints)) return [];
      return [this.#follow(name, endpoints, this.#knownAt(name, placeOfSource(endpoints)))];
    });
    for (const one of fresh) {
      this.#prepared.add(one);
      one.start();
    }
    return {
      ready: Promise.all(fresh.map(({ tried }) => tried)).then(() => {}),
      commit: () => this.#commit(services, fresh),
      cancel: () => {
        for (const one of fresh) {
          this.#prepared.delete(one);
          one.stop();
        }
      },
    };
  }

  updates(): readonly EndpointUpdate[] {
    return [...this.#followed.values()].flatMap(updateOf);
  }

  endpointsOf(service: string): readonly EndpointSpec[] {
    return this.#static.get(service) ?? this.#followed.get(service)?.known?.endpoints ?? [];
  }

  onEndpoints(listener: EndpointsListener): void {
    this.#listeners.push(listener);
    for (const service of this.#names()) listener(service, this.endpointsOf(service));
  }

  state(): readonly SourceState[] {
    return Array.from(this.#followed.values(), (followed) => followed.state());
  }

  remember(): readonly RememberedSet[] {
    return [...this.#followed.values()].flatMap(({ service, place, known }) => {
      if (known === null) return [];
      const { endpoints, confirmedAtMs, changedAtMs } = known;
      return [{ service, place, endpoints, confirmedAtMs, changedAtMs }];
    });
  }

  stop(): void {
    this.#isStopped = true;
    for (const followed of [...this.#followed.values(), ...this.#prepared]) followed.stop();
  }

  #names(): Set<string> {
    return new Set([...this.#static.keys(), ...this.#followed.keys()]);
  }

  #follow(service: string, spec: DynamicSourceSpec, known: KnownSet | null): FollowedService {
    const { createSource, log } = this.#options;
    return new FollowedService({
      service,
      spec,
      known,
      createSource,
      log,
      nextVersion: () => ++this.#version,
      onChange: (followed) => {
        // One that is still being prepared tells at its commit.
        if (this.#followed.get(service) === followed) this.#tell(followed);
      },
    });
  }

  #knownAt(service: string, place: string): KnownSet | null {
    const current = this.#followed.get(service);
    return current?.place === place ? current.known : (this.#former.get(keyOf(service, place)) ?? null);
  }

  /** What it knew is kept: a change may be taken back while the source cannot be asked. */
  #forget(followed: FollowedService): void {
    followed.stop();
    if (followed.known === null) return;
    const key = keyOf(followed.service, followed.place);
    this.#former.delete(key);
    this.#former.set(key, followed.known);
    const [oldest] = this.#former.keys();
    if (this.#former.size > MAX_FORMER && oldest !== undefined) this.#former.delete(oldest);
  }

  #tell(followed: FollowedService): void {
    for (const update of updateOf(followed)) {
      this.#options.onUpdate(update);
      for (const listener of this.#listeners) listener(update.service, update.endpoints);
    }
  }

  #commit(services: readonly ServiceSpec[], fresh: readonly FollowedService[]): void {
    for (const followed of fresh) this.#prepared.delete(followed);
    // What was prepared has been stopped with the rest.
    if (this.#isStopped) return;
    const before = this.#names();
    const dynamic = new Set(services.filter(({ endpoints }) => endpoints.type !== "static").map(({ name }) => name));
    for (const [name, followed] of this.#followed) {
      if (dynamic.has(name)) continue;
      this.#forget(followed);
      this.#followed.delete(name);
    }
    for (const followed of fresh) {
      const old = this.#followed.get(followed.service);
      if (old !== undefined) this.#forget(old);
      // It may have found more while this one was prepared, and has not answered yet.
      if (old?.place === followed.place && !followed.isConfirmed && versionOf(old.known) > versionOf(followed.known))
        followed.known = old.known;
      this.#followed.set(followed.service, followed);
      this.#tell(followed);
    }
    this.#commitStatic(services);
    const after = this.#names();
    for (const name of before) if (!after.has(name)) for (const listener of this.#listeners) listener(name, null);
  }

  #commitStatic(services: readonly ServiceSpec[]): void {
    this.#static.clear();
    for (const { name, endpoints } of services) {
      if (endpoints.type !== "static") continue;
      this.#static.set(name, endpoints.endpoints);
      for (const listener of this.#listeners) listener(name, endpoints.endpoints);
    }
  }
}

function updateOf({ service, place, known }: FollowedService): EndpointUpdate[] {
  return known === null ? [] : [{ service, place, version: known.version, endpoints: known.endpoints }];
}

function versionOf(known: KnownSet | null): number {
  return known?.version ?? 0;
}

function keyOf(service: string, place: string): string {
  return `${service} ${place}`;
}
