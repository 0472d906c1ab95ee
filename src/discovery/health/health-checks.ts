/**
 * Who is checked and when, and what is known of whom. Checks of one endpoint never overlap, those of all endpoints are
 * spread over the interval, and only so many are under way at a time; beyond that they wait their turn.
 */
import { endpointId } from "../../engine/model/endpoint.js";
import type { EndpointSpec, HealthSpec, ServiceSpec } from "../../engine/model/snapshot.js";
import { MAX_TIMER_MS } from "../../engine/model/units.js";
import { type CheckResult, check } from "./check.js";
import { afterCheck, type EndpointHealth, UNKNOWN } from "./endpoint-health.js";

export interface FollowedService extends Pick<ServiceSpec, "name" | "protocol" | "tls" | "health"> {
  readonly endpoints: readonly EndpointSpec[];
}

/** What workers need to know of a service: complete, so that only the newest counts. */
export interface ServiceHealth {
  readonly service: string;
  /** Grows with every change of any service. */
  readonly version: number;
  /** `host:port` of the endpoints that are unhealthy; all others are not. */
  readonly unhealthy: readonly string[];
}

export interface CheckRecord extends CheckResult {
  readonly atMs: number;
  readonly durationMs: number;
}

export interface EndpointRecord {
  readonly state: EndpointHealth["state"];
  /** When the state began; 0: unknown. */
  readonly sinceMs: number;
  /** The newest first. */
  readonly checks: readonly CheckRecord[];
}

export interface CheckCounts {
  readonly passed: number;
  readonly failed: number;
  /** Endpoints that became so; one that is as it was taken to be did not. */
  readonly healthy: number;
  readonly unhealthy: number;
}

export interface HealthChecks {
  /** From now on these are checked, as far as they ask for it; all others are forgotten. */
  follow(services: readonly FollowedService[]): void;
  /** Of services that have unhealthy endpoints. */
  state(): readonly ServiceHealth[];
  /** Since the service is checked; null: it is not. */
  countsOf(service: string): CheckCounts | null;
  /** Null: it is not checked. */
  recordOf(service: string, endpoint: string): EndpointRecord | null;
  stop(): void;
}

export interface HealthChecksOptions {
  readonly onChange: (health: ServiceHealth) => void;
  readonly log: (message: string) => void;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
}

const MAX_CONCURRENT = 64;
const MAX_CHECKS_KEPT = 5;
/** Checks come earlier than the interval by up to this share of it: then an outage is noticed no later than promised. */
const JITTER = 0.1;
const TELL_DELAY_MS = 10;
/** New endpoints are checked within this. */
const MAX_FIRST_DELAY_MS = 500;

export function createHealthChecks(options: HealthChecksOptions): HealthChecks {
  return new Checks(options);
}

interface Target {
  readonly id: string;
  service: FollowedService;
  endpoint: EndpointSpec;
  spec: HealthSpec;
  health: EndpointHealth;
  sinceMs: number;
  checks: readonly CheckRecord[];
  timer: NodeJS.Timeout | null;
  isGone: boolean;
}

class Checks implements HealthChecks {
  readonly #options: HealthChecksOptions;
  /** By service and endpoint. */
  #services = new Map<string, Map<string, Target>>();
  readonly #counts = new Map<string, { -readonly [Field in keyof CheckCounts]: number }>();
  readonly #waiting: Target[] = [];
  #running = 0;
  #version = 0;
  /** Services of which something has changed, to be told of together. */
  readonly #changed = new Set<string>();
  #telling: NodeJS.Timeout | null = null;
  #isStopped = false;

  constructor(options: HealthChecksOptions) {
    this.#options = options;
  }

