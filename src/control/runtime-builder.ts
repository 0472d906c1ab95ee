/**
 * Prebuilds everything the request path reads from a snapshot: route tables, filter chains, pickers. Endpoints,
 * pickers and retry budgets outlive snapshots, so that a reload forgets neither load nor failures, and no ring is built twice.
 */
import { performance } from "node:perf_hooks";
import { createEndpointRegistry } from "../engine/balancing/endpoint-registry.js";
import { combineFeedback, createBalanceFeedback } from "../engine/balancing/feedback.js";
import { createPickerCache } from "../engine/balancing/picker-cache.js";
import type { Endpoint, EndpointSet } from "../engine/model/endpoint.js";
import { placeOfSource } from "../engine/model/endpoint-source.js";
import type { BackendSpec, ListenerSpec, RouteSpec, ServiceSpec, Snapshot } from "../engine/model/snapshot.js";
import { GuardedPicker } from "../engine/resilience/guarded-picker.js";
import { createRetryBudget, type RetryBudget } from "../engine/resilience/retry-budget.js";
import { isUnguarded, learnsNothing, ServiceGuard } from "../engine/resilience/service-guard.js";
import { compileRoutes } from "../engine/routing/compile-routes.js";
import { createFilters, type FilterPorts } from "../filters/registry.js";
import { createHashKey } from "../proxy/hash-key.js";
import type { BackendRuntime, ListenerRuntime, RouteRuntime, Runtime, ServiceRuntime } from "../proxy/runtime.js";
import { createTrustedPeers } from "../proxy/trusted-peers.js";
import { createFoundEndpoints } from "./found-endpoints.js";
import type { EndpointReport, EndpointsMessage, HealthMessage } from "./protocol.js";
import { WorkerHealth } from "./worker-health.js";

export interface RuntimeBuilder {
  build(snapshot: Snapshot): Runtime;
  /** Endpoints that were found at run time; what was built last has them from now on, and no other service notices. */
  take(message: EndpointsMessage): void;
  /** For now and for later snapshots. */
  setHealth(message: HealthMessage): void;
  /** What is known of the endpoints that these services have now; nothing of services that the last snapshot did not have. */
  inspect(services: readonly string[], worker: number): EndpointReport[];
}

export function createRuntimeBuilder(ports: FilterPorts): RuntimeBuilder {
  const endpoints = createEndpointRegistry();
  const pickers = createPickerCache();
  const found = createFoundEndpoints();
  const budgets = new Map<string, RetryBudget>();
  const guards = new Map<string, ServiceGuard>();
  const health = new WorkerHealth();
  let current: ReadonlyMap<string, ServiceRuntime> = new Map();

  function buildService(spec: ServiceSpec): ServiceRuntime {
    const retryBudget = budgets.get(spec.name) ?? createRetryBudget();
    budgets.set(spec.name, retryBudget);
    const { hashOn } = spec.balance;
    const set = endpoints.reconcileEndpoints(spec, found.endpointsOf(spec), performance.now());
    const guard = guardOf(guards, spec, set);
    applyHealth(spec.name, set, { health, guards });
    return {
      spec,
      endpoints: set,
      hashKey: hashOn === null ? null : createHashKey(hashOn),
      guard,
      feedback: combineFeedback([createBalanceFeedback(spec.balance), learnsNothing(spec) ? null : guard]),
      retryBudget,
    };
  }

  function forgetOthers(snapshot: Snapshot, names: ReadonlySet<string>): void {
    endpoints.retainServices(names);
    health.retain(names);
    found.retain(snapshot.services);
    for (const known of [budgets, guards]) for (const name of known.keys()) if (!names.has(name)) known.delete(name);
  }

  return {
    build(snapshot) {
      // First what may refuse the snapshot: endpoints are changed in place, and then it is too late to refuse.
      const filters = snapshot.routes.map((spec) => buildFilters(spec, snapshot, ports));
      const services = new Map(snapshot.services.map((spec) => [spec.name, buildService(spec)]));
      forgetOthers(snapshot, new Set(services.keys()));
      current = services;
      const picker = pickers.forSnapshot();
      const backend = ({ service: name, subset, weight }: BackendSpec): BackendRuntime => {
        // The compiler has checked that every service exists.
        const service = services.get(name) as ServiceRuntime;
        const plain = picker(service.endpoints, { balance: service.spec.balance, subset, zone: snapshot.zone });
        return { service, weight, picker: service.guard === null ? plain : new GuardedPicker(plain, service.guard) };
      };
      return Object.freeze({
        snapshot,
        listeners: new Map(snapshot.listeners.map((spec) => [spec.name, buildListener(spec, snapshot)])),
        routes: snapshot.routes.map((spec, index) => ({ ...(filters[index] as RouteFilters), spec, backends: spec.backends.map(backend) })),
      });
    },
    take(message) {
      const spec = current.get(message.service)?.spec;
      if (!found.take(message) || spec === undefined || placeOfSource(spec.endpoints) !== message.place) return;
      // Pickers watch the set.
      const set = endpoints.reconcileEndpoints(spec, message.endpoints, performance.now());
      guards.get(spec.name)?.update(spec, set.endpoints);
      applyHealth(spec.name, set, { health, guards });
    },
    setHealth(message) {
      const set = endpoints.setOf(message.service);
      if (health.take(message) && set !== undefined) applyHealth(message.service, set, { health, guards });
    },
    inspect: (services, worker) =>
      services.flatMap((service) => reportsOf(endpoints.endpointsOf(service), guards.get(service) ?? null, { service, worker })),
  };
}

