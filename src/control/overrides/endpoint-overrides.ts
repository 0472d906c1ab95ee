/**
 * What operators have said of endpoints, in the primary: kept while the endpoint, its service or the process comes and goes, until
 * it is taken back or expires. On disk before it is answered for, and told to all workers as one complete list.
 */
import type { EndpointOverride } from "../../engine/model/endpoint-override.js";
import type { OverrideFile } from "./override-file.js";

export interface KeptOverride extends EndpointOverride {
  readonly note: string;
  /** Who said so. */
  readonly author: string;
  /** Milliseconds since the epoch. */
  readonly setAtMs: number;
  /** When the weight is over; 0: never. */
  readonly weightUntilMs: number;
  /** When the draining is over; 0: never. */
  readonly drainingUntilMs: number;
}

/** For workers: complete, and only the newest counts. */
export interface OverrideList {
  /** Grows with every change. */
  readonly version: number;
  readonly overrides: readonly EndpointOverride[];
}

export interface EndpointOverrides {
  all(): readonly KeptOverride[];
  /** Null: there is none. */
  of(service: string, endpoint: string): KeptOverride | null;
  /** Of a service, by endpoint. */
  ofService(service: string): ReadonlyMap<string, KeptOverride>;
  /** Replaces the one there was. `isKept`: it is on disk. */
  set(override: KeptOverride): { readonly result: "set"; readonly isKept: boolean } | { readonly result: "full" };
  /** Null: there was none. `isKept`: it is gone from the disk. */
  remove(service: string, endpoint: string): { readonly isKept: boolean } | null;
  list(): OverrideList;
  /** What another process wrote before it handed over counts from now on. */
  readAgain(): void;
  /** Another process may write from now on, until `resume`. */
  suspend(): void;
  resume(): void;
}

export interface EndpointOverridesOptions {
  readonly file: OverrideFile;
  readonly onChange: (list: OverrideList) => void;
  readonly log: (message: string) => void;
  readonly nowMs?: () => number;
}

export const MAX_OVERRIDES = 10_000;
/** Timers of Node overflow at 25 days. */
const MAX_WAIT_MS = 86_400_000;

export function createEndpointOverrides(options: EndpointOverridesOptions): EndpointOverrides {
  return new Overrides(options);
}

const NONE: ReadonlyMap<string, KeptOverride> = new Map();

class Overrides implements EndpointOverrides {
  readonly #options: EndpointOverridesOptions;
  readonly #nowMs: () => number;
  /** By service and endpoint. */
  #services = new Map<string, Map<string, KeptOverride>>();
  #version = 1;
  #timer: NodeJS.Timeout | null = null;
  #isSuspended = false;

  constructor(options: EndpointOverridesOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#load();
    this.#watchExpiry();
  }

  all(): readonly KeptOverride[] {
    return [...this.#services.values()].flatMap((endpoints) => [...endpoints.values()]);
  }

  of(service: string, endpoint: string): KeptOverride | null {
    return this.#services.get(service)?.get(endpoint) ?? null;
  }

  ofService(service: string): ReadonlyMap<string, KeptOverride> {
    return this.#services.get(service) ?? NONE;
  }

  list(): OverrideList {
    const overrides = this.all().map(({ service, endpoint, weight, isDraining }) => ({ service, endpoint, weight, isDraining }));
    return { version: this.#version, overrides };
  }

  set(override: KeptOverride): { readonly result: "set"; readonly isKept: boolean } | { readonly result: "full" } {
    const { service, endpoint } = override;
    if (this.of(service, endpoint) === null && this.all().length >= MAX_OVERRIDES) return { result: "full" };
    this.#put(override);
    return { result: "set", isKept: this.#changed() };
  }

  remove(service: string, endpoint: string): { readonly isKept: boolean } | null {
    return this.#drop(service, endpoint) ? { isKept: this.#changed() } : null;
  }

  readAgain(): void {
    this.#services = new Map();
    this.#load();
    this.#tell();
    this.#watchExpiry();
  }

  suspend(): void {
    this.#isSuspended = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  resume(): void {
    this.#isSuspended = false;
    this.#expire();
  }

  #load(): void {
    for (const override of this.#options.file.read().slice(0, MAX_OVERRIDES)) {
      const rest = restOf(override, this.#nowMs());
      if (rest !== null) this.#put(rest);
    }
  }

  #put(override: KeptOverride): void {
    const endpoints = this.#services.get(override.service) ?? new Map<string, KeptOverride>();
    this.#services.set(override.service, endpoints);
    endpoints.set(override.endpoint, override);
  }

  /** False: there was none. */
  #drop(service: string, endpoint: string): boolean {
    const endpoints = this.#services.get(service);
    if (endpoints?.delete(endpoint) !== true) return false;
    if (endpoints.size === 0) this.#services.delete(service);
    return true;
  }

  /** True: it is on disk. */
  #changed(): boolean {
    const isKept = !this.#isSuspended && this.#options.file.write(this.all());
    this.#tell();
    this.#watchExpiry();
    return isKept;
  }

  #tell(): void {
    this.#version++;
    this.#options.onChange(this.list());
  }

  #watchExpiry(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const ends = this.all().flatMap(({ weightUntilMs, drainingUntilMs }) => [weightUntilMs, drainingUntilMs].filter((end) => end !== 0));
    if (ends.length === 0 || this.#isSuspended) return;
    const next = ends.reduce((first, end) => Math.min(first, end));
    this.#timer = setTimeout(() => this.#expire(), Math.min(MAX_WAIT_MS, Math.max(0, next - this.#nowMs()))).unref();
  }

  #expire(): void {
    let isChanged = false;
    for (const override of this.all()) {
      const rest = restOf(override, this.#nowMs());
      if (rest === override) continue;
      isChanged = true;
      const { service, endpoint } = override;
      this.#options.log(`override of endpoint ${endpoint} of service ${service} is over${restText(rest)}`);
      if (rest === null) this.#drop(service, endpoint);
      else this.#put(rest);
    }
    if (isChanged) this.#changed();
    else this.#watchExpiry();
  }
}

/** Without what is over; the same object when nothing is, null when all of it is. */
function restOf(override: KeptOverride, nowMs: number): KeptOverride | null {
  const isOver = (untilMs: number): boolean => untilMs !== 0 && untilMs <= nowMs;
  const isWeightOver = isOver(override.weightUntilMs);
  const isDrainingOver = isOver(override.drainingUntilMs);
  if (!isWeightOver && !isDrainingOver) return override;
  const rest = {
    ...override,
    ...(isWeightOver ? { weight: null, weightUntilMs: 0 } : {}),
    ...(isDrainingOver ? { isDraining: false, drainingUntilMs: 0 } : {}),
  };
  return rest.weight === null && !rest.isDraining ? null : rest;
}

function restText(rest: KeptOverride | null): string {
  if (rest === null) return "";
  return rest.isDraining ? ", but for the draining" : `, but for the weight ${rest.weight}`;
}
