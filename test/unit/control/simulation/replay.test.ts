import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Replay, type ReplayResult } from "../../../../src/control/simulation/replay.js";
import { simulator } from "./snapshots.js";

const OLD = `
listeners: [{ name: public, bind: "127.0.0.1:8080", protocol: http }, { name: other, bind: "127.0.0.1:8081", protocol: h2c }]
routes:
  - { name: orders, match: [{ path: { value: /orders } }], filters: [{ jwt: { provider: main } }], backends: [{ service: a, weight: 95 }, { service: b, weight: 5 }] }
  - { name: beta, match: [{ path: { value: /app }, headers: [{ name: x-beta, value: "1" }], queryParams: [{ name: b, value: "1 &" }] }], backends: [{ service: b }] }
  - { name: app, match: [{ path: { value: /app } }], filters: [{ requestHeaders: { set: { x-old: "1" } } }], backends: [{ service: a }] }
  - { name: bots, match: [{ path: { value: /robots }, headers: [{ name: user-agent, value: Bot }] }], filters: [{ respond: { body: bot } }] }
  - { name: gone, match: [{ path: { value: /gone } }], filters: [{ redirect: { hostname: old.example } }] }
services:
  - { name: a, endpoints: { static: [{ address: "10.0.0.1:80" }] } }
  - { name: b, endpoints: { static: [{ address: "10.0.0.2:80" }] } }
providers: { jwt: [{ name: main, issuer: "https://id.test", jwks: { uri: "https://id.test/jwks" } }] }
`;

function line(path: string, more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ listener: "public", method: "GET", host: "h", path, ...more });
}

function replay(next: string, lines: readonly string[], maxExamples = 2): ReplayResult {
  const run = new Replay(simulator(OLD), simulator(next), { maxExamples });
  for (const text of lines) run.add(text);
  return run.result();
}

/** `count: differences: old → new`. */
function groupsOf({ groups }: ReplayResult): string[] {
  const side = ({ route, verdict, status, backends }: (typeof groups)[number]["before"]): string =>
    [route, verdict, status, backends].filter(Boolean).join(" ");
  return groups.map(({ count, differences, before, after }) => `${count}: ${differences}: ${side(before)} → ${side(after)}`);
}

