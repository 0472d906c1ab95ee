import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RouteSpec } from "../../../../src/engine/model/snapshot.js";
import { compileRoutes } from "../../../../src/engine/routing/compile-routes.js";
import { explainRoute } from "../../../../src/engine/routing/explain-route.js";
import { exact, pairs, prefix, request, route } from "./route-specs.js";

function explain(routes: readonly RouteSpec[], line: string, headers: readonly string[] = []): string[] {
  const { candidates } = explainRoute(compileRoutes(routes, "public"), request(line, headers));
  return candidates.map(({ routeName, outcome, reason }) => `${routeName} ${outcome}: ${reason}`);
}

const MATCHED = "matched: the first match whose conditions all hold";

describe("explainRoute", () => {
  it("names the condition that does not hold", () => {
    const routes = [
      route("post", [prefix("/orders", { methods: ["POST", "PUT"] })]),
      route("beta", [prefix("/orders", { headers: pairs({ "x-beta": "1" }) })]),
      route("debug", [prefix("/orders", { query: pairs({ debug: "1" }) })]),
      route("mesh", [exact("/orders")], [], ["mesh"]),
      route("plain", [prefix("/orders")]),
    ];
    assert.deepEqual(explain(routes, "GET h/orders"), [
      "mesh lost: listener public is not among mesh",
      "post lost: method GET is not POST or PUT",
      "beta lost: header x-beta is missing",
      'debug lost: query parameter debug is not "1"',
      `plain ${MATCHED}`,
    ]);
    assert.ok(explain(routes, "GET h/orders", ["x-beta", "0"]).includes('beta lost: header x-beta is not "1"'));
  });

  it("names the rule of precedence that decided", () => {
    const both = { methods: ["GET"], headers: pairs({ a: "1" }), query: pairs({ q: "1" }) };
    const routes = [
      route("any", [prefix("/a/b", both)]),
      route("wildcard", [exact("/a/b", both)], ["*.example.com"]),
      route("winner", [exact("/a/b", both), exact("/a/b", both)], ["api.example.com"]),
      route("later", [exact("/a/b", both)], ["api.example.com"]),
      route("query", [exact("/a/b", { ...both, query: [] })], ["api.example.com"]),
      route("header", [exact("/a/b", { ...both, headers: [] })], ["api.example.com"]),
      route("method", [exact("/a/b", { ...both, methods: [] })], ["api.example.com"]),
      route("prefix", [prefix("/a/b", both)], ["api.example.com"]),
    ];
    assert.deepEqual(explain(routes, "GET api.example.com/a/b?q=1", ["a", "1"]), [
      `winner ${MATCHED}`,
      "winner lost: stands after another match of winner",
      "later lost: stands after winner in the configuration",
      "query lost: fewer query conditions than winner",
      "header lost: fewer header conditions than winner",
      "method lost: names no method, unlike winner",
      "prefix lost: a prefix comes after the exact path /a/b of winner",
      "wildcard lost: hostname *.example.com is less specific than api.example.com of winner",
      "any lost: hostname * is less specific than api.example.com of winner",
    ]);
  });

  it("lists near misses after contenders, and leaves out what shares neither host nor path", () => {
    const routes = [
      route("elsewhere", [prefix("/x")], ["other.example"]),
      route("other-host", [prefix("/a")], ["*.example.org", "b.example"]),
      route("one-host", [prefix("/a")], ["*.example.org"]),
      route("other-path", [exact("/b"), prefix("/b")], ["api.example.com"]),
      route("short", [prefix("/")], ["api.example.com"]),
      route("long", [prefix("/a")], ["api.example.com"]),
    ];
    assert.deepEqual(explain(routes, "GET api.example.com/a"), [
      `long ${MATCHED}`,
      "short lost: shorter prefix than /a of long",
      "other-path lost: path /a is not /b",
      "other-path lost: path /a is not under /b",
      "other-host lost: host api.example.com is not any of *.example.org, b.example",
      "one-host lost: host api.example.com is not *.example.org",
    ]);
  });

  it("says that nothing matched", () => {
    const explanation = explainRoute(compileRoutes([route("a", [prefix("/a")])], "public"), request("GET h/b"));
    assert.equal(explanation.match, null);
    assert.deepEqual(explanation.candidates, [
      {
        routeIndex: 0,
        matchIndex: 0,
        path: "/a",
        pathType: "PathPrefix",
        routeName: "a",
        hostname: "*",
        outcome: "lost",
        reason: "path /b is not under /a",
      },
    ]);
  });

  it("does not repeat header values of the request, which may be secrets", () => {
    const routes = [route("a", [prefix("/", { headers: pairs({ authorization: "Basic eA==" }) })])];
    assert.ok(!explain(routes, "GET h/", ["authorization", "Bearer hidden"]).join().includes("hidden"));
  });
});
