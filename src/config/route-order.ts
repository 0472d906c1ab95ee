/**
 * Where the order of routes in the document means something: most ties are decided by host, path and conditions, and only
 * among matches that are equal in all of these does the first in the document win. Documents that differ in any other
 * order are the same document.
 */
import type { RouteSpec } from "../engine/model/snapshot.js";

/** Names of the routes that compete for the same requests, in the order in which they win; at least two each. */
export type RouteOrder = Readonly<Record<string, readonly string[]>>;

/** Generous: routes whose header or query conditions exclude each other still count as competitors. */
export function routeOrderOf(routes: readonly RouteSpec[]): RouteOrder {
  const contests = new Map<string, string[]>();
  for (const route of routes) {
    for (const key of contestsOf(route)) {
      const names = contests.get(key);
      if (names === undefined) contests.set(key, [route.name]);
      else names.push(route.name);
    }
  }
  return Object.fromEntries([...contests].filter(([, names]) => names.length > 1));
}

/** Every place in the routing tables where document order would decide between this route and an equal one. */
function contestsOf({ listeners, hostnames, match }: RouteSpec): Set<string> {
  const keys = new Set<string>();
  for (const { path, methods, headers, query } of match) {
    const value = path.type === "PathPrefix" ? path.value.replace(/\/+$/, "") : path.value;
    const rank = `${headers.length} ${query.length}`;
    for (const listener of listeners)
      for (const hostname of hostnames.length > 0 ? hostnames : [""])
        for (const method of methods.length > 0 ? methods : [""])
          keys.add(`${listener} ${hostname} ${path.type} ${value} ${method} ${rank}`);
  }
  return keys;
}
