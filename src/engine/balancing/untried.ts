/** What is left to choose from after failed attempts. */
import type { Endpoint } from "../model/endpoint.js";

/** The endpoints not in `tried`; when there are none, all but the last tried; when that was the only one, it. */
export function untried(endpoints: readonly Endpoint[], tried: readonly Endpoint[]): readonly Endpoint[] {
  const fresh = endpoints.filter((endpoint) => !tried.includes(endpoint));
  if (fresh.length > 0) return fresh;
  const last = tried.at(-1);
  const others = endpoints.filter((endpoint) => endpoint !== last);
  return others.length > 0 ? others : endpoints;
}
