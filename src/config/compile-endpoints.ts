/** `endpoints` of a service → where they come from. */
import { resolve } from "node:path";
import type { DnsSourceSpec, EndpointSourceSpec } from "../engine/model/endpoint-source.js";
import type { EndpointSpec } from "../engine/model/snapshot.js";
import { parseDuration } from "../engine/model/units.js";
import { compileConsulSource } from "./compile-consul-source.js";
import { compileEtcdSource } from "./compile-etcd-source.js";
import { compileKubernetesSource } from "./compile-kubernetes-source.js";
import { compileNacosSource } from "./compile-nacos-source.js";
import { compileZooKeeperSource } from "./compile-zookeeper-source.js";
import type { Materials } from "./materials.js";
import type { DocumentPath } from "./problems.js";
import { type Address, parseAddress } from "./schema/addresses.js";
import { type Endpoint, type Endpoints, parseServerAddress } from "./schema/endpoints.js";
import type { Service } from "./schema/service.js";
import { placeOf, type Tree } from "./tree.js";

export interface CompileSourcesInput {
  readonly materials: Materials;
  readonly tree: Tree;
}

/** The checks have seen to it that exactly one source is written. */
export function compileEndpoints(
  { name, protocol, endpoints: written }: Service,
  path: DocumentPath,
  { materials, tree }: CompileSourcesInput,
): EndpointSourceSpec {
  if (written.file !== undefined) {
    const { directory } = placeOf(tree, [...path, "file", "path"]).file;
    return { type: "file", path: resolve(directory, written.file.path), minimumEndpoints: written.file.minimumEndpoints };
  }
  if (written.dns !== undefined) return compileDns(written.dns);
  if (written.registry !== undefined) {
    const { service = name, minimumEndpoints } = written.registry;
    return { type: "registry", service, minimumEndpoints };
  }
  if (written.consul !== undefined) return compileConsulSource(name, written.consul, [...path, "consul"], materials);
  if (written.nacos !== undefined) return compileNacosSource(name, written.nacos, [...path, "nacos"], materials);
  if (written.etcd !== undefined) return compileEtcdSource(written.etcd, [...path, "etcd"], materials);
  if (written.zookeeper !== undefined) {
    return compileZooKeeperSource(written.zookeeper, [...path, "zookeeper"], {
      materials,
      isTls: protocol === "https" || protocol === "h2",
    });
  }
  if (written.kubernetes !== undefined) {
    return compileKubernetesSource({ name, ...written.kubernetes }, [...path, "kubernetes"], { materials, tree });
  }
  return { type: "static", endpoints: compileEndpointList(written.static ?? []) };
}

export function compileEndpointList(endpoints: readonly Endpoint[]): EndpointSpec[] {
  return endpoints.map(({ address, weight, zone, priority, labels }) => ({
    ...(parseAddress(address) as Address),
    weight,
    zone,
    priority,
    labels,
  }));
}

/** The name that certificates of the endpoints are for, unless the document names another; "": each its own. */
export function certificateNameOf({ dns }: Endpoints): string {
  // The name that was asked for is what the operator trusts, not the hosts that DNS leads to (RFC 6125 §6.2.1).
  return dns === undefined ? "" : normalName(dns.name).replace(/^(?:_[^.]*\.)+/, "");
}

function compileDns({
  name,
  type,
  port,
  servers,
  minRefresh,
  maxRefresh,
  timeout,
  ...guards
}: NonNullable<Endpoints["dns"]>): DnsSourceSpec {
  return {
    type: "dns",
    name: normalName(name),
    record: type,
    port: port ?? 0,
    servers: servers.map((server) => parseServerAddress(server) as string),
    minRefreshMs: parseDuration(minRefresh) as number,
    maxRefreshMs: parseDuration(maxRefresh) as number,
    timeoutMs: parseDuration(timeout) as number,
    ...guards,
  };
}

function normalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
