/** Overrides as the admin API shows and takes them: an endpoint has to be there, or its service has to find endpoints at run time. */
import type { OverrideOrder, OverrideResult, OverrideView, OverrideViews, RestoreResult } from "../../admin/views.js";
import { parseAddress } from "../../config/index.js";
import type { Sources } from "../../discovery/sources.js";
import { endpointId } from "../../engine/model/endpoint.js";
import type { ServiceSpec } from "../../engine/model/snapshot.js";
import type { EndpointOverrides, KeptOverride } from "./endpoint-overrides.js";

export interface OverrideParts {
  readonly overrides: EndpointOverrides;
  readonly services: () => readonly ServiceSpec[];
  readonly sources: Pick<Sources, "endpointsOf">;
}

export function createOverrideViews({ overrides, services, sources }: OverrideParts): OverrideViews {
  const ids = (service: string): Set<string> => new Set(sources.endpointsOf(service).map(endpointId));

  function missing({ service, endpoint }: Pick<KeptOverride, "service" | "endpoint">): string | null {
    const spec = services().find(({ name }) => name === service);
    if (spec === undefined) return `there is no service ${service}`;
    if (spec.endpoints.type !== "static" || ids(service).has(endpoint)) return null;
    return `service ${service} has no endpoint ${endpoint}`;
  }

  return {
    overrides() {
      const present = new Map<string, Set<string>>();
      return overrides.all().map((override) => {
        const listed = present.get(override.service) ?? ids(override.service);
        present.set(override.service, listed);
        return overrideView(override, listed.has(override.endpoint));
      });
    },
    override({ service, address, weight, isDraining, note, author, ttlMs }: OverrideOrder): OverrideResult {
      const endpoint = canonical(address);
      if (endpoint === null) return { result: "invalid", message: `"${address}" is not host:port, with IPv6 in brackets` };
      const problem = missing({ service, endpoint });
      if (problem !== null) return { result: "notFound", message: problem };
      const setAtMs = Date.now();
      const expiresAtMs = ttlMs === null ? 0 : setAtMs + ttlMs;
      const override = { service, endpoint, weight, isDraining, note, author, setAtMs, expiresAtMs };
      const outcome = overrides.set(override);
      if (outcome.result === "full") return { result: "full", message: "take some of the overrides back first" };
      return { result: "set", isKept: outcome.isKept, override: overrideView(override, ids(service).has(endpoint)) };
    },
    restore({ service, address }): RestoreResult {
      const endpoint = canonical(address);
      if (endpoint !== null && overrides.remove(service, endpoint)) return { result: "restored", service, address: endpoint };
      return { result: "notFound", message: `endpoint ${address} of service ${service} has no override` };
    },
  };
}

function canonical(address: string): string | null {
  const parts = parseAddress(address);
  return parts === null || parts.port === 0 ? null : endpointId(parts);
}

/** @param isPresent the service has the endpoint now */
export function overrideView({ endpoint, setAtMs, expiresAtMs, ...said }: KeptOverride, isPresent: boolean): OverrideView {
  const expiresAt = expiresAtMs === 0 ? null : new Date(expiresAtMs).toISOString();
  return { ...said, address: endpoint, setAt: new Date(setAtMs).toISOString(), expiresAt, isPresent };
}

/** For people, beside the other reasons of an endpoint. */
export function overrideReasons(override: KeptOverride | null): string[] {
  if (override === null) return [];
  const { weight, isDraining, note, author, setAtMs, expiresAtMs } = override;
  const what = [...(isDraining ? ["drained"] : []), ...(weight === null ? [] : [`weight set to ${weight}`])].join(", ");
  const by = author === "" ? "" : ` by ${author}`;
  const until = expiresAtMs === 0 ? "" : `, until ${new Date(expiresAtMs).toISOString()}`;
  return [`${what}${by} at ${new Date(setAtMs).toISOString()}${until}${note === "" ? "" : `: ${note}`}`];
}
