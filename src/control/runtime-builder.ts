/**
 * Prebuilds everything the request path reads from a snapshot: route tables, filter chains, pickers. Endpoints and
 * retry budgets outlive snapshots, so that a reload forgets neither load nor failures.
 */
import { createEndpointRegistry } from "../engine/balancing/endpoint-registry.js";
import { createPicker } from "../engine/balancing/picker.js";
import type { Endpoint } from "../engine/model/endpoint.js";
import type { ListenerSpec, RouteSpec, ServiceSpec, Snapshot } from "../engine/model/snapshot.js";
import { createRetryBudget, type RetryBudget } from "../engine/resilience/retry-budget.js";
import { compileRoutes } from "../engine/routing/compile-routes.js";
import { createFilters, type FilterPorts } from "../filters/registry.js";
import type { ListenerRuntime, RouteRuntime, Runtime, ServiceRuntime } from "../proxy/runtime.js";
import { createTrustedPeers } from "../proxy/trusted-peers.js";

export interface RuntimeBuilder {
  build(snapshot: Snapshot): Runtime;
  /** Of the last snapshot; empty for a service that it does not have. */
  endpointsOf(service: string): readonly Endpoint[];
}

export function createRuntimeBuilder(ports: FilterPorts): RuntimeBuilder {
  const endpoints = createEndpointRegistry();
  const budgets = new Map<string, RetryBudget>();

  function buildService(spec: ServiceSpec): ServiceRuntime {
    const retryBudget = budgets.get(spec.name) ?? createRetryBudget();
    budgets.set(spec.name, retryBudget);
    return { spec, picker: createPicker(spec.balance.algorithm, endpoints.reconcile(spec)), retryBudget };
  }

  return {
    build(snapshot) {
      const services = new Map(snapshot.services.map((spec) => [spec.name, buildService(spec)]));
      endpoints.retainServices(new Set(services.keys()));
      for (const name of budgets.keys()) if (!services.has(name)) budgets.delete(name);
      return Object.freeze({
        snapshot,
        listeners: new Map(snapshot.listeners.map((spec) => [spec.name, buildListener(spec, snapshot)])),
        routes: snapshot.routes.map((spec) => buildRoute(spec, snapshot, services, ports)),
      });
    },
    endpointsOf: (service) => endpoints.endpointsOf(service),
  };
}

function buildListener(spec: ListenerSpec, snapshot: Snapshot): ListenerRuntime {
  return { spec, table: compileRoutes(snapshot.routes, spec.name), trustedPeers: createTrustedPeers(spec.trustedProxies) };
}

function buildRoute(spec: RouteSpec, snapshot: Snapshot, services: ReadonlyMap<string, ServiceRuntime>, ports: FilterPorts): RouteRuntime {
  const filters = createFilters(spec.filters, { ...ports, routeName: spec.name, jwtProviders: snapshot.jwtProviders });
  return {
    spec,
    requestFilters: filters.filter((filter) => filter.onRequest !== undefined),
    responseFilters: filters.filter((filter) => filter.onResponse !== undefined),
    // The compiler has checked that every service exists.
    backends: spec.backends.map(({ service, weight }) => ({ service: services.get(service) as ServiceRuntime, weight })),
  };
}
