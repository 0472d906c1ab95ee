/**
 * Keeps the endpoints of every service across snapshots and sources, so that neither forgets what is under way. A service
 * has one EndpointSet as long as it exists; an endpoint stays the same object as long as its service reaches it in the same
 * way (host, port, protocol, TLS).
 */
import { Endpoint, EndpointSet, endpointId, type UpstreamTarget, type UpstreamVersion } from "../model/endpoint.js";
import { staticEndpointsOf } from "../model/endpoint-source.js";
import type { EndpointSpec, ServiceSpec, UpstreamTlsSpec } from "../model/snapshot.js";

export interface EndpointRegistry {
  /**
   * Brings a service's set up to date with its specification; an address listed twice counts once. Endpoints that are no
   * longer listed are forgotten here and live on in the exchanges that use them. Those that come to a service that had some
   * are new from `now` on.
   */
  reconcile(service: ServiceSpec, now: number): EndpointSet;
  /** As `reconcile`, for endpoints that come from elsewhere than the specification. */
  reconcileEndpoints(service: ServiceSpec, endpoints: readonly EndpointSpec[], now: number): EndpointSet;
  /** Undefined for a service that does not exist. */
  setOf(service: string): EndpointSet | undefined;
  /** Forgets the services that the new snapshot does not have. */
  retainServices(names: ReadonlySet<string>): void;
  /** As they were reconciled last. */
  endpointsOf(service: string): Endpoint[];
}

export function createEndpointRegistry(): EndpointRegistry {
  const services = new Map<string, KeptService>();

  function reconcileEndpoints(service: ServiceSpec, endpoints: readonly EndpointSpec[], now: number): EndpointSet {
    const kept = services.get(service.name) ?? { set: new EndpointSet(), targets: new Map() };
    services.set(service.name, kept);
    updateService(kept, service, { endpoints, now });
    return kept.set;
  }

  return {
    reconcile: (service, now) => reconcileEndpoints(service, staticEndpointsOf(service.endpoints), now),
    reconcileEndpoints,
    setOf: (service) => services.get(service)?.set,
    endpointsOf: (service) => [...(services.get(service)?.set.endpoints ?? [])],
    retainServices(names) {
      for (const name of services.keys()) if (!names.has(name)) services.delete(name);
    },
  };
}

interface KeptService {
  readonly set: EndpointSet;
  /** By key of the target. */
  targets: ReadonlyMap<string, KeptEndpoint>;
}

interface KeptEndpoint {
  readonly endpoint: Endpoint;
  readonly target: TargetDraft;
}

/** The registry may change what does not belong to the key: pools see new limits without being torn down. */
type TargetDraft = { -readonly [Field in keyof UpstreamTarget]: UpstreamTarget[Field] };

interface Listing {
  readonly endpoints: readonly EndpointSpec[];
  readonly now: number;
}

function updateService(kept: KeptService, service: ServiceSpec, { endpoints, now }: Listing): void {
  const before = kept.targets;
  const after = new Map<string, KeptEndpoint>();
  let isChanged = false;
  for (const spec of endpoints) {
    const target = createTarget(service, spec);
    if (after.has(target.key)) continue;
    const known = before.get(target.key);
    if (known === undefined) {
      const endpoint = new Endpoint(endpointId(spec), target, spec, kept.set);
      endpoint.startedAt = before.size === 0 ? 0 : now;
      after.set(target.key, { endpoint, target });
    } else {
      Object.assign(known.target, target);
      isChanged = updateTraits(known.endpoint, spec) || isChanged;
      after.set(target.key, known);
    }
  }
  kept.targets = after;
  const listed = Array.from(after.values(), ({ endpoint }) => endpoint);
  if (isChanged || !isSameList(kept.set.endpoints, listed)) kept.set.replace(listed);
}

function updateTraits(endpoint: Endpoint, { weight, zone, priority, labels }: EndpointSpec): boolean {
  const isSame =
    endpoint.weight === weight && endpoint.zone === zone && endpoint.priority === priority && haveSameLabels(endpoint.labels, labels);
  Object.assign(endpoint, { weight, zone, priority, labels });
  return !isSame;
}

function haveSameLabels(one: Endpoint["labels"], other: Endpoint["labels"]): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => Object.hasOwn(other, name) && one[name] === other[name]);
}

function isSameList(one: readonly Endpoint[], other: readonly Endpoint[]): boolean {
  return one.length === other.length && one.every((endpoint, index) => endpoint === other[index]);
}

function createTarget(service: ServiceSpec, { host, port }: EndpointSpec): TargetDraft {
  const tls = service.protocol === "https" || service.protocol === "h2" ? createTls(service.tls, host) : null;
  const version = versionOf(service);
  return {
    key: targetKey(version, host, port, tls),
    host,
    port,
    version,
    http2: service.http2,
    tls,
    connectTimeoutMs: service.connectTimeoutMs,
    keepAliveMs: service.keepAliveMs,
    connectionAgeMs: service.connectionAgeMs,
    maxConnections: service.maxConnections,
    maxPendingRequests: service.maxPendingRequests,
    maxSlowClientPercent: service.maxSlowClientPercent,
    maxWebSockets: service.maxWebSockets,
  };
}

function versionOf({ protocol, tls }: ServiceSpec): UpstreamVersion {
  if (protocol === "http1") return "http1";
  if (protocol !== "https") return "http2";
  const alpn = tls?.alpn ?? [];
  if (!alpn.includes("h2")) return "http1";
  return alpn.includes("http/1.1") ? "negotiated" : "http2";
}

function createTls(tls: UpstreamTlsSpec | null, host: string): UpstreamTarget["tls"] {
  return { serverName: tls?.serverName || host, caPem: tls?.caPem ?? "", isVerified: tls?.isVerified ?? true };
}

/** Holds the roots in full: a short digest could let two services share connections that only one of them trusts. */
function targetKey(version: UpstreamVersion, host: string, port: number, tls: UpstreamTarget["tls"]): string {
  const key = `${version}|${host}|${port}`;
  return tls === null ? key : `${key}|tls|${tls.serverName}|${tls.isVerified ? "verified" : "unverified"}|${tls.caPem}`;
}
