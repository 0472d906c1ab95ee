/**
 * The version of a snapshot: a digest of what it says. Equal documents have equal versions, whatever the order of their
 * keys and objects, their comments, or the directory they lie in; a renewed certificate under the same path makes a new
 * version. What is digested is kept, so that two versions can be compared object by object (diff.ts) and never disagree
 * with their digests.
 */
import { createHash } from "node:crypto";
import type { Snapshot, WireSpec } from "../engine/model/snapshot.js";
import type { CompileInput } from "./compile.js";
import { type RouteOrder, routeOrderOf } from "./route-order.js";

export interface NamedObject {
  readonly name: string;
}

/** What a document means, without where and how it is written. Secret: holds what files and variables held. */
export interface DocumentIdentity {
  readonly lists: Readonly<Record<ListKind, readonly NamedObject[]>>;
  readonly blocks: Readonly<Record<BlockKind, unknown>>;
  readonly routeOrder: RouteOrder;
}

export type ListKind = "listeners" | "routes" | "services" | "providers.jwt";
export type BlockKind = "zone" | "limits" | "registry" | "telemetry" | "admin" | "workers" | "drain";

export function versionOf({ lists, blocks, routeOrder }: DocumentIdentity): string {
  const sorted = Object.fromEntries(Object.entries(lists).map(([kind, objects]) => [kind, [...objects].sort(byName)]));
  return createHash("sha256")
    .update(canonicalJson({ lists: sorted, blocks, routeOrder }))
    .digest("hex")
    .slice(0, 16);
}

export function identityOf(content: Omit<Snapshot, "version">, { document, materials }: CompileInput): DocumentIdentity {
  const listeners = content.listeners.map((listener, index) => {
    const certificates = listener.tls?.certificates.map((_, position) => {
      const loaded = materials.certificate(["listeners", index, "tls", "certificates", position]);
      return [loaded?.fingerprint, digestOf(loaded?.certPem ?? "")];
    });
    return { ...listener, tls: certificates ?? null, wire: wireIdentity(listener.wire) };
  });
  const routes = content.routes.map((route) => ({ ...route, listeners: [...route.listeners].sort() }));
  // A path as written, and not where it leads here.
  const services = content.services.map((service, index) => {
    const { file, kubernetes } = document.services[index]?.endpoints ?? {};
    if (kubernetes !== undefined) return { ...service, endpoints: { ...service.endpoints, tokenFile: kubernetes.tokenFile ?? "" } };
    return file === undefined ? service : { ...service, endpoints: { ...service.endpoints, path: file.path } };
  });
  return {
    lists: { listeners, routes, services, "providers.jwt": content.jwtProviders },
    // `auto` and not the number it stands for here; paths as written and not where they lead here.
    blocks: {
      zone: content.zone,
      limits: content.limits,
      registry: content.registry,
      telemetry: document.telemetry,
      admin: { ...content.admin, socketPath: document.admin.socket ?? "" },
      workers: document.workers,
      drain: content.drain,
    },
    routeOrder: routeOrderOf(content.routes),
  };
}

/** Certificates are known by their digests; keys belong to them. */
function wireIdentity(wire: WireSpec | null): unknown {
  return wire?.tls == null ? wire : { ...wire, tls: { ...wire.tls, pems: null } };
}

export function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function byName(a: NamedObject, b: NamedObject): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** JSON with the keys of every map in order. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
