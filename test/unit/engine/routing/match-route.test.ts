import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RouteSpec } from "../../../../src/engine/model/snapshot.js";
import { compileRoutes } from "../../../../src/engine/routing/compile-routes.js";
import { matchRoute } from "../../../../src/engine/routing/match-route.js";
import { exact, pairs, prefix, request, route } from "./route-specs.js";

/** Checks which route takes each request; `""` for none. */
function expectRoutes(routes: readonly RouteSpec[], expected: Readonly<Record<string, string>>, headers: readonly string[] = []): void {
  const table = compileRoutes(routes, "public");
  for (const [line, name] of Object.entries(expected)) {
    const match = matchRoute(table, request(line, headers));
    assert.equal(match === null ? "" : routes[match.routeIndex]?.name, name, line);
  }
}

describe("matchRoute: hosts", () => {
  it("prefers the exact host, then the longest wildcard, then routes of any host", () => {
    const routes = [
      route("any", [prefix("/")]),
      route("short", [prefix("/")], ["*.com"]),
      route("long", [prefix("/")], ["*.example.com"]),
      route("exact", [prefix("/")], ["api.example.com"]),
    ];
    expectRoutes(routes, {
      "GET api.example.com/": "exact",
      "GET www.example.com/": "long",
      "GET a.b.c.example.com/": "long",
      "GET example.com/": "short",
      "GET other.com/": "short",
      "GET com/": "any",
      "GET example.org/": "any",
      "GET [::1]/": "any",
    });
  });

  it("does not let a wildcard cover its own domain or a name that merely ends alike", () => {
    const routes = [route("wildcard", [prefix("/")], ["*.example.com"])];
    expectRoutes(routes, {
      "GET example.com/": "",
      "GET badexample.com/": "",
      "GET x.example.com/": "wildcard",
      "GET x.example.com.evil/": "",
    });
  });

  it("tries less specific hosts when no route of the more specific one matches", () => {
    const routes = [
      route("any", [prefix("/health")]),
      route("outer", [prefix("/orders", { methods: ["POST"] })], ["*.com"]),
      route("wildcard", [prefix("/orders")], ["*.example.com"]),
      route("exact", [prefix("/orders", { methods: ["GET"] })], ["api.example.com"]),
    ];
    expectRoutes(routes, {
      "GET api.example.com/orders": "exact",
      "PUT api.example.com/orders": "wildcard",
      "GET api.example.com/health": "any",
      "POST example.com/orders": "outer",
      "GET api.example.com/": "",
    });
  });

  it("serves every hostname of a route", () => {
    const routes = [route("both", [prefix("/")], ["a.example", "*.b.example", "a.example"])];
    expectRoutes(routes, { "GET a.example/": "both", "GET x.b.example/": "both", "GET b.example/": "" });
  });

  it("serves only the routes of its listener, with indexes into all routes", () => {
    const routes = [route("inner", [prefix("/")], [], ["mesh"]), route("outer", [prefix("/a"), exact("/b")], [], ["mesh", "public"])];
    const match = matchRoute(compileRoutes(routes, "public"), request("GET x/b"));
    assert.deepEqual(match, { routeIndex: 1, matchIndex: 1, path: "/b", pathType: "Exact" });
    assert.ok(Object.isFrozen(match));
    assert.equal(matchRoute(compileRoutes(routes, "public"), request("GET x/")), null);
    assert.equal(matchRoute(compileRoutes(routes, "nowhere"), request("GET x/b")), null);
  });
});

