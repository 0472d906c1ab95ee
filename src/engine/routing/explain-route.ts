/**
 * Says on demand why a request goes where it goes: every match that shares its host or its path, best first, each with
 * the reason why it won or lost. Deliberately not built on match-route.ts: it reads the routes as they are written, and
 * a property test holds the two against each other.
 */
import type { RequestFacts } from "../model/request.js";
import type { RouteSpec } from "../model/snapshot.js";
import { type Contender, lostTo, unmetCondition } from "./explain-reasons.js";
import { compareConditions, trimPrefix } from "./precedence.js";
import type { RouteMatch, RouteTable } from "./route-table.js";

export interface RouteExplanation {
  readonly match: RouteMatch | null;
  readonly candidates: readonly RouteCandidate[];
}

export interface RouteCandidate extends RouteMatch {
  readonly routeName: string;
  /** The hostname of the route that fits best, `*` for any host, or all of them when none fits. */
  readonly hostname: string;
  readonly outcome: "matched" | "lost";
  /** One sentence, without a full stop. */
  readonly reason: string;
}

/**
 * Contenders come in order of precedence: those that fit host and path, then those of the host, then those of the path.
 * Costs time in proportion to the number of routes; not for the request path.
 */
export function explainRoute(table: RouteTable, facts: RequestFacts): RouteExplanation {
  const contenders = table.routes.flatMap((route, routeIndex) => contendersOf(route, routeIndex, facts));
  contenders.sort((a, b) => nearness(a) - nearness(b) || compareContenders(a, b));
  const winner = contenders.find((contender) => isMatch(contender, table, facts)) ?? null;
  return {
    match: winner === null ? null : matchOf(winner),
    candidates: contenders.map((contender) => explainContender(contender, winner, table, facts)),
  };
}

function contendersOf(route: RouteSpec, routeIndex: number, facts: RequestFacts): Contender[] {
  const hostname = bestHostname(route.hostnames, facts.host);
  return route.match
    .map((match, matchIndex) => ({ route, routeIndex, match, matchIndex, hostname, fitsPath: fitsPath(match.path, facts.path) }))
    .filter((contender) => contender.hostname !== null || contender.fitsPath);
}

function bestHostname(hostnames: readonly string[], host: string): string | null {
  if (hostnames.length === 0) return "*";
  const fitting = hostnames.filter((hostname) => fitsHost(hostname, host));
  return fitting.sort((a, b) => hostRank(b) - hostRank(a))[0] ?? null;
}

function fitsHost(hostname: string, host: string): boolean {
  if (!hostname.startsWith("*.")) return hostname === host;
  return host.length >= hostname.length && host.endsWith(hostname.slice(1));
}

function fitsPath(path: Contender["match"]["path"], requested: string): boolean {
  if (path.type === "Exact") return requested === path.value;
  const prefix = trimPrefix(path.value);
  return requested === prefix || requested.startsWith(`${prefix}/`);
}

/** Higher is more specific: exact names, then wildcards by length, then any host. */
function hostRank(hostname: string): number {
  if (hostname === "*") return 0;
  return hostname.startsWith("*.") ? hostname.length : Number.MAX_SAFE_INTEGER;
}

function pathRank(path: Contender["match"]["path"]): number {
  return path.type === "Exact" ? Number.MAX_SAFE_INTEGER : trimPrefix(path.value).length;
}

function nearness(contender: Contender): number {
  if (contender.hostname === null) return 2;
  return contender.fitsPath ? 0 : 1;
}

function compareContenders(a: Contender, b: Contender): number {
  const byHost = a.hostname === null || b.hostname === null ? 0 : hostRank(b.hostname) - hostRank(a.hostname);
  if (byHost !== 0) return byHost;
  const byPath = pathRank(b.match.path) - pathRank(a.match.path);
  return byPath !== 0 ? byPath : compareConditions(a, b).difference;
}

function isMatch(contender: Contender, table: RouteTable, facts: RequestFacts): boolean {
  return (
    nearness(contender) === 0 && contender.route.listeners.includes(table.listenerName) && unmetCondition(contender.match, facts) === null
  );
}

function explainContender(contender: Contender, winner: Contender | null, table: RouteTable, facts: RequestFacts): RouteCandidate {
  const hostname = contender.hostname ?? contender.route.hostnames.join(", ");
  const candidate = { ...matchOf(contender), routeName: contender.route.name, hostname };
  if (contender === winner) return { ...candidate, outcome: "matched", reason: "the first match whose conditions all hold" };
  return { ...candidate, outcome: "lost", reason: lossReason(contender, winner, table, facts) };
}

function lossReason(contender: Contender, winner: Contender | null, table: RouteTable, facts: RequestFacts): string {
  const { route, match } = contender;
  if (contender.hostname === null) {
    return `host ${facts.host} is not ${route.hostnames.length > 1 ? "any of " : ""}${route.hostnames.join(", ")}`;
  }
  if (!contender.fitsPath) return `path ${facts.path} is not ${match.path.type === "Exact" ? "" : "under "}${match.path.value}`;
  if (!route.listeners.includes(table.listenerName)) return `listener ${table.listenerName} is not among ${route.listeners.join(", ")}`;
  return unmetCondition(match, facts) ?? lostTo(contender, winner as Contender);
}

function matchOf({ routeIndex, matchIndex, match }: Contender): RouteMatch {
  return { routeIndex, matchIndex, path: match.path.value, pathType: match.path.type };
}
