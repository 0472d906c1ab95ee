/**
 * What Nacos says about instances → endpoints. An answer of another shape is refused as a whole; an instance without a usable
 * address is left out and counted. Those that are disabled or unhealthy are none: when too few are healthy (`protectThreshold`),
 * Nacos itself reports all as healthy.
 */
import type { NacosApi } from "../../engine/model/endpoint-source.js";
import type { EndpointSpec } from "../../engine/model/snapshot.js";
import { fieldsOf, LeftOut, readHost, readPort, sortEndpoints, sortLabels, textsOf } from "../instance-facts.js";
import { joinNotes } from "../source.js";

export interface InstanceRules {
  readonly api: NacosApi;
  /** Key of the metadata that tells the zone; "": the name of the cluster does. */
  readonly zoneKey: string;
}

export interface Instances {
  /** Sorted, each address once. */
  readonly endpoints: readonly EndpointSpec[];
  /** For how long Nacos would have its clients use it; null: it does not say. */
  readonly cacheMs: number | null;
  /** What is special about it; "": nothing. */
  readonly note: string;
}

const NOT_UNDERSTOOD = "answered with something that is not a list of instances";

export function readInstances(answer: unknown, rules: InstanceRules): Instances {
  const content = rules.api === "v1" ? answer : unwrap(answer);
  const about = fieldsOf(content) ?? {};
  const hosts = rules.api === "v3" && Array.isArray(content) ? content : about["hosts"];
  if (!Array.isArray(hosts)) throw new Error(NOT_UNDERSTOOD);
  const leftOut = new LeftOut();
  const endpoints: EndpointSpec[] = [];
  for (const host of hosts as readonly unknown[]) {
    const endpoint = readInstance(host, rules, leftOut);
    if (endpoint !== null) endpoints.push(endpoint);
  }
  const protection =
    about["reachProtectionThreshold"] === true ? "Nacos has few healthy instances and tells of all (protectThreshold)" : "";
  return {
    endpoints: sortEndpoints(endpoints),
    cacheMs: isPositive(about["cacheMillis"]) ? about["cacheMillis"] : null,
    note: joinNotes(leftOut.note("instances in Nacos"), protection),
  };
}

/** Later APIs put answers into an envelope with a code of its own. */
function unwrap(answer: unknown): unknown {
  const { code, data } = fieldsOf(answer) ?? {};
  if (code === 0) return data;
  throw new Error(Number.isSafeInteger(code) ? `answered with code ${code}` : NOT_UNDERSTOOD);
}

function readInstance(written: unknown, { zoneKey }: InstanceRules, leftOut: LeftOut): EndpointSpec | null {
  const instance = fieldsOf(written);
  if (instance === null) throw new Error(NOT_UNDERSTOOD);
  if (!isTrue(instance["healthy"]) || !isTrue(instance["enabled"])) return null;
  const host = readHost(instance["ip"]);
  const port = readPort(instance["port"]);
  if (host === null || port === null) {
    leftOut.add(host === null ? "an unusable address" : "no port");
    return null;
  }
  const cluster = typeof instance["clusterName"] === "string" ? instance["clusterName"] : "";
  const metadata = textsOf(instance["metadata"]);
  const zone = zoneKey === "" ? cluster : Object.hasOwn(metadata, zoneKey) ? (metadata[zoneKey] as string) : "";
  return { host, port, weight: weightOf(instance["weight"]), zone, priority: 0, labels: labelsOf(cluster, metadata) };
}

/** Old servers leave out what holds anyway. */
function isTrue(value: unknown): boolean {
  return value === undefined || value === null || value === true;
}

const MAX_WEIGHT = 1_000_000;

/** Fractions from 0 to 10,000, 1 when it says nothing; here hundredths, which are whole numbers. What is above 0 stays so. */
function weightOf(weight: unknown): number {
  if (typeof weight !== "number" || !(weight >= 0)) return 100;
  return weight === 0 ? 0 : Math.min(Math.max(Math.round(weight * 100), 1), MAX_WEIGHT);
}

function labelsOf(cluster: string, metadata: Readonly<Record<string, string>>): Record<string, string> {
  const all = { ...(cluster === "" ? {} : { cluster }), ...metadata };
  return sortLabels(all);
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value > 0;
}
