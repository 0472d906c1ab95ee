/**
 * The order among matches that share host and path, as in the Kubernetes Gateway API: a method condition wins over
 * none, then more header conditions, then more query conditions, then whoever stands first in the document.
 */
import type { MatchSpec } from "../model/snapshot.js";

/** A match and where it stands in the document. */
export interface PlacedMatch {
  readonly routeIndex: number;
  readonly matchIndex: number;
  readonly match: MatchSpec;
}

export type ConditionRank = "method" | "headers" | "query" | "route order" | "match order";

/** Which rule decides between two matches, and by how much: negative when `a` comes first. */
export function compareConditions(a: PlacedMatch, b: PlacedMatch): { readonly by: ConditionRank; readonly difference: number } {
  const byMethod = Number(b.match.methods.length > 0) - Number(a.match.methods.length > 0);
  if (byMethod !== 0) return { by: "method", difference: byMethod };
  const byHeaders = b.match.headers.length - a.match.headers.length;
  if (byHeaders !== 0) return { by: "headers", difference: byHeaders };
  const byQuery = b.match.query.length - a.match.query.length;
  if (byQuery !== 0) return { by: "query", difference: byQuery };
  const byRoute = a.routeIndex - b.routeIndex;
  if (byRoute !== 0) return { by: "route order", difference: byRoute };
  return { by: "match order", difference: a.matchIndex - b.matchIndex };
}

/** A prefix without its trailing slashes; the root is "". */
export function trimPrefix(value: string): string {
  let end = value.length;
  while (end > 0 && value.charCodeAt(end - 1) === 0x2f) end--;
  return value.slice(0, end);
}
