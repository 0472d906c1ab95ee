/** Where the endpoints of a service come from. A static list is part of the snapshot; all others are followed by the primary. */
import type { EndpointSpec } from "./snapshot.js";

export type EndpointSourceSpec =
  | StaticSourceSpec
  | FileSourceSpec
  | DnsSourceSpec
  | RegistrySourceSpec
  | ConsulSourceSpec
  | NacosSourceSpec
  | EtcdSourceSpec
  | ZooKeeperSourceSpec
  | KubernetesSourceSpec;

/** What is found at run time. */
export type DynamicSourceSpec = Exclude<EndpointSourceSpec, StaticSourceSpec>;

export interface StaticSourceSpec {
  readonly type: "static";
  readonly endpoints: readonly EndpointSpec[];
}

export interface FileSourceSpec extends SourceGuards {
  readonly type: "file";
  /** Absolute. */
  readonly path: string;
}

/** `addresses`: A and AAAA together. */
export type DnsRecord = "A" | "AAAA" | "addresses" | "SRV";

export interface DnsSourceSpec extends SourceGuards {
  readonly type: "dns";
  /** Lower case, without a dot at its end. */
  readonly name: string;
  readonly record: DnsRecord;
  /** 0 for SRV, which brings its own. */
  readonly port: number;
  /** `host:port` (IPv6 in brackets), in order of preference; empty: those of the system. */
  readonly servers: readonly string[];
  /** Bounds of how long an answer is used, whatever its TTL. */
  readonly minRefreshMs: number;
  readonly maxRefreshMs: number;
  /** Of one question to one server. */
  readonly timeoutMs: number;
}

export interface RegistrySourceSpec extends SourceGuards {
  readonly type: "registry";
  /** Its name in this gateway's registry. */
  readonly service: string;
}

export interface ConsulSourceSpec extends SourceGuards, SourceServersSpec {
  readonly type: "consul";
  readonly service: string;
  /** The first is asked first, the others stand in for it; empty: the one of the server that is asked. */
  readonly datacenters: readonly string[];
  /** An instance has all of them. */
  readonly tags: readonly string[];
  /** An expression of Consul; "": none. */
  readonly filter: string;
  /** "": that of the token. */
  readonly namespace: string;
  readonly partition: string;
  /** Else those with warnings take traffic too. */
  readonly isPassingOnly: boolean;
  /** Key of Meta that tells a zone. */
  readonly zoneKey: string;
  /** Secret; "": none. */
  readonly token: string;
  readonly consistency: "default" | "consistent" | "stale";
  /** How long a server may hold back its answer when there is no news. */
  readonly waitMs: number;
  /** Of a question that is answered at once; beyond `waitMs`, of others. */
  readonly timeoutMs: number;
}

export type NacosApi = "v1" | "v2" | "v3";

export interface NacosSourceSpec extends SourceGuards, SourceServersSpec {
  readonly type: "nacos";
  readonly api: NacosApi;
  readonly service: string;
  readonly group: string;
  /** Its id; "": public. */
  readonly namespace: string;
  /** Empty: all of them. */
  readonly clusters: readonly string[];
  /** Key of the metadata that tells a zone; "": the name of the cluster does. */
  readonly zoneKey: string;
  /** "": no login. */
  readonly username: string;
  /** Secret. */
  readonly password: string;
  /** Secret; instead of a login. "": none. */
  readonly accessToken: string;
  /** Bounds of how long an answer is used, whatever `cacheMillis` says. */
  readonly minRefreshMs: number;
  readonly maxRefreshMs: number;
  /** Of one question to one server. */
  readonly timeoutMs: number;
}

export interface EtcdSourceSpec extends SourceGuards, SourceServersSpec {
  readonly type: "etcd";
  /** Of the keys, as it is. */
  readonly prefix: string;
  /** "": no login. */
  readonly username: string;
  /** Secret. */
  readonly password: string;
  /** Of one question to one server. */
  readonly timeoutMs: number;
}

