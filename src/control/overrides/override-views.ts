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
    override({ service, address, weight, isDraining, note, author, ...until }: OverrideOrder): OverrideResult {
      const endpoint = canonical(address);
      if (endpoint === null) return { result: "invalid", message: `"${address}" is not host:port, with IPv6 in brackets` };
      const problem = missing({ service, endpoint });
      if (problem !== null) return { result: "notFound", message: problem };
      const setAtMs = Date.now();
      const override = { service, endpoint, weight, isDraining, note, author, setAtMs, ...ends({ weight, isDraining, ...until }, setAtMs) };
      const outcome = overrides.set(override);
      if (outcome.result === "full") return { result: "full", message: "take some of the overrides back first" };
      return { result: "set", isKept: outcome.isKept, override: overrideView(override, ids(service).has(endpoint)) };
    },
    restore({ service, address }): RestoreResult {
      const endpoint = canonical(address);
      const removed = endpoint === null ? null : overrides.remove(service, endpoint);
      if (endpoint === null || removed === null) {
        return { result: "notFound", message: `endpoint ${address} of service ${service} has no override` };
      }
      return { result: "restored", isKept: removed.isKept, service, address: endpoint };
    },
  };
}

type Ends = Pick<KeptOverride, "weightUntilMs" | "drainingUntilMs">;

/** A time that is given for one of the two counts before the one for both. */
function ends(
  { weight, isDraining, ttlMs, weightUntil, drainingUntil }: Omit<OverrideOrder, "service" | "address" | "note" | "author">,
  nowMs: number,
): Ends {
  const end = (until: string | null | undefined): number => {
    if (until === undefined) return ttlMs === null ? 0 : nowMs + ttlMs;
    // 0 would be never.
    return until === null ? 0 : Math.max(1, Date.parse(until));
  };
  return { weightUntilMs: weight === null ? 0 : end(weightUntil), drainingUntilMs: isDraining ? end(drainingUntil) : 0 };
}

function canonical(address: string): string | null {
  const parts = parseAddress(address);
  return parts === null || parts.port === 0 ? null : endpointId(parts);
}

/** @param isPresent the service has the endpoint now */
export function overrideView(override: KeptOverride, isPresent: boolean): OverrideView {
  const { endpoint, setAtMs, weightUntilMs, drainingUntilMs, ...said } = override;
  const until = { weightUntil: timeOf(weightUntilMs), drainingUntil: timeOf(drainingUntilMs) };
  return { ...said, ...until, address: endpoint, setAt: new Date(setAtMs).toISOString(), isPresent };
}

function timeOf(untilMs: number): string | null {
  return untilMs === 0 ? null : new Date(untilMs).toISOString();
}

/** For people, beside the other reasons of an endpoint. */
export function overrideReasons(override: KeptOverride | null): string[] {
  if (override === null) return [];
  const { weight, isDraining, note, author, setAtMs, weightUntilMs, drainingUntilMs } = override;
  const until = (untilMs: number): string => (untilMs === 0 ? "" : ` until ${timeOf(untilMs)}`);
  const what = [
    ...(isDraining ? [`drained${until(drainingUntilMs)}`] : []),
    ...(weight === null ? [] : [`weight set to ${weight}${until(weightUntilMs)}`]),
  ].join(", ");
  const by = author === "" ? "" : ` by ${author}`;
  return [`${what}${by} at ${new Date(setAtMs).toISOString()}${note === "" ? "" : `: ${note}`}`];
}