function applyHealth(
  service: string,
  set: EndpointSet,
  { health, guards }: { health: WorkerHealth; guards: Map<string, ServiceGuard> },
): void {
  const now = performance.now();
  for (const endpoint of health.apply(service, set, now)) guards.get(service)?.recovered(endpoint, now);
}

/** The one that the service had; null when it needs none. */
function guardOf(guards: Map<string, ServiceGuard>, spec: ServiceSpec, { endpoints: listed }: EndpointSet): ServiceGuard | null {
  const known = guards.get(spec.name);
  known?.update(spec, listed);
  if (isUnguarded(spec)) {
    guards.delete(spec.name);
    return null;
  }
  const guard = known ?? new ServiceGuard(spec);
  guards.set(spec.name, guard);
  return guard;
}

type Reporter = Pick<EndpointReport, "service" | "worker">;

function reportsOf(endpoints: readonly Endpoint[], guard: ServiceGuard | null, reporter: Reporter): EndpointReport[] {
  return endpoints.map((endpoint) => ({ ...reporter, ...reportOf(endpoint, guard, performance.now()) }));
}

function reportOf(endpoint: Endpoint, guard: ServiceGuard | null, now: number): Omit<EndpointReport, "service" | "worker"> {
  const { id, inFlight, weight, zone, priority, isHealthy, isDraining, ejectedUntil } = endpoint;
  const reasons = guard?.reasonsOf(endpoint, now) ?? [];
  const serviceReason = guard?.circuitReason(now) ?? "";
  const ejectedForMs = Math.max(0, Math.ceil(ejectedUntil - now));
  return { endpoint: id, inFlight, weight, zone, priority, isHealthy, isDraining, ejectedForMs, reasons, serviceReason };
}

function buildListener(spec: ListenerSpec, snapshot: Snapshot): ListenerRuntime {
  return { spec, table: compileRoutes(snapshot.routes, spec.name), trustedPeers: createTrustedPeers(spec.trustedProxies) };
}

type RouteFilters = Pick<RouteRuntime, "requestFilters" | "responseFilters">;

function buildFilters(spec: RouteSpec, snapshot: Snapshot, ports: FilterPorts): RouteFilters {
  const filters = createFilters(spec.filters, { ...ports, routeName: spec.name, jwtProviders: snapshot.jwtProviders });
  return {
    requestFilters: filters.filter((filter) => filter.onRequest !== undefined),
    responseFilters: filters.filter((filter) => filter.onResponse !== undefined),
  };
}