export interface ZooKeeperSourceSpec extends SourceGuards {
  readonly type: "zookeeper";
  /** `host:port`, IPv6 in brackets; never empty. */
  readonly servers: readonly string[];
  /** Of the node whose children are the endpoints; without a slash at its end. */
  readonly path: string;
  /** "": nobody in particular. */
  readonly username: string;
  /** Secret. */
  readonly password: string;
  readonly sessionTimeoutMs: number;
  /** Instances that have a port for TLS are reached there. */
  readonly isTls: boolean;
}

export interface KubernetesSourceSpec extends SourceGuards {
  readonly type: "kubernetes";
  readonly service: string;
  /** "": that of the pod which the gateway runs in. */
  readonly namespace: string;
  /** Name or number of a port of its pods; "": the only one. */
  readonly port: string | number;
  /** Null: the cluster that the gateway runs in. */
  readonly servers: SourceServersSpec | null;
  /** Secret; "": none. */
  readonly token: string;
  /** Absolute path of a token that changes with time; "": none, or in the cluster that of the pod. */
  readonly tokenFile: string;
}

/** Servers that know endpoints, asked in this order. */
export interface SourceServersSpec {
  /** Never empty; without user and password, and without a slash at their ends. */
  readonly urls: readonly string[];
  readonly tls: ServerTlsSpec;
}

/** PEM texts; "": the system's roots, no client certificate, the host of the URL. */
export interface ServerTlsSpec {
  readonly caPem: string;
  readonly certPem: string;
  /** Secret. */
  readonly keyPem: string;
  readonly serverName: string;
  readonly isVerified: boolean;
}

export interface SourceGuards {
  /** A set with fewer endpoints that take traffic does not replace one that has enough; 0: even an empty one does. */
  readonly minimumEndpoints: number;
}

/**
 * Tells where a source looks, whatever its settings are: what is known of one place stays known when only they change.
 * "" for static lists.
 */
export function placeOfSource(source: EndpointSourceSpec): string {
  switch (source.type) {
    case "static":
      return "";
    case "file":
      return `file ${source.path}`;
    case "dns":
      return `dns ${source.record} ${source.name} ${source.port}`;
    case "registry":
      return `registry ${source.service}`;
    case "consul":
      return `consul ${source.service}${placeOfConsul(source)}`;
    case "nacos":
      return `nacos ${source.namespace || "public"} ${source.group} ${source.service}${listed("clusters", source.clusters)}`;
    case "etcd":
      return `etcd ${source.prefix}`;
    case "zookeeper":
      return `zookeeper ${source.path}`;
    case "kubernetes":
      return `kubernetes ${placeOfKubernetes(source)}`;
  }
}

/** Servers are not part of it: they know the same. */
function placeOfConsul({ datacenters, tags, filter, namespace, partition }: ConsulSourceSpec): string {
  const lists = listed("datacenters", datacenters) + listed("tags", tags);
  return lists + listed("filter", [filter]) + listed("namespace", [namespace]) + listed("partition", [partition]);
}

/** Names mean something within one cluster only, which its first server stands for. */
function placeOfKubernetes({ servers, namespace, service, port }: KubernetesSourceSpec): string {
  const cluster = servers === null ? "" : `${servers.urls[0]} `;
  return `${cluster}${namespace === "" ? "" : `${namespace}/`}${service}${port === "" ? "" : `:${port}`}`;
}

function listed(name: string, values: readonly string[]): string {
  return values.join("") === "" ? "" : ` ${name}=${values.map(encodeURIComponent).join(",")}`;
}

/** What the snapshot itself says; what sources find is elsewhere. */
export function staticEndpointsOf(source: EndpointSourceSpec): readonly EndpointSpec[] {
  return source.type === "static" ? source.endpoints : NONE;
}

const NONE: readonly EndpointSpec[] = [];
