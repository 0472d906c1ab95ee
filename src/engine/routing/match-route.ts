/**
 * The hot path of routing: which match of a table a request meets first. Precedence is host, exact path, longest
 * prefix, then the order of candidates (compile-routes.ts); a level without a match hands over to the next one.
 */
import type { RequestFacts } from "../model/request.js";
import { meetsConditions } from "./conditions.js";
import { findHost } from "./find-host.js";
import type { HostLevel, PathNode, PrefixNode, RouteMatch, RouteTable } from "./route-table.js";

export function matchRoute(table: RouteTable, facts: RequestFacts): RouteMatch | null {
  for (let level = findHost(table, facts.host); level !== null; level = level.fallback) {
    const match = matchPath(level, facts);
    if (match !== null) return match;
  }
  return null;
}

function matchPath(level: HostLevel, facts: RequestFacts): RouteMatch | null {
  if (level.exactPaths !== null) {
    const node = level.exactPaths.get(facts.path);
    const match = node === undefined ? null : firstMatch(node, facts);
    if (match !== null) return match;
  }
  for (let node: PrefixNode | null = deepestPrefix(level.prefixes, facts.path); node !== null; node = node.fallback) {
    const match = firstMatch(node, facts);
    if (match !== null) return match;
  }
  return null;
}

function firstMatch(node: PathNode, facts: RequestFacts): RouteMatch | null {
  if (node.direct !== null) return node.direct;
  for (const candidate of node.candidates) {
    if (!candidate.hasConditions || meetsConditions(candidate, facts)) return candidate.match;
  }
  return null;
}

/** Descends one segment at a time and no deeper than configured prefixes go, however many slashes a path has. */
function deepestPrefix(root: PrefixNode, path: string): PrefixNode {
  let node = root;
  let start = 1;
  while (node.children !== null) {
    const slash = path.indexOf("/", start);
    const child = node.children.get(slash === -1 ? path.slice(start) : path.slice(start, slash));
    if (child === undefined) return node;
    node = child;
    if (slash === -1) return node;
    start = slash + 1;
  }
  return node;
}
