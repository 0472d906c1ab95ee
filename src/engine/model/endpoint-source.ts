/** Where the endpoints of a service come from. A static list is part of the snapshot; all others are followed by the primary. */
import type { EndpointSpec } from "./snapshot.js";

export type EndpointSourceSpec = StaticSourceSpec | FileSourceSpec | DnsSourceSpec | RegistrySourceSpec;

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
  }
}

/** What the snapshot itself says; what sources find is elsewhere. */
export function staticEndpointsOf(source: EndpointSourceSpec): readonly EndpointSpec[] {
  return source.type === "static" ? source.endpoints : NONE;
}

const NONE: readonly EndpointSpec[] = [];
