/**
 * Asks two configurations about recorded requests and counts where they differ. Requests that say the same things are
 * asked about once; memory is bounded whatever a log holds.
 */
import type { ListenerSpec, MatchSpec, RouteSpec } from "../../engine/model/snapshot.js";
import { type Decision, differencesOf, differingFields } from "./decision.js";
import { DecisionCache } from "./decision-cache.js";
import { described, type RecordedRequest, readLogLine, type UnreadableLine } from "./recorded-request.js";
import {
  clipped,
  createGroup,
  GONE,
  type Group,
  INFERRED,
  type Known,
  keyOf,
  OTHERWISE,
  PLAINLY,
  type ReplayExample,
  type ReplayGroup,
  SAME,
  skipped,
  summaryOf,
} from "./replay-group.js";
import type { Simulator } from "./simulator.js";

export interface ReplayOptions {
  /** Kept per group. */
  readonly maxExamples: number;
}

export interface ReplayResult {
  readonly lines: number;
  /** Lines that could be asked about. */
  readonly replayed: number;
  readonly different: number;
  /** Largest first. */
  readonly groups: readonly ReplayGroup[];
  /** Differing requests in groups beyond the bound. */
  readonly ungrouped: number;
  readonly skipped: readonly { readonly reason: string; readonly count: number }[];
  /** Headers or query that only the recorded route tells of were taken from it. */
  readonly inferred: number;
  /** The old configuration gives another route than the recorded one. */
  readonly recordedOtherwise: number;
  /** What the log does not hold and routing reads. */
  readonly blindSpots: readonly string[];
}

const MAX_GROUPS = 1_000;
const MAX_REASONS = 50;
const MAX_SHOWN_CHARS = 300;
/** Refusals that depend on nothing but what the log holds. */
const REPLAYABLE_REFUSALS: ReadonlySet<string> = new Set(["route-not-found", "host-misdirected"]);

export class Replay {
  readonly #before: Simulator;
  readonly #after: Simulator;
  readonly #maxExamples: number;
  readonly #cache = new DecisionCache<Known>();
  readonly #groups = new Map<string, Group>();
  readonly #overflow: Group;
  readonly #skipped = new Map<string, number>();
  readonly #oldListeners: ReadonlyMap<string, ListenerSpec>;
  readonly #newListeners: ReadonlyMap<string, ListenerSpec>;
  readonly #oldRoutes: ReadonlyMap<string, RouteSpec>;
  readonly #readsUserAgent: boolean;
  #lines = 0;
  #replayed = 0;
  #different = 0;
  #inferred = 0;
  #recordedOtherwise = 0;
  #hasQueries = false;

  constructor(before: Simulator, after: Simulator, { maxExamples }: ReplayOptions) {
    this.#before = before;
    this.#after = after;
    this.#maxExamples = maxExamples;
    this.#oldListeners = byName(before.snapshot.listeners);
    this.#newListeners = byName(after.snapshot.listeners);
    this.#oldRoutes = byName(before.snapshot.routes);
    this.#readsUserAgent = [before, after].some(({ snapshot }) => headerConditions(snapshot.routes).has("user-agent"));
    const nothing = summaryOf(GONE);
    this.#overflow = createGroup({ differences: [], requestHeaders: [], responseHeaders: [], before: nothing, after: nothing });
  }

  get lines(): number {
    return this.#lines;
  }

  /** An empty line counts as none. */
  add(line: string): void {
    if (line === "") return;
    this.#lines++;
    const recorded = readLogLine(line);
    if (typeof recorded === "string") return this.#skip(recorded);
    const key = this.#keyOf(recorded);
    let known = this.#cache.get(key);
    if (known === undefined) {
      known = this.#judge(recorded);
      this.#cache.set(key, known);
    }
    this.#count(known, recorded);
  }

  addOverlong(): void {
    this.#lines++;
    this.#skip("longer than 64 KiB" satisfies UnreadableLine);
  }

