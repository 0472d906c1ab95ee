/**
 * Prebuilds everything the request path reads from a snapshot: route tables, filter chains, pickers. Services and pickers outlive
 * snapshots (worker-services.ts, picker-cache.ts), so that no ring is built twice.
 */
import { createPickerCache } from "../engine/balancing/picker-cache.js";
import type { BackendSpec, ListenerSpec, RouteSpec, Snapshot } from "../engine/model/snapshot.js";
import { GuardedPicker } from "../engine/resilience/guarded-picker.js";
import { compileRoutes } from "../engine/routing/compile-routes.js";
import { createFilters, type FilterPorts } from "../filters/registry.js";
import type { BackendRuntime, ListenerRuntime, RouteRuntime, Runtime, ServiceRuntime } from "../proxy/runtime.js";
import { createTrustedPeers } from "../proxy/trusted-peers.js";
import type { ServiceReading } from "../telemetry/service-metrics.js";
import { readingOf, reportsOf } from "./endpoint-reports.js";
import type { EndpointReport, EndpointsMessage, HealthMessage, OverridesMessage } from "./protocol.js";
import { WorkerServices } from "./worker-services.js";

export interface RuntimeBuilder {
  build(snapshot: Snapshot): Runtime;
  /** Endpoints that were found at run time; what was built last has them from now on, and no other service notices. */
  take(message: EndpointsMessage): void;
  /** For now and for later snapshots. */
  setHealth(message: HealthMessage): void;
  /** As `setHealth`. */
  setOverrides(message: OverridesMessage): void;
  /** What is known of the endpoints that these services have now; nothing of services that the last snapshot did not have. */
  inspect(services: readonly string[], worker: number): EndpointReport[];
  /** Those of the last snapshot. */
  services(): Iterable<ServiceRuntime>;
  /** The numbers of all services, for metrics. */
  readings(): ServiceReading[];
}

export function createRuntimeBuilder(ports: FilterPorts): RuntimeBuilder {
  const pickers = createPickerCache();
  const services = new WorkerServices();
  return {
    build(snapshot) {
      // First what may refuse the snapshot: endpoints are changed in place, and then it is too late to refuse.
      const filters = snapshot.routes.map((spec) => buildFilters(spec, snapshot, ports));
      const built = services.build(snapshot);
      const picker = pickers.forSnapshot();
      const backend = ({ service: name, subset, weight }: BackendSpec): BackendRuntime => {
        // The compiler has checked that every service exists.
        const service = built.get(name) as ServiceRuntime;
        const plain = picker(service.endpoints, { balance: service.spec.balance, subset, zone: snapshot.zone });
        return { service, weight, picker: service.guard === null ? plain : new GuardedPicker(plain, service.guard) };
      };
      return Object.freeze({
        snapshot,
        listeners: new Map(snapshot.listeners.map((spec) => [spec.name, buildListener(spec, snapshot)])),
        routes: snapshot.routes.map((spec, index) => ({ ...(filters[index] as RouteFilters), spec, backends: spec.backends.map(backend) })),
      });
    },
    take: (message) => services.take(message),
    setHealth: (message) => services.setHealth(message),
    setOverrides: (message) => services.setOverrides(message),
    inspect: (names, worker) => names.flatMap((name) => reportsOf(services.current.get(name), worker)),
    services: () => services.current.values(),
    readings: () => [...services.current.values()].map(readingOf),
  };
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
