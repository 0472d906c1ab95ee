/**
 * What Consul's health API says about instances → endpoints. An answer of another shape is refused as a whole; an instance without
 * a usable address is left out and counted, because registering such ones (without a port, on a socket file) is common.
 */
import type { EndpointSpec } from "../../engine/model/snapshot.js";
import { type Fields, fieldsOf, LeftOut, readHost, readPort, sortEndpoints, sortLabels, textsOf } from "../instance-facts.js";

export interface InstanceRules {
  readonly priority: number;
  readonly isPassingOnly: boolean;
  readonly zoneKey: string;
}

export interface Instances {
  /** Sorted, each address once. */
  readonly endpoints: readonly EndpointSpec[];
  /** What was left out; "": nothing. */
  readonly note: string;
}

export function readInstances(answer: unknown, rules: InstanceRules): Instances {
  if (!Array.isArray(answer)) throw new Error(NOT_UNDERSTOOD);
  const leftOut = new LeftOut();
  const endpoints: EndpointSpec[] = [];
  for (const entry of answer as readonly unknown[]) {
    const endpoint = readInstance(entry, rules, leftOut);
    if (endpoint !== null) endpoints.push(endpoint);
  }
  return { endpoints: sortEndpoints(endpoints), note: leftOut.note("instances in Consul") };
}

const NOT_UNDERSTOOD = "answered with something that is not a list of instances";

function readInstance(entry: unknown, rules: InstanceRules, leftOut: LeftOut): EndpointSpec | null {
  const node = fieldsOf(fieldsOf(entry)?.["Node"]);
  const service = fieldsOf(fieldsOf(entry)?.["Service"]);
  if (node === null || service === null) throw new Error(NOT_UNDERSTOOD);
  const status = statusOf((entry as Fields)["Checks"]);
  if (status === "critical" || (rules.isPassingOnly && status === "warning")) return null;
  // Without an address of its own a service is where its node is.
  const written = service["Address"];
  const host = readHost(written === "" || written === undefined ? node["Address"] : written);
  const port = readPort(service["Port"]);
  if (host === null || port === null) {
    leftOut.add(host === null ? "an unusable address" : "no port");
    return null;
  }
  const meta = { ...textsOf(node["Meta"]), ...textsOf(service["Meta"]) };
  return {
    host,
    port,
    weight: weightOf(service["Weights"], status),
    zone: (Object.hasOwn(meta, rules.zoneKey) ? meta[rules.zoneKey] : null) ?? localityOf(service) ?? localityOf(node) ?? "",
    priority: rules.priority,
    labels: labelsOf(node, service),
  };
}

/** The worst of all checks; maintenance is a check that is critical. */
function statusOf(checks: unknown): "passing" | "warning" | "critical" {
  if (checks === null || checks === undefined) return "passing";
  if (!Array.isArray(checks)) throw new Error(NOT_UNDERSTOOD);
  const statuses = (checks as readonly unknown[]).map((check) => fieldsOf(check)?.["Status"]);
  if (statuses.every((status) => status === "passing")) return "passing";
  return statuses.every((status) => status === "passing" || status === "warning") ? "warning" : "critical";
}

const MAX_WEIGHT = 1_000_000;

function weightOf(weights: unknown, status: "passing" | "warning"): number {
  const weight = fieldsOf(weights)?.[status === "passing" ? "Passing" : "Warning"];
  return Number.isInteger(weight) && (weight as number) >= 0 ? Math.min(weight as number, MAX_WEIGHT) : 1;
}

/** Consul 1.17 and later know where services and nodes are. */
function localityOf(place: Fields): string | null {
  const zone = fieldsOf(place["Locality"])?.["Zone"];
  return typeof zone === "string" && zone !== "" ? zone : null;
}

/** Tags of the form `key=value` are labels; others are labels with the value `true`. What Meta says goes before. */
function labelsOf(node: Fields, service: Fields): Record<string, string> {
  const tags = Array.isArray(service["Tags"]) ? (service["Tags"] as readonly unknown[]) : [];
  const tagged = tags.filter((tag) => typeof tag === "string" && tag !== "").map((tag) => splitTag(tag as string));
  const about = textsOf({ node: node["Node"], datacenter: node["Datacenter"] });
  const all = { ...about, ...Object.fromEntries(tagged), ...textsOf(service["Meta"]) };
  return sortLabels(all);
}

function splitTag(tag: string): [name: string, value: string] {
  const at = tag.indexOf("=");
  return at > 0 ? [tag.slice(0, at), tag.slice(at + 1)] : [tag, "true"];
}