  result(): ReplayResult {
    const groups = [...this.#groups.values()].map(({ known: _known, ...group }) => group).sort((a, b) => b.count - a.count);
    return {
      lines: this.#lines,
      replayed: this.#replayed,
      different: this.#different,
      groups,
      ungrouped: this.#overflow.count,
      skipped: Array.from(this.#skipped, ([reason, count]) => ({ reason, count })).sort((a, b) => b.count - a.count),
      inferred: this.#inferred,
      recordedOtherwise: this.#recordedOtherwise,
      blindSpots: this.#blindSpots(),
    };
  }

  #count({ group, skipped, isInferred, isRecordedOtherwise }: Known, recorded: RecordedRequest): void {
    if (skipped !== null) return this.#skip(skipped);
    this.#replayed++;
    if (recorded.query !== null) this.#hasQueries = true;
    if (isInferred) this.#inferred++;
    if (isRecordedOtherwise) this.#recordedOtherwise++;
    if (group === null) return;
    this.#different++;
    group.count++;
  }

  #skip(reason: string): void {
    const isBounded = this.#skipped.has(reason) || this.#skipped.size < MAX_REASONS;
    const shown = isBounded ? reason : "for other reasons";
    this.#skipped.set(shown, (this.#skipped.get(shown) ?? 0) + 1);
  }