describe("Replay", () => {
  it("finds nothing between a configuration and itself, whatever was recorded", () => {
    const lines = [
      line("/orders", { sub: "ann" }),
      line("/app"),
      line("/gone?x"),
      line("/nothing"),
      line("/a%2fb"),
      line("/app", { listener: "other" }),
    ];
    const result = replay(OLD, lines);
    assert.deepEqual([result.lines, result.replayed, result.different, result.skipped], [6, 6, 0, []]);
  });

  it("groups requests by what differs, the largest group first", () => {
    const next = OLD.replace("weight: 95", "weight: 90")
      .replace('x-old: "1"', 'x-new: "1"')
      .replace("old.example", "new.example")
      .replace("- { jwt: { provider: main } }", "");
    const lines = [
      ...Array.from({ length: 5 }, (_, i) => line(`/app/${i}`)),
      line("/orders/1"),
      line("/orders/1"),
      line("/gone"),
      line("/x"),
    ];
    const result = replay(next, lines);
    assert.deepEqual(groupsOf(result), [
      "5: rewrite: app proxied a 100% → app proxied a 100%",
      "2: backends: orders proxied a 95%, b 5% → orders proxied a 94.74%, b 5.26%",
      "1: response: gone reply 302 → gone reply 302",
    ]);
    assert.deepEqual([result.replayed, result.different], [9, 8]);
    assert.deepEqual(result.groups[0]?.requestHeaders, ["x-new", "x-old"]);
    assert.deepEqual(
      result.groups[0]?.examples.map((example) => [example.line, example.request]),
      [
        [1, "GET h/app/0"],
        [2, "GET h/app/1"],
      ],
    );
    assert.deepEqual(result.groups[2]?.examples[0], {
      line: 8,
      request: "GET h/gone",
      before: "http://old.example/gone",
      after: "http://new.example/gone",
    });
  });

  it("sees a token that is asked for no more, or newly, or for a scope", () => {
    const open = replay(OLD.replace("filters: [{ jwt: { provider: main } }], ", ""), [line("/orders", { sub: "ann" })]);
    assert.deepEqual(
      open.groups.map(({ differences, before, after }) => [differences, before.assumptions, after.assumptions]),
      [[["verdict", "rewrite"], "a token of main", ""]],
    );
    const scoped = replay(OLD.replace("provider: main }", "provider: main, scopes: [x] }"), [line("/orders")]);
    assert.deepEqual(groupsOf(scoped), ["1: verdict: orders proxied a 95%, b 5% → orders proxied a 95%, b 5%"]);
    assert.ok(scoped.blindSpots.some((spot) => spot.includes("tokens are not in the log")));
  });

  it("gives a request the headers and parameters that its recorded route demands", () => {
    const next = OLD.replace("backends: [{ service: b }]", "backends: [{ service: a }]");
    const result = replay(next, [
      line("/app/1", { route: "beta" }),
      line("/app/1", { route: "app" }),
      line("/app/1", { route: "elsewhere" }),
      line("/app/1"),
    ]);
    assert.deepEqual(groupsOf(result), ["1: backends: beta proxied b 100% → beta proxied a 100%"]);
    assert.deepEqual([result.inferred, result.recordedOtherwise], [1, 1]);
    assert.ok(
      result.blindSpots.some((spot) => spot.includes("match headers") && spot.endsWith(": beta")),
      result.blindSpots.join(),
    );
    assert.ok(result.blindSpots.some((spot) => spot.includes("query parameters") && spot.endsWith(": beta")));
  });

  it("uses the user agent and the query where the log has them", () => {
    const next = OLD.replace("body: bot", "body: robot");
    const lines = [
      line("/robots", { userAgent: "Bot" }),
      line("/robots", { userAgent: "Person" }),
      line("/robots", { userAgent: "Bot", query: "a=1" }),
    ];
    assert.deepEqual(groupsOf(replay(next, lines)), ["2: response: bots reply 200 → bots reply 200"]);
  });

  it("meets a listener that is gone, and leaves out one that never was", () => {
    const next = OLD.replace(', { name: other, bind: "127.0.0.1:8081", protocol: h2c }', "");
    const result = replay(next, [line("/app", { listener: "other" }), line("/app", { listener: "third" })]);
    assert.deepEqual(
      result.groups.map(({ differences, after }) => [differences, after.error]),
      [[["listener", "route", "verdict"], "no-listener"]],
    );
    assert.deepEqual(result.skipped, [{ reason: "on listener third, which the old configuration does not have", count: 1 }]);
  });

  it("leaves out what was refused for reasons that are not in the log", () => {
    const lines = [
      line("/app", { route: "", error: "body-too-large" }),
      line("/a%2fb", { route: "", error: "bad-request" }),
      line("/app", { route: "", error: "route-not-found" }),
    ];
    const result = replay(OLD, lines);
    assert.deepEqual([result.replayed, result.recordedOtherwise, result.skipped.map(({ count }) => count)], [2, 1, [1]]);
  });

  it("counts and reports lines that it cannot read, and never fails", () => {
    const lines = [
      "nonsense",
      "[]",
      "null",
      '"x"',
      "{}",
      line(""),
      line("/x\u2026"),
      line("/x y"),
      line("/x", { method: "GET\r\nx: y" }),
      line("/x", { listener: 5 }),
      "",
    ];
    const result = replay(OLD, lines);
    assert.deepEqual([result.lines, result.replayed], [10, 0]);
    assert.deepEqual(Object.fromEntries(result.skipped.map(({ reason, count }) => [reason, count])), {
      "not JSON": 1,
      "not an object": 3,
      "without listener, method, host or path": 3,
      "with a host or path that the log has cut off": 1,
      "with a method, host, path or query that no request has": 2,
    });
  });

  it("survives every line, on both kinds of listener", () => {
    const before = simulator(OLD);
    const run = new Replay(before, simulator(OLD.replaceAll("weight: 95", "weight: 1")), { maxExamples: 1 });
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 30 }),
      fc.constantFrom("GET", "/orders", "/a%2fb", "h", "[::1]", "public", "other", "__proto__", "*"),
    );
    const record = fc.record(
      {
        listener: fc.constantFrom("public", "other"),
        method: text,
        host: text,
        path: text,
        query: text,
        route: text,
        error: text,
        sub: text,
        userAgent: text,
      },
      { requiredKeys: ["listener"] },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          record.map((value) => JSON.stringify(value)),
          fc.json(),
          fc.string({ unit: "binary" }),
        ),
        (one) => run.add(one),
      ),
      { numRuns: 3_000 },
    );
    const { lines, replayed, skipped } = run.result();
    assert.equal(replayed + skipped.reduce((sum, { count }) => sum + count, 0), lines);
  });

  it("keeps its memory bounded by distinct reasons and groups", () => {
    const run = new Replay(simulator(OLD), simulator(OLD), { maxExamples: 1 });
    for (let i = 0; i < 500; i++) run.add(line("/x", { listener: `l${i}` }));
    const { skipped } = run.result();
    assert.ok(skipped.length <= 51);
    assert.equal(
      skipped.reduce((sum, { count }) => sum + count, 0),
      500,
    );
  });
});
