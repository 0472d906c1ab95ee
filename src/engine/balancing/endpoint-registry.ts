/**
 * Keeps the Endpoint objects of every service across snapshots, so that a reload does not forget what is under way.
 * An endpoint stays the same object as long as its service reaches it in the same way (host, port, protocol, TLS).
 */
import { Endpoint, type UpstreamTarget, type UpstreamVersion } from "../model/endpoint.js";
import type { EndpointSpec, ServiceSpec, UpstreamTlsSpec } from "../model/snapshot.js";

export interface EndpointRegistry {
  /**
   * The endpoints of a service as its new specification lists them; an address listed twice counts once. Those that
   * are no longer listed are forgotten here and live on in the exchanges that use them.
   */
  reconcile(service: ServiceSpec): Endpoint[];
  /** Forgets the services that the new snapshot does not have. */
  retainServices(names: ReadonlySet<string>): void;
  /** As they were reconciled last. */
  endpointsOf(service: string): Endpoint[];
}

export function createEndpointRegistry(): EndpointRegistry {
  const services = new Map<string, ReadonlyMap<string, KeptEndpoint>>();
  return {
    reconcile(service) {
      const kept = reconcileService(service, services.get(service.name));
      services.set(service.name, kept);
      return Array.from(kept.values(), ({ endpoint }) => endpoint);
    },
    endpointsOf: (service) => Array.from(services.get(service)?.values() ?? [], ({ endpoint }) => endpoint),
    retainServices(names) {
      for (const name of services.keys()) if (!names.has(name)) services.delete(name);
    },
  };
}

interface KeptEndpoint {
  readonly endpoint: Endpoint;
  readonly target: TargetDraft;
}

/** The registry may change what does not belong to the key: pools see new limits without being torn down. */
type TargetDraft = { -readonly [Field in keyof UpstreamTarget]: UpstreamTarget[Field] };

function reconcileService(service: ServiceSpec, before: ReadonlyMap<string, KeptEndpoint> | undefined): ReadonlyMap<string, KeptEndpoint> {
  const after = new Map<string, KeptEndpoint>();
  for (const spec of service.endpoints) {
    const target = createTarget(service, spec);
    if (after.has(target.key)) continue;
    after.set(target.key, updateEndpoint(before?.get(target.key), target, spec));
  }
  return after;
}

function updateEndpoint(kept: KeptEndpoint | undefined, target: TargetDraft, spec: EndpointSpec): KeptEndpoint {
  if (kept === undefined) return { endpoint: new Endpoint(endpointId(spec), target, spec.weight, spec.zone, spec.labels), target };
  Object.assign(kept.target, target);
  kept.endpoint.weight = spec.weight;
  kept.endpoint.zone = spec.zone;
  kept.endpoint.labels = spec.labels;
  return kept;
}

function endpointId({ host, port }: EndpointSpec): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
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