  /** Everything that a decision here depends on, and nothing else. */
  #keyOf({ listener, method, host, path, query, route, error, subject, userAgent }: RecordedRequest): string {
    const agent = this.#readsUserAgent ? userAgent : "";
    const asked = query === null ? "" : `?${query}`;
    return `${method} ${host} ${path}${asked} ${listener} ${route ?? "\0"} ${error} ${subject === "" ? "" : "+"}${agent}`;
  }

  #judge(recorded: RecordedRequest): Known {
    const listener = this.#oldListeners.get(recorded.listener);
    if (listener === undefined) return skipped(`on listener ${clipped(recorded.listener, 63)}, which the old configuration does not have`);
    const plain = described(recorded, this.#recordedHeaders(recorded), recorded.query ?? undefined);
    const first = this.#before.decideRecorded(listener, plain, recorded.subject);
    const isOther = recorded.route !== null && first.route !== recorded.route;
    if (isOther && recorded.route === "" && recorded.error !== "" && !REPLAYABLE_REFUSALS.has(recorded.error)) {
      return skipped("refused for what the log does not hold (size, framing, a broken head)");
    }
    const inferred = isOther ? this.#infer(recorded, listener) : null;
    const request = inferred ?? plain;
    const before = inferred === null ? first : this.#before.decideRecorded(listener, request, recorded.subject);
    const next = this.#newListeners.get(recorded.listener);
    const after = next === undefined ? GONE : this.#after.decideRecorded(next, request, recorded.subject);
    const group = this.#groupOf(before, after, recorded);
    const how = !isOther ? PLAINLY : inferred === null ? OTHERWISE : INFERRED;
    return (group === null ? SAME : group.known)[how] as Known;
  }

  #recordedHeaders({ userAgent }: RecordedRequest): readonly string[] {
    return userAgent === "" ? NO_HEADERS : ["user-agent", userAgent];
  }

  /** A request that took a route with conditions met them: so it had these headers and parameters. */
  #infer(recorded: RecordedRequest, listener: ListenerSpec): ReturnType<typeof described> | null {
    const route = this.#oldRoutes.get(recorded.route ?? "");
    for (const match of route?.match ?? []) {
      if (match.headers.length + match.query.length === 0) continue;
      const headers = [...this.#recordedHeaders(recorded), ...match.headers.flatMap(({ name, value }) => [name, value])];
      const request = described(recorded, headers, recorded.query ?? queryOf(match));
      if (this.#before.decideRecorded(listener, request, recorded.subject).route === recorded.route) return request;
    }
    return null;
  }

  /** Null: no difference. */
  #groupOf(before: Decision, after: Decision, recorded: RecordedRequest): Group | null {
    const differences = differencesOf(before, after);
    if (differences.length === 0) return null;
    const requestHeaders = differences.includes("rewrite") ? differingFields(before.requestHeaders, after.requestHeaders) : NO_HEADERS;
    const responseHeaders = differences.includes("response") ? differingFields(before.responseHeaders, after.responseHeaders) : NO_HEADERS;
    const key = `${differences} ${requestHeaders} ${responseHeaders}\n${keyOf(before)}\n${keyOf(after)}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= MAX_GROUPS) return this.#overflow;
      group = createGroup({ differences, requestHeaders, responseHeaders, before: summaryOf(before), after: summaryOf(after) });
      this.#groups.set(key, group);
    }
    if (group.examples.length < this.#maxExamples) group.examples.push(this.#example(before, after, recorded));
    return group;
  }

  #example(before: Decision, after: Decision, { method, host, path, query }: RecordedRequest): ReplayExample {
    const request = clipped(`${method} ${host}${path}${query === null || query === "" ? "" : `?${query}`}`, MAX_SHOWN_CHARS);
    const place = ({ location, target }: Decision): string => clipped(location === "" ? target : location, MAX_SHOWN_CHARS);
    return { line: this.#lines, request, before: place(before), after: place(after) };
  }

  #blindSpots(): string[] {
    const routes = [...this.#before.snapshot.routes, ...this.#after.snapshot.routes];
    const withHeaders = namesOf(routes, ({ headers }) => headers.some(({ name }) => name !== "user-agent"));
    const withQuery = this.#hasQueries ? [] : namesOf(routes, ({ query }) => query.length > 0);
    const spots: string[] = [];
    if (withHeaders.length > 0) spots.push(`routes that match headers, which the log does not hold: ${withHeaders.join(", ")}`);
    if (withQuery.length > 0) spots.push(`routes that match query parameters, which the log does not hold: ${withQuery.join(", ")}`);
    const hasTokens = routes.some(({ filters }) => filters.some(({ type }) => type === "jwt"));
    if (hasTokens) spots.push("tokens are not in the log: every token that a route requires is taken for good");
    if (routes.some(({ filters }) => filters.some(({ type }) => type === "rateLimit")))
      spots.push("rate limits are not counted: nobody is over one");
    const changed = this.#before.snapshot.listeners.filter((listener) =>
      readsPathsOtherwise(listener, this.#newListeners.get(listener.name)),
    );
    if (changed.length > 0) spots.push(`listeners that now read paths in another way; the log holds normalised ones: ${namesIn(changed)}`);
    return spots;
  }
}

const NO_HEADERS: readonly string[] = [];

function byName<T extends { readonly name: string }>(items: readonly T[]): ReadonlyMap<string, T> {
  return new Map(items.map((item) => [item.name, item]));
}

function readsPathsOtherwise({ hardening }: ListenerSpec, next: ListenerSpec | undefined): boolean {
  if (next === undefined) return false;
  const { normalisePath, refuseEncodedSlashes } = next.hardening;
  return hardening.normalisePath !== normalisePath || hardening.refuseEncodedSlashes !== refuseEncodedSlashes;
}

function namesIn(items: readonly { readonly name: string }[]): string {
  return items.map(({ name }) => name).join(", ");
}

function headerConditions(routes: readonly RouteSpec[]): Set<string> {
  return new Set(routes.flatMap(({ match }) => match.flatMap(({ headers }) => headers.map(({ name }) => name))));
}

function namesOf(routes: readonly RouteSpec[], has: (match: MatchSpec) => boolean): string[] {
  return [...new Set(routes.filter(({ match }) => match.some(has)).map(({ name }) => name))];
}

function queryOf({ query }: MatchSpec): string | undefined {
  if (query.length === 0) return undefined;
  return new URLSearchParams(query.map(({ name, value }): [string, string] => [name, value])).toString();
}
