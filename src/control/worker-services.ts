/**
 * The services of a worker: endpoints, guards and retry budgets, which outlive snapshots, so that a reload forgets neither load nor
 * failures; and what the primary says of endpoints beside the snapshot: which there are, who is well, what operators want.
 */
import { performance } from "node:perf_hooks";
import { createEndpointRegistry } from "../engine/balancing/endpoint-registry.js";
import { combineFeedback, createBalanceFeedback } from "../engine/balancing/feedback.js";
import type { EndpointSet } from "../engine/model/endpoint.js";
import { placeOfSource } from "../engine/model/endpoint-source.js";
import type { ServiceSpec, Snapshot } from "../engine/model/snapshot.js";
import { createRetryBudget, type RetryBudget } from "../engine/resilience/retry-budget.js";
import { isUnguarded, learnsNothing, ServiceGuard } from "../engine/resilience/service-guard.js";
import { createHashKey } from "../proxy/hash-key.js";
import type { ServiceRuntime } from "../proxy/runtime.js";
import { createFoundEndpoints } from "./found-endpoints.js";
import { WorkerOverrides } from "./overrides/worker-overrides.js";
import type { EndpointsMessage, HealthMessage, OverridesMessage } from "./protocol.js";
import { WorkerHealth } from "./worker-health.js";

export class WorkerServices {
  readonly #endpoints = createEndpointRegistry();
  readonly #found = createFoundEndpoints();
  readonly #budgets = new Map<string, RetryBudget>();
  readonly #guards = new Map<string, ServiceGuard>();
  readonly #health = new WorkerHealth();
  readonly #overrides = new WorkerOverrides();
  #current: ReadonlyMap<string, ServiceRuntime> = new Map();

  /** Those of the last snapshot. */
  get current(): ReadonlyMap<string, ServiceRuntime> {
    return this.#current;
  }

  /** What the snapshot does not have is forgotten. */
  build(snapshot: Snapshot): ReadonlyMap<string, ServiceRuntime> {
    const services = new Map(snapshot.services.map((spec) => [spec.name, this.#build(spec)]));
    const names = new Set(services.keys());
    this.#endpoints.retainServices(names);
    this.#health.retain(names);
    this.#found.retain(snapshot.services);
    for (const known of [this.#budgets, this.#guards]) for (const name of known.keys()) if (!names.has(name)) known.delete(name);
    this.#current = services;
    return services;
  }

  /** Endpoints that were found at run time. */
  take(message: EndpointsMessage): void {
    const spec = this.#current.get(message.service)?.spec;
    if (!this.#found.take(message) || spec === undefined || placeOfSource(spec.endpoints) !== message.place) return;
    this.#bringUpToDate(spec);
  }

  /** For now and for later snapshots. */
  setHealth(message: HealthMessage): void {
    const set = this.#endpoints.setOf(message.service);
    if (this.#health.take(message) && set !== undefined) this.#applyHealth(message.service, set, performance.now());
  }

  /** As `setHealth`. */
  setOverrides(message: OverridesMessage): void {
    for (const name of this.#overrides.take(message) ?? []) {
      const spec = this.#current.get(name)?.spec;
      if (spec !== undefined) this.#bringUpToDate(spec);
    }
  }

  #build(spec: ServiceSpec): ServiceRuntime {
    const retryBudget = this.#budgets.get(spec.name) ?? createRetryBudget();
    this.#budgets.set(spec.name, retryBudget);
    const { hashOn } = spec.balance;
    const endpoints = this.#bringUpToDate(spec);
    const guard = this.#guardOf(spec);
    return {
      spec,
      endpoints,
      hashKey: hashOn === null ? null : createHashKey(hashOn),
      guard,
      feedback: combineFeedback([createBalanceFeedback(spec.balance), learnsNothing(spec) ? null : guard]),
      retryBudget,
    };
  }

  /** The endpoints as they are known now, with everything that is known of them. Pickers watch the set. */
  #bringUpToDate(spec: ServiceSpec): EndpointSet {
    const now = performance.now();
    const set = this.#endpoints.reconcileEndpoints(spec, this.#overrides.weigh(spec.name, this.#found.endpointsOf(spec)), now);
    this.#guards.get(spec.name)?.update(spec, set.endpoints);
    this.#applyHealth(spec.name, set, now);
    this.#overrides.drain(spec.name, set, now);
    return set;
  }

  #applyHealth(service: string, set: EndpointSet, now: number): void {
    for (const endpoint of this.#health.apply(service, set, now)) this.#guards.get(service)?.recovered(endpoint, now);
  }

  /** The one that the service had; null when it needs none. */
  #guardOf(spec: ServiceSpec): ServiceGuard | null {
    if (isUnguarded(spec)) {
      this.#guards.delete(spec.name);
      return null;
    }
    const guard = this.#guards.get(spec.name) ?? new ServiceGuard(spec);
    this.#guards.set(spec.name, guard);
    return guard;
  }
}
