/**
 * The compiled form of a listener's routes: hosts → paths → candidates in order of precedence. Written once by
 * compile-routes.ts, read by match-route.ts; everything a request needs is a few map lookups away.
 */
import type { MatchSpec, PathMatchSpec, RouteSpec } from "../model/snapshot.js";

/** Why a request goes where it goes; one frozen object per match of the configuration, shared by all requests. */
export interface RouteMatch {
  /** Index in the routes that were compiled. */
  readonly routeIndex: number;
  /** Index in that route's `match`. */
  readonly matchIndex: number;
  /** The path value of the match, e.g. `/orders`. */
  readonly path: string;
  readonly pathType: PathMatchSpec["type"];
}

export interface RouteTable {
  readonly listenerName: string;
  /** Every route of the snapshot, those of other listeners too: explanations name them. */
  readonly routes: readonly RouteSpec[];
  readonly exactHosts: ReadonlyMap<string, HostLevel>;
  readonly wildcardHosts: WildcardHosts;
  readonly anyHost: HostLevel | null;
}

/** `*.example.com` is kept under `.example.com`. */
export interface WildcardHosts {
  readonly bySuffix: ReadonlyMap<string, HostLevel>;
  /** Length of the longest suffix: longer ones of a request need no lookup. */
  readonly longestSuffix: number;
}

/** The paths of one hostname (exact, wildcard or any). */
export interface HostLevel {
  /** Null without exact paths. */
  readonly exactPaths: ReadonlyMap<string, PathNode> | null;
  readonly prefixes: PrefixNode;
  /** The next less specific hostname that covers this one, tried when nothing here matches. */
  readonly fallback: HostLevel | null;
}

/** What a path leads to. */
export interface PathNode {
  /** The match of the first candidate when that one has no conditions, the usual case: one memory access less. */
  readonly direct: RouteMatch | null;
  /** In order of precedence; empty for a segment that only leads to longer prefixes. */
  readonly candidates: readonly Candidate[];
}

/** One path segment of the prefixes below a hostname; the root stands for the prefix `/`. */
export interface PrefixNode extends PathNode {
  readonly children: ReadonlyMap<string, PrefixNode> | null;
  /** The longest shorter prefix that has candidates. */
  readonly fallback: PrefixNode | null;
}

/** What remains to be checked once host and path fit. */
export interface Candidate {
  readonly hasConditions: boolean;
  readonly methods: readonly string[];
  readonly headers: MatchSpec["headers"];
  readonly query: readonly QueryCondition[];
  readonly match: RouteMatch;
}

/** Both as UTF-8 bytes, one char per byte, the form in which a query arrives. */
export interface QueryCondition {
  readonly nameBytes: string;
  readonly valueBytes: string;
}