  follow(services: readonly FollowedService[]): void {
    // Sources may tell of endpoints for a little longer.
    if (this.#isStopped) return;
    const before = this.#services;
    this.#services = new Map();
    for (const service of services) {
      if (service.health !== null) this.#services.set(service.name, this.#followService(service, service.health, before.get(service.name)));
    }
    for (const [name, old] of before) this.#settle(name, old);
    for (const name of this.#services.keys()) {
      if (!this.#counts.has(name)) this.#counts.set(name, { passed: 0, failed: 0, healthy: 0, unhealthy: 0 });
    }
    for (const name of this.#counts.keys()) if (!this.#services.has(name)) this.#counts.delete(name);
  }

  #followService(service: FollowedService, spec: HealthSpec, old: ReadonlyMap<string, Target> | undefined): Map<string, Target> {
    const targets = new Map<string, Target>();
    for (const endpoint of service.endpoints) {
      const id = endpointId(endpoint);
      if (targets.has(id)) continue;
      const known = old?.get(id);
      if (known === undefined) {
        targets.set(id, this.#begin({ id, service, endpoint, spec, health: UNKNOWN, sinceMs: 0, checks: [], timer: null, isGone: false }));
        continue;
      }
      const isSooner = spec.intervalMs < known.spec.intervalMs;
      Object.assign(known, { service, endpoint, spec });
      if (isSooner && known.timer !== null) this.#schedule(known, spec.intervalMs * this.#options.random());
      targets.set(id, known);
    }
    return targets;
  }

  /** Ends what is no longer followed; workers are told if that changes who is unhealthy. */
  #settle(service: string, old: ReadonlyMap<string, Target>): void {
    const kept = this.#services.get(service);
    let isChanged = false;
    for (const [id, target] of old) {
      if (kept?.get(id) === target) continue;
      this.#end(target);
      isChanged ||= target.health.state === "unhealthy";
    }
    if (isChanged) this.#tell(service);
  }

  #begin(target: Target): Target {
    this.#schedule(target, Math.min(target.spec.intervalMs, MAX_FIRST_DELAY_MS) * this.#options.random());
    return target;
  }

  #end(target: Target): void {
    target.isGone = true;
    if (target.timer !== null) clearTimeout(target.timer);
    target.timer = null;
  }

  #schedule(target: Target, delayMs: number): void {
    if (target.timer !== null) clearTimeout(target.timer);
    target.timer = setTimeout(() => this.#due(target), Math.min(delayMs, MAX_TIMER_MS)).unref();
  }

  #due(target: Target): void {
    target.timer = null;
    this.#waiting.push(target);
    this.#next();
  }

  #next(): void {
    while (this.#running < MAX_CONCURRENT) {
      const target = this.#waiting.shift();
      if (target === undefined) return;
      if (!target.isGone) void this.#check(target);
    }
  }

  async #check(target: Target): Promise<void> {
    this.#running++;
    const { endpoint, service, spec } = target;
    const startedAt = performance.now();
    const result = await check(endpoint, service, spec);
    this.#running--;
    if (!target.isGone) {
      const durationMs = performance.now() - startedAt;
      this.#record(target, { ...result, atMs: Date.now(), durationMs });
      const { intervalMs } = target.spec;
      this.#schedule(target, Math.max(0, intervalMs * (1 - JITTER * this.#options.random()) - durationMs));
    }
    this.#next();
  }

  #record(target: Target, record: CheckRecord): void {
    const before = target.health;
    const counts = this.#counts.get(target.service.name);
    if (counts !== undefined) counts[record.isPassed ? "passed" : "failed"]++;
    target.checks = [record, ...target.checks.slice(0, MAX_CHECKS_KEPT - 1)];
    target.health = afterCheck(before, record.isPassed, target.spec);
    if (target.health.state === before.state) return;
    target.sinceMs = record.atMs;
    // That a new endpoint is as everybody took it to be is no news.
    if (before.state === "unknown" && target.health.state === "healthy") return;
    if (counts !== undefined && target.health.state !== "unknown") counts[target.health.state]++;
    this.#options.log(`endpoint ${target.id} of service ${target.service.name} is ${target.health.state}: ${record.text}`);
    this.#tell(target.service.name);
  }

  /** When a zone fails, thousands of endpoints become unhealthy one by one. */
  #tell(service: string): void {
    this.#changed.add(service);
    this.#telling ??= setTimeout(() => this.#tellChanges(), TELL_DELAY_MS).unref();
  }

  #tellChanges(): void {
    this.#telling = null;
    const services = [...this.#changed];
    this.#changed.clear();
    for (const service of services) {
      this.#version++;
      this.#options.onChange(this.#stateOf(service, this.#services.get(service)));
    }
  }

  #stateOf(service: string, targets: ReadonlyMap<string, Target> | undefined): ServiceHealth {
    const unhealthy = [...(targets?.values() ?? [])].filter(({ health }) => health.state === "unhealthy").map(({ id }) => id);
    return { service, version: this.#version, unhealthy };
  }

  state(): readonly ServiceHealth[] {
    return [...this.#services].map(([service, targets]) => this.#stateOf(service, targets)).filter(({ unhealthy }) => unhealthy.length > 0);
  }

  countsOf(service: string): CheckCounts | null {
    return this.#counts.get(service) ?? null;
  }

  recordOf(service: string, endpoint: string): EndpointRecord | null {
    const target = this.#services.get(service)?.get(endpoint);
    return target === undefined ? null : { state: target.health.state, sinceMs: target.sinceMs, checks: target.checks };
  }

  stop(): void {
    this.#isStopped = true;
    for (const targets of this.#services.values()) for (const target of targets.values()) this.#end(target);
    this.#services = new Map();
    if (this.#telling !== null) clearTimeout(this.#telling);
  }
}
