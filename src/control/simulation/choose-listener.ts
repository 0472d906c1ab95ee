/**
 * Which listener a described request reaches. A URL does not say it: the port is that of the gateway only where nothing
 * in between translates it, so a port that is bound decides, and otherwise the scheme and the hostnames do.
 */
import type { ListenerSpec } from "../../engine/model/snapshot.js";
import { normaliseHost } from "../../engine/routing/normalise-host.js";
import { servesHost } from "../../proxy/admission.js";
import type { DescribedRequest } from "./described-request.js";

export interface ListenerChoice {
  readonly listener: ListenerSpec;
  readonly reason: string;
  readonly others: readonly string[];
}

const WELL_KNOWN_PORT = { http: 80, https: 443 } as const;

/** The text says why there is none. */
export function chooseListener(listeners: readonly ListenerSpec[], request: DescribedRequest): ListenerChoice | string {
  if (request.listener !== null) return namedListener(listeners, request.listener);
  const { scheme, port } = request;
  const ofScheme = listeners.filter((listener) => schemeOf(listener) === scheme);
  if (ofScheme.length === 0) return `no listener takes ${scheme} (there are: ${describe(listeners)})`;
  const ofPort = ofScheme.filter((listener) => listener.bind.port === (port ?? WELL_KNOWN_PORT[scheme]));
  if (ofPort.length === 0 && port !== null && ofScheme.every((listener) => listener.bind.port !== 0)) {
    return `no listener takes ${scheme} on port ${port} (there are: ${describe(listeners)})`;
  }
  const fitting = ofPort.length > 0 ? ofPort : ofScheme;
  const [listener, ...others] = byHost(fitting, request.authority) as [ListenerSpec, ...ListenerSpec[]];
  const reason = ofPort.length > 0 ? `takes ${scheme} on port ${listener.bind.port}` : `takes ${scheme}`;
  return {
    listener,
    reason: others.length === 0 ? reason : `the first that ${reason} and this host`,
    others: others.map(({ name }) => name),
  };
}

function namedListener(listeners: readonly ListenerSpec[], name: string): ListenerChoice | string {
  const listener = listeners.find((candidate) => candidate.name === name);
  if (listener === undefined) return `there is no listener ${JSON.stringify(name.slice(0, 80))} (there are: ${describe(listeners)})`;
  return { listener, reason: "was asked for", others: [] };
}

/** Those that serve the host; all of them when none does, which then answers 421. */
function byHost(listeners: readonly ListenerSpec[], authority: string): readonly ListenerSpec[] {
  const host = normaliseHost(authority);
  const serving = host === null ? [] : listeners.filter((listener) => servesHost(listener, host));
  return serving.length > 0 ? serving : listeners.slice(0, 1);
}

export function schemeOf({ protocol }: ListenerSpec): "http" | "https" {
  return protocol === "https" || protocol === "h2" ? "https" : "http";
}

function describe(listeners: readonly ListenerSpec[]): string {
  return listeners.map(({ name, protocol, bind }) => `${name} (${protocol}, port ${bind.port})`).join(", ");
}
