/** Holds matchRoute and explainRoute against the rules of the Gateway API, written here as a plain sort and scan. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { RequestFacts } from "../../../../src/engine/model/request.js";
import type { MatchSpec, RouteSpec } from "../../../../src/engine/model/snapshot.js";
import { compileRoutes } from "../../../../src/engine/routing/compile-routes.js";
import { explainRoute } from "../../../../src/engine/routing/explain-route.js";
import { matchRoute } from "../../../../src/engine/routing/match-route.js";
import type { RouteMatch } from "../../../../src/engine/routing/route-table.js";
import { route } from "./route-specs.js";

fc.configureGlobal({ seed: 1_618 });

// ── The naive reading ────────────────────────────────────────────────────────────────────────────────────────────

/** Every match of every hostname with its rank: compared from left to right, higher is better. */
function naiveMatch(routes: readonly RouteSpec[], facts: RequestFacts): RouteMatch | null {
  const matching = routes.flatMap((spec, routeIndex) =>
    spec.match.flatMap((match, matchIndex) => {
      const hostRanks = (spec.hostnames.length === 0 ? ["*"] : spec.hostnames).filter((name) => hostHolds(name, facts.host)).map(hostRank);
      if (!spec.listeners.includes("public") || hostRanks.length === 0 || !matchHolds(match, facts)) return [];
      const rank = [Math.max(...hostRanks), ...matchRank(match), -routeIndex, -matchIndex];
      return [{ rank, match: { routeIndex, matchIndex, path: match.path.value, pathType: match.path.type } }];
    }),
  );
  matching.sort((a, b) => compareRanks(b.rank, a.rank));
  return matching[0]?.match ?? null;
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at === -1 ? 0 : (a[at] as number) - (b[at] as number);
}

function hostHolds(name: string, host: string): boolean {
  if (name === "*") return true;
  if (!name.startsWith("*.")) return name === host;
  const labels = name.split(".").slice(1);
  const hostLabels = host.split(".");
  return hostLabels.length > labels.length && hostLabels.slice(-labels.length).join(".") === labels.join(".");
}

function hostRank(name: string): number {
  if (name === "*") return 0;
  return name.startsWith("*.") ? name.length : 1_000;
}

function matchRank({ path, methods, headers, query }: MatchSpec): number[] {
  return [path.type === "Exact" ? 1 : 0, path.value.replace(/\/$/, "").length, methods.length > 0 ? 1 : 0, headers.length, query.length];
}

function matchHolds({ path, methods, headers, query }: MatchSpec, facts: RequestFacts): boolean {
  const wanted = path.value.split("/").filter((segment, index, all) => index < all.length - 1 || segment !== "");
  const isUnderPrefix = facts.path.split("/").slice(0, wanted.length).join("/") === wanted.join("/");
  const parameters = new URLSearchParams(facts.query ?? "");
  return (
    (path.type === "Exact" ? facts.path === path.value : isUnderPrefix) &&
    (methods.length === 0 || methods.includes(facts.method)) &&
    headers.every(({ name, value }) => joined(facts.headers, name) === value) &&
    query.every(({ name, value }) => parameters.get(name) === value)
  );
}

function joined(headers: readonly string[], name: string): string | null {
  const values = headers.filter((_, index) => index % 2 === 1 && headers[index - 1] === name);
  return values.length === 0 ? null : values.join(", ");
}

// ── Tables and requests from a small world, so that they meet often ──────────────────────────────────────────────

const hostname = fc.constantFrom("a.com", "b.a.com", "c.b.a.com", "*.com", "*.a.com", "*.b.a.com", "x.org");
const host = fc.constantFrom("a.com", "b.a.com", "c.b.a.com", "d.c.b.a.com", "x.a.com", "com", "x.org", "[::1]");
const path = fc.constantFrom("/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/b", "/a//b");
const requestPath = fc.oneof(path, fc.constantFrom("/a/b/", "/a/b/c/d", "/abc", "//", "/a/x/c", "/c"));
const method = fc.constantFrom("GET", "POST", "PUT");
const pair = fc.record({ name: fc.constantFrom("x", "y"), value: fc.constantFrom("1", "2", "1, 2", "a b", "") });
const encodedPair = fc.constantFrom("x=1", "y=2", "%78=1", "x=a+b", "y=a%20b", "y", "x=", "x=1%2c%202", "");

/** Mostly empty: conditions that seldom hold would leave little to compare. */
const conditions = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 1, arbitrary: fc.uniqueArray(pair, { maxLength: 2, selector: ({ name }) => name }) },
);

const match: fc.Arbitrary<MatchSpec> = fc.record({
  path: fc.record({ type: fc.constantFrom("Exact" as const, "PathPrefix" as const), value: path }),
  methods: fc.uniqueArray(method, { maxLength: 2 }),
  headers: conditions,
  query: conditions,
});

const routes: fc.Arbitrary<RouteSpec[]> = fc
  .array(
    fc.record({
      match: fc.array(match, { minLength: 1, maxLength: 3 }),
      hostnames: fc.array(hostname, { maxLength: 2 }),
      listeners: fc.constantFrom<string[]>(["public"], ["public"], ["mesh", "public"], ["mesh"]),
    }),
    { minLength: 4, maxLength: 16, size: "max" },
  )
  .map((specs) => specs.map((spec, index) => route(`r${index}`, spec.match, spec.hostnames, spec.listeners)));

const facts: fc.Arbitrary<RequestFacts> = fc.record({
  method,
  host,
  path: requestPath,
  query: fc.option(
    fc.array(encodedPair, { maxLength: 3 }).map((parts) => parts.join("&")),
    { nil: undefined },
  ),
  headers: fc.array(pair, { maxLength: 3 }).map((pairs) => pairs.flatMap(({ name, value }) => [name, value])),
});

describe("precedence", () => {
  it("is the same for matchRoute, explainRoute and a naive reading of the rules", () => {
    let matches = 0;
    fc.assert(
      fc.property(routes, fc.array(facts, { minLength: 5, maxLength: 5 }), (specs, requests) => {
        const table = compileRoutes(specs, "public");
        for (const each of requests) {
          const expected = naiveMatch(specs, each);
          if (expected !== null) matches++;
          assert.deepEqual(matchRoute(table, each), expected);
          const explanation = explainRoute(table, each);
          assert.deepEqual(explanation.match, expected);
          const winners = explanation.candidates.filter((candidate) => candidate.outcome === "matched");
          assert.deepEqual(
            winners.map(({ routeIndex, matchIndex }) => [routeIndex, matchIndex]),
            expected === null ? [] : [[expected.routeIndex, expected.matchIndex]],
          );
        }
      }),
      { numRuns: 3_000 },
    );
    assert.ok(matches > 3_000, `the generated requests should often match, but only ${matches} of 15,000 did`);
  });

  it("does not depend on the number of other routes", () => {
    const specs = Array.from({ length: 5_000 }, (_, index) =>
      route(
        `r${index}`,
        [{ path: { type: "PathPrefix", value: `/s${index}` }, methods: [], headers: [], query: [] }],
        [index % 2 === 0 ? "a.com" : "*.a.com"],
      ),
    );
    const table = compileRoutes(specs, "public");
    for (let index = 0; index < specs.length; index += 7) {
      const request = { method: "GET", host: index % 2 === 0 ? "a.com" : "b.a.com", path: `/s${index}/x`, query: undefined, headers: [] };
      assert.equal(matchRoute(table, request)?.routeIndex, index);
    }
  });
});
