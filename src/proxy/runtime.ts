/**
 * What the proxy runs on: one snapshot with everything prebuilt from it (route tables, filter chains, pickers). Built
 * by control/runtime-builder.ts, swapped as a whole; an exchange keeps the runtime it started with.
 */
import type { AttemptFeedback, EndpointSet, Picker } from "../engine/model/endpoint.js";
import type { ListenerSpec, RouteSpec, ServiceSpec, Snapshot } from "../engine/model/snapshot.js";
import type { RetryBudget } from "../engine/resilience/retry-budget.js";
import type { ServiceGuard } from "../engine/resilience/service-guard.js";
import type { RouteTable } from "../engine/routing/route-table.js";
import type { HashKey } from "./hash-key.js";
import type { Filter } from "./ports.js";
import type { TrustedPeers } from "./trusted-peers.js";

export interface Runtime {
  readonly snapshot: Snapshot;
  readonly listeners: ReadonlyMap<string, ListenerRuntime>;
  /** By `RouteMatch.routeIndex`. */
  readonly routes: readonly RouteRuntime[];
}

export interface ListenerRuntime {
  readonly spec: ListenerSpec;
  readonly table: RouteTable;
  readonly trustedPeers: TrustedPeers;
}

export interface RouteRuntime {
  readonly spec: RouteSpec;
  /** Only filters that act on that side; chains of routes without filters are empty and cost nothing. */
  readonly requestFilters: readonly Filter[];
  readonly responseFilters: readonly Filter[];
  readonly backends: readonly BackendRuntime[];
}

export interface BackendRuntime {
  readonly service: ServiceRuntime;
  readonly weight: number;
  /** Of the backend's subset; one object per service and subset. */
  readonly picker: Picker;
}

export interface ServiceRuntime {
  readonly spec: ServiceSpec;
  /** Survives snapshots. */
  readonly endpoints: EndpointSet;
  /** Null for algorithms that do not hash. */
  readonly hashKey: HashKey | null;
  /** Null when nothing is guarded. Survives snapshots. */
  readonly guard: ServiceGuard | null;
  /** Null when nothing is to be learnt from attempts. */
  readonly feedback: AttemptFeedback | null;
  /** Survives snapshots, like the endpoints. */
  readonly retryBudget: RetryBudget;
}

export interface RuntimeSource {
  readonly current: Runtime;
}
