/** `endpoints` of a service: exactly one source of them. */
import { z } from "zod";
import { isDnsName, parseAddress } from "./addresses.js";
import { consulSource } from "./consul-source.js";
import { etcdSource } from "./etcd-source.js";
import { kubernetesSource } from "./kubernetes-source.js";
import { nacosSource } from "./nacos-source.js";
import { minimumEndpoints } from "./source-guards.js";
import { endpointAddress, filePath, name, positiveDuration, text, weight } from "./values.js";
import { zooKeeperSource } from "./zookeeper-source.js";

export const endpointSchema = z.strictObject({
  address: endpointAddress().describe("host:port; IPv6 in brackets."),
  weight: weight().default(1).describe("0 takes no traffic."),
  zone: z.string().default("").describe("Where it runs; empty: unknown."),
  priority: z
    .int()
    .min(0)
    .max(15)
    .default(0)
    .describe(
      "0 takes all requests while at least 71% of its endpoints (by weight) are healthy; below that the next priority takes over what it cannot, in proportion.",
    ),
  labels: z.record(z.string().min(1), z.string()).default({}).describe("What subsets of backends choose by."),
});

/** What an endpoint file holds: the list itself. */
export const endpointListSchema = z.array(endpointSchema).max(10_000);

const file = z.strictObject({
  path: filePath().describe(
    "YAML or JSON: a list of endpoints as under static. Read again when it changes; while it has problems, the last endpoints stay in use.",
  ),
  minimumEndpoints: minimumEndpoints(),
});

const dns = z.strictObject({
  name: text(dnsNameFlaw).describe("Asked for as it is, without search domains; aliases (CNAME) are followed."),
  type: z
    .enum(["A", "AAAA", "addresses", "SRV"])
    .default("A")
    .describe(
      "A: IPv4 addresses. AAAA: IPv6 addresses. addresses: both. SRV: hosts with ports, weights and priorities; addresses of hosts are looked up.",
    ),
  port: z.int().min(1).max(65_535).optional().describe("Of the endpoints; required but for SRV, which brings its own."),
  servers: z
    .array(text(serverFlaw))
    .max(8)
    .default([])
    .describe("DNS servers as IP or IP:port, asked in this order. Default: those of the system."),
  minRefresh: positiveDuration().default("1s").describe("Answers are used for their TTL, but at least for this…"),
  maxRefresh: positiveDuration().default("5m").describe("…and at most for this."),
  timeout: positiveDuration().default("2s").describe("Of one question to one server; each is asked twice."),
  minimumEndpoints: minimumEndpoints(),
});

const registry = z.strictObject({
  service: name().optional().describe("Its name in the registry. Default: the name of the service."),
  minimumEndpoints: minimumEndpoints(),
});

export const endpointsSchema = z.strictObject({
  static: z.array(endpointSchema).min(1).optional().describe("Endpoints that are written here."),
  file: file.optional().describe("Endpoints from a file that others write."),
  dns: dns.optional().describe("Endpoints from DNS."),
  registry: registry.optional().describe("Endpoints that register themselves with this gateway; needs the block registry."),
  consul: consulSource.optional().describe("Endpoints from Consul."),
  nacos: nacosSource.optional().describe("Endpoints from Nacos."),
  etcd: etcdSource.optional().describe("Endpoints from etcd."),
  zookeeper: zooKeeperSource.optional().describe("Endpoints from ZooKeeper."),
  kubernetes: kubernetesSource.optional().describe("Endpoints of a Kubernetes Service, from its EndpointSlices."),
});

export const SOURCE_KINDS = ["static", "file", "dns", "registry", "consul", "nacos", "etcd", "zookeeper", "kubernetes"] as const;

export type Endpoints = z.output<typeof endpointsSchema>;
export type Endpoint = z.output<typeof endpointSchema>;

function dnsNameFlaw(value: string): { message: string; hint?: string } | null {
  const bare = value.replace(/\.$/, "");
  if (isDnsName(bare)) return null;
  if (/:\d+$/.test(value)) return { message: "{value} is not a DNS name", hint: "write the port beside it: port" };
  return { message: "{value} is not a DNS name" };
}

function serverFlaw(value: string): { message: string; hint?: string } | null {
  return parseServerAddress(value) === null
    ? { message: "{value} is not the address of a DNS server", hint: "write an IP address, with or without port: 10.0.0.2, [fd00::2]:5353" }
    : null;
}

/** `IP` or `IP:port` → `IP:port`, IPv6 in brackets; null for anything else. */
export function parseServerAddress(value: string): string | null {
  const withPort = parseAddress(value) ?? parseAddress(`${value}:53`) ?? parseAddress(`[${value}]:53`);
  if (withPort === null || withPort.port === 0) return null;
  const { host, port } = withPort;
  if (host.includes(":")) return `[${host}]:${port}`;
  return isDnsName(host) ? null : `${host}:${port}`;
}