describe("matchRoute: paths", () => {
  it("matches prefixes by whole segments", () => {
    const routes = [route("orders", [prefix("/orders")])];
    expectRoutes(routes, {
      "GET h/orders": "orders",
      "GET h/orders/": "orders",
      "GET h/orders/1/2": "orders",
      "GET h/ordersx": "",
      "GET h/Orders": "",
      "GET h/order": "",
      "GET h/x/orders": "",
      "GET h/": "",
    });
  });

  it("ignores the trailing slash of a prefix but not that of an exact path", () => {
    const routes = [route("prefix", [prefix("/a/")]), route("exact", [exact("/b/")])];
    expectRoutes(routes, { "GET h/a": "prefix", "GET h/a/x": "prefix", "GET h/b/": "exact", "GET h/b": "", "GET h/b/c": "" });
  });

  it("prefers exact paths, then the longest prefix, and falls back to shorter ones", () => {
    const routes = [
      route("root", [prefix("/")]),
      route("a", [prefix("/a")]),
      route("abc", [prefix("/a/b/c")]),
      route("put-ab", [prefix("/a/b", { methods: ["PUT"] })]),
      route("exact", [exact("/a/b/c", { methods: ["GET"] })]),
    ];
    expectRoutes(routes, {
      "GET h/a/b/c": "exact",
      "POST h/a/b/c": "abc",
      "GET h/a/b/c/d": "abc",
      "PUT h/a/b/x": "put-ab",
      "GET h/a/b/x": "a",
      "GET h/a": "a",
      "GET h/b": "root",
    });
  });

  it("keeps empty segments apart when a listener does not merge slashes", () => {
    expectRoutes([route("a", [prefix("/a/b")])], { "GET h/a//b": "", "GET h//a/b": "", "GET h/a/b//": "a" });
  });

  it("is not slowed down by thousands of slashes", () => {
    const table = compileRoutes([route("deep", [prefix("/a/a/a/a")]), route("wild", [prefix("/")], ["*.a.a"])], "public");
    const hostile = { ...request("GET h/"), path: "/a".repeat(8_000), host: "a.".repeat(120) };
    const start = performance.now();
    for (let i = 0; i < 10_000; i++) assert.ok(matchRoute(table, hostile) !== null);
    assert.ok(performance.now() - start < 2_000);
  });

  it("does not confuse names of segments and hosts with properties of objects", () => {
    const routes = [route("a", [prefix("/a")], ["a.example"])];
    expectRoutes(routes, { "GET a.example/constructor": "", "GET __proto__/a": "", "GET a.example/__proto__/x": "" });
  });
});

describe("matchRoute: conditions and precedence", () => {
  it("ranks a method condition over headers, headers over query, and both by number", () => {
    const routes = [
      route("plain", [prefix("/")]),
      route("one-query", [prefix("/", { query: pairs({ a: "1" }) })]),
      route("two-queries", [prefix("/", { query: pairs({ a: "1", b: "2" }) })]),
      route("one-header", [prefix("/", { headers: pairs({ "x-a": "1" }) })]),
      route("two-headers", [prefix("/", { headers: pairs({ "x-a": "1", "x-b": "2" }) })]),
      route("method", [prefix("/", { methods: ["GET"] })]),
    ];
    const everything = ["x-a", "1", "x-b", "2"];
    expectRoutes(routes, { "GET h/?a=1&b=2": "method", "PUT h/?a=1&b=2": "two-headers" }, everything);
    expectRoutes(routes, { "PUT h/?a=1&b=2": "one-header" }, ["x-a", "1"]);
    expectRoutes(routes, { "PUT h/?a=1&b=2": "two-queries", "PUT h/?a=1": "one-query", "PUT h/?b=2": "plain" });
  });

  it("prefers a longer path over any number of conditions on a shorter one", () => {
    const routes = [route("short", [prefix("/a", { methods: ["GET"], query: pairs({ q: "1" }) })]), route("long", [prefix("/a/b")])];
    expectRoutes(routes, { "GET h/a/b?q=1": "long", "GET h/a/c?q=1": "short" });
  });

  it("decides ties by the order of routes, then of matches", () => {
    const same = prefix("/a", { methods: ["GET", "PUT"] });
    const routes = [route("first", [prefix("/b"), same, same]), route("second", [same])];
    const match = matchRoute(compileRoutes(routes, "public"), request("GET h/a"));
    assert.deepEqual([match?.routeIndex, match?.matchIndex], [0, 1]);
  });

  it("joins fields that occur more than once before it compares them", () => {
    const routes = [route("joined", [prefix("/", { headers: pairs({ "x-a": "1, 2" }) })])];
    expectRoutes(routes, { "GET h/": "joined" }, ["x-a", "1", "y", "z", "x-a", "2"]);
    expectRoutes(routes, { "GET h/": "joined" }, ["x-a", "1, 2"]);
    expectRoutes(routes, { "GET h/": "" }, ["x-a", "1"]);
    expectRoutes(routes, { "GET h/": "" }, ["x-a", "2", "x-a", "1"]);
  });

  it("matches an empty header value only when the field is there", () => {
    const routes = [route("empty", [prefix("/", { headers: pairs({ "x-a": "" }) })])];
    expectRoutes(routes, { "GET h/": "empty" }, ["x-a", ""]);
    expectRoutes(routes, { "GET h/": "" });
  });
});
