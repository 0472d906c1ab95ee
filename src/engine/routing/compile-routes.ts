/**
 * Turns the routes of one listener into a RouteTable. All ordering happens here: candidates are inserted in the order
 * in which they are to be tried, so that matching never compares.
 */
import type { RouteSpec } from "../model/snapshot.js";
import { findWildcard } from "./find-host.js";
import { compareConditions, type PlacedMatch, trimPrefix } from "./precedence.js";
import { compileQueryCondition } from "./query-condition.js";
import type { Candidate, HostLevel, PathNode, RouteMatch, RouteTable } from "./route-table.js";

interface PathDraft extends PathNode {
  direct: RouteMatch | null;
  readonly candidates: Candidate[];
}

interface NodeDraft extends PathDraft {
  children: Map<string, NodeDraft> | null;
  readonly fallback: NodeDraft | null;
}

interface LevelDraft extends HostLevel {
  exactPaths: Map<string, PathDraft> | null;
  readonly prefixes: NodeDraft;
  fallback: LevelDraft | null;
}

interface Entry extends PlacedMatch {
  readonly hostnames: readonly string[];
  /** Prefix segments; null for an exact path. */
  readonly segments: readonly string[] | null;
}

const ANY_HOST: readonly string[] = [""];

/** `routeIndex` of the matches is the index in `routes`, whichever listener they belong to. */
export function compileRoutes(routes: readonly RouteSpec[], listenerName: string): RouteTable {
  const levels = new Map<string, LevelDraft>();
  for (const entry of orderedEntries(routes, listenerName)) {
    const candidate = createCandidate(entry);
    for (const hostname of new Set(entry.hostnames)) insert(levelOf(levels, hostname), entry, candidate);
  }
  return createTable(routes, listenerName, levels);
}

/** Shorter prefixes first (each node then knows its fallback when it is made), then by precedence. */
function orderedEntries(routes: readonly RouteSpec[], listenerName: string): Entry[] {
  const entries: Entry[] = [];
  routes.forEach((route, routeIndex) => {
    if (!route.listeners.includes(listenerName)) return;
    const hostnames = route.hostnames.length > 0 ? route.hostnames : ANY_HOST;
    route.match.forEach((match, matchIndex) => {
      const segments = match.path.type === "Exact" ? null : trimPrefix(match.path.value).split("/").slice(1);
      entries.push({ routeIndex, matchIndex, match, hostnames, segments });
    });
  });
  return entries.sort((a, b) => (a.segments?.length ?? 0) - (b.segments?.length ?? 0) || compareConditions(a, b).difference);
}

function createCandidate({ match, routeIndex, matchIndex }: Entry): Candidate {
  return Object.freeze({
    hasConditions: match.methods.length + match.headers.length + match.query.length > 0,
    methods: match.methods,
    headers: match.headers,
    query: match.query.map(compileQueryCondition),
    match: Object.freeze({ routeIndex, matchIndex, path: match.path.value, pathType: match.path.type }),
  });
}

function levelOf(levels: Map<string, LevelDraft>, hostname: string): LevelDraft {
  let level = levels.get(hostname);
  if (level === undefined) {
    level = { exactPaths: null, prefixes: createNode(null), fallback: null };
    levels.set(hostname, level);
  }
  return level;
}

function createNode(fallback: NodeDraft | null): NodeDraft {
  return { direct: null, candidates: [], children: null, fallback };
}

/** Candidates arrive in order of precedence, so that the first one of a path stays first. */
function insert(level: LevelDraft, entry: Entry, candidate: Candidate): void {
  const node = entry.segments === null ? exactNodeOf(level, entry.match.path.value) : prefixNodeOf(level.prefixes, entry.segments);
  if (node.candidates.length === 0 && !candidate.hasConditions) node.direct = candidate.match;
  node.candidates.push(candidate);
}

function exactNodeOf(level: LevelDraft, path: string): PathDraft {
  level.exactPaths ??= new Map();
  let node = level.exactPaths.get(path);
  if (node === undefined) {
    node = { direct: null, candidates: [] };
    level.exactPaths.set(path, node);
  }
  return node;
}

function prefixNodeOf(root: NodeDraft, segments: readonly string[]): NodeDraft {
  let node = root;
  let fallback: NodeDraft | null = null;
  for (const segment of segments) {
    if (node.candidates.length > 0) fallback = node;
    node.children ??= new Map();
    let child = node.children.get(segment);
    if (child === undefined) {
      child = createNode(fallback);
      node.children.set(segment, child);
    }
    node = child;
  }
  return node;
}

function createTable(routes: readonly RouteSpec[], listenerName: string, levels: Map<string, LevelDraft>): RouteTable {
  const exactHosts = new Map<string, LevelDraft>();
  const bySuffix = new Map<string, LevelDraft>();
  for (const [hostname, level] of levels) {
    if (hostname.startsWith("*.")) bySuffix.set(hostname.slice(1), level);
    else if (hostname !== "") exactHosts.set(hostname, level);
  }
  const anyHost = levels.get("") ?? null;
  const longestSuffix = Array.from(bySuffix.keys()).reduce((longest, suffix) => Math.max(longest, suffix.length), 0);
  const wildcardHosts = { bySuffix, longestSuffix };
  const lessSpecific = (host: string): LevelDraft | null => (findWildcard(wildcardHosts, host) as LevelDraft | null) ?? anyHost;
  for (const [host, level] of exactHosts) level.fallback = lessSpecific(host);
  // Without its dot, a suffix is a host that only shorter suffixes cover.
  for (const [suffix, level] of bySuffix) level.fallback = lessSpecific(suffix.slice(1));
  return Object.freeze({ listenerName, routes, exactHosts, wildcardHosts, anyHost });
}
