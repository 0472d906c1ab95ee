/** The sentences of an explanation: which condition a request does not meet, and which rule of precedence decided. */
import { headerValue, type RequestFacts } from "../model/request.js";
import type { MatchSpec, RouteSpec } from "../model/snapshot.js";
import { meetsHeader, meetsMethods } from "./conditions.js";
import { compareConditions, type PlacedMatch, trimPrefix } from "./precedence.js";
import { compileQueryCondition, queryHas } from "./query-condition.js";

/** One match of one route, seen from one request. */
export interface Contender extends PlacedMatch {
  readonly route: RouteSpec;
  /** The hostname that fits best, `*` for any host; null when none fits. */
  readonly hostname: string | null;
  readonly fitsPath: boolean;
}

/** Null when method, headers and query all hold. Values of the request are not repeated: they may be secrets. */
export function unmetCondition(match: MatchSpec, facts: RequestFacts): string | null {
  if (!meetsMethods(match.methods, facts.method)) return `method ${facts.method} is not ${match.methods.join(" or ")}`;
  for (const header of match.headers) {
    if (meetsHeader(header, facts.headers)) continue;
    const isMissing = headerValue(facts.headers, header.name) === undefined;
    return isMissing ? `header ${header.name} is missing` : `header ${header.name} is not "${header.value}"`;
  }
  for (const parameter of match.query) {
    if (facts.query !== undefined && queryHas(facts.query, compileQueryCondition(parameter))) continue;
    return `query parameter ${parameter.name} is not "${parameter.value}"`;
  }
  return null;
}

/** Both match; `winner` comes first. */
export function lostTo(loser: Contender, winner: Contender): string {
  const name = winner.route.name;
  if (loser.hostname !== winner.hostname) return `hostname ${loser.hostname} is less specific than ${winner.hostname} of ${name}`;
  return lostByPath(loser.match.path, winner.match.path, name) ?? lostByConditions(loser, winner, name);
}

function lostByPath(loser: MatchSpec["path"], winner: MatchSpec["path"], name: string): string | null {
  if (loser.type !== winner.type) return `a prefix comes after the exact path ${winner.value} of ${name}`;
  return trimPrefix(loser.value) === trimPrefix(winner.value) ? null : `shorter prefix than ${winner.value} of ${name}`;
}

function lostByConditions(loser: Contender, winner: Contender, name: string): string {
  switch (compareConditions(winner, loser).by) {
    case "method":
      return `names no method, unlike ${name}`;
    case "headers":
      return `fewer header conditions than ${name}`;
    case "query":
      return `fewer query conditions than ${name}`;
    case "route order":
      return `stands after ${name} in the configuration`;
    case "match order":
      return `stands after another match of ${name}`;
  }
}
