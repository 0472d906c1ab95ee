/**
 * A node in ZooKeeper → an endpoint: an instance as Apache Curator writes it, our own form, `host:port` as its data or, when its
 * data says nothing of the kind, as its name.
 */
import { plainEndpoint, type ReadEndpoint, readOwnForm, readPlain, readValue } from "../endpoint-value.js";
import { type Fields, fieldsOf, readHost, readPort, sortLabels, textsOf } from "../instance-facts.js";

export interface NodeRules {
  /** Instances that have a port for TLS are reached there. */
  readonly isTls: boolean;
}

export function readNode(name: string, data: string, rules: NodeRules): ReadEndpoint {
  const value = readValue(data, (fields) => (isInstance(fields) ? readInstance(fields, rules) : readOwnForm(fields)));
  // Clients write their own IP address when they are given no data.
  if (typeof value !== "string" || data.trimStart().startsWith("{")) return value;
  const named = readPlain(name);
  return typeof named === "string" ? value : named;
}

/** In our own form the port is part of the address. */
function isInstance(fields: Fields): boolean {
  return Object.hasOwn(fields, "port") || Object.hasOwn(fields, "sslPort");
}

function readInstance({ address, port, sslPort, enabled, payload }: Fields, { isTls }: NodeRules): ReadEndpoint {
  const host = readHost(address);
  if (host === null) return "an unusable address";
  const chosen = readPort(isTls ? (sslPort ?? port) : port);
  if (chosen === null) return "no port";
  const metadata = fieldsOf(payload)?.["metadata"];
  const labels = textsOf(fieldsOf(metadata) === null ? payload : metadata);
  // Spring Cloud's word for one that shall get no requests.
  const isOff = enabled === false || (labels["instance_status"] ?? "UP") !== "UP";
  return { ...plainEndpoint(host, chosen), weight: isOff ? 0 : 1, zone: labels["zone"] ?? "", labels: sortLabels(labels) };
}
