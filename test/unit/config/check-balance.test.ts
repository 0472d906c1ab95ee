/** `balance` of services and `subset` of backends: what they become, and what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { staticEndpointsOf } from "../../../src/engine/model/endpoint-source.js";
import { accept, MINIMAL, refuse } from "./fixtures.js";

function service(balance: string): string {
  return `${MINIMAL}services: [{ name: s, endpoints: { static: [{ address: "a.example:443" }] }, balance: { ${balance} } }]`;
}

function routed(backend: string, { balance = "", filters = "" } = {}): string {
  return `${MINIMAL}routes: [{ name: r, ${filters} backends: [{ service: s, ${backend} }] }]
providers: { jwt: [{ name: main, issuer: "https://id.example", jwks: { uri: "https://id.example/jwks" } }] }
services:
  - name: s
    balance: { ${balance} }
    endpoints: { static: [{ address: "a:1", labels: { version: v1, tier: gold } }, { address: "b:1", priority: 3 }] }
`;
}

test("what is written arrives as numbers, and what is not has its default", () => {
  const rest = "maxLoad: 125%, preferLocalZone: false, panicThreshold: 0%, retryAfter: { on: [429, 503], max: 1m }";
  const { snapshot } = accept(`zone: eu-1\n${service(`algorithm: ringHash, hashOn: { header: X-User }, ${rest}`)}`);
  assert.deepEqual(snapshot.services[0]?.balance, {
    algorithm: "ringHash",
    hashOn: { type: "header", name: "x-user", fallback: "random" },
    maxLoadPercent: 125,
    prefersLocalZone: false,
    slowStartMs: 0,
    panicThresholdPercent: 0,
    retryAfter: { on: [429, 503], maxMs: 60_000 },
  });
  assert.equal(snapshot.zone, "eu-1");
  assert.equal(accept(service("slowStart: 30s")).snapshot.services[0]?.balance.slowStartMs, 30_000);
});

test("every part of a request that can be hashed can be named", () => {
  const parts = ["cookie: Sid, fallback: address", "claim: address.country, fallback: path", "address: true", "path: true"];
  assert.deepEqual(
    parts.map((part) => accept(service(`algorithm: maglev, hashOn: { ${part} }`)).snapshot.services[0]?.balance.hashOn),
    [
      { type: "cookie", name: "Sid", fallback: "address" },
      { type: "claim", name: "address.country", fallback: "path" },
      { type: "address", name: "", fallback: "random" },
      { type: "path", name: "", fallback: "random" },
    ],
  );
});

test("settings that contradict each other are refused, each at its place", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["algorithm: ringHash", /^test\.yaml:\d+:\d+ services\[0\]\.balance\.algorithm ringHash needs hashOn \(say what/],
    ["algorithm: maglev, hashOn: {}", /balance\.hashOn names nothing to hash on \(write one of header, cookie/],
    ["algorithm: maglev, hashOn: { path: true, cookie: a }", /hashOn names 2 things to hash on: cookie, path/],
    ["algorithm: maglev, hashOn: { path: true, fallback: address }", /hashOn\.fallback has no effect: every request has its path/],
    ["algorithm: maglev, hashOn: { path: false }", /hashOn\.path/],
    ["algorithm: maglev, hashOn: { cookie: 'a b' }", /hashOn\.cookie .*is not the name of a cookie/],
    ["algorithm: maglev, hashOn: { header: 'a:' }", /hashOn\.header "a:" is not a header name/],
    ["algorithm: ewma, hashOn: { path: true }", /hashOn has no effect with algorithm ewma/],
    ["maxLoad: 125%", /maxLoad has no effect with algorithm roundRobin/],
    ["algorithm: maglev, hashOn: { path: true }, maxLoad: 100%", /maxLoad must be at least 101%/],
    ["algorithm: maglev, hashOn: { path: true }, slowStart: 1s", /slowStart has no effect with algorithm maglev/],
    ["panicThreshold: 50", /panicThreshold/],
    ["panicThreshold: 0.5%", /panicThreshold "0\.5%" is not a percentage \(write a whole number/],
    ["panicThreshold: 101%", /panicThreshold must be at most 100%/],
    ["retryAfter: { on: [500] }", /retryAfter\.on\[0\]/],
    ["slowStart: 30", /slowStart/],
  ];
  for (const [balance, expected] of cases) assert.match(refuse(service(balance)).join("\n"), expected, balance);
});

test("subsets are labels, and priorities belong to endpoints", () => {
  const { snapshot, warnings } = accept(routed("subset: { version: v1, tier: gold }"));
  assert.deepEqual(snapshot.routes[0]?.backends[0]?.subset, { labels: { version: "v1", tier: "gold" }, fallback: "none" });
  assert.deepEqual(
    snapshot.services.flatMap(({ endpoints }) => staticEndpointsOf(endpoints)).map(({ priority }) => priority),
    [0, 3],
  );
  assert.ok(!warnings.some((warning) => /labels/.test(warning)), warnings.join("\n"));
  assert.equal(accept(routed("weight: 1")).snapshot.routes[0]?.backends[0]?.subset, null);
});

test("a subset that is empty is told, and one without labels refused", () => {
  const warned = (backend: string) => accept(routed(backend)).warnings.join("\n");
  assert.match(warned("subset: { version: v2 }"), /backends\[0\]\.subset warning: no endpoint .* its requests are answered with 503/);
  assert.match(warned("subset: { version: v2 }, subsetFallback: all"), /all of its endpoints are used/);
  assert.match(refuse(routed("subset: {}")).join("\n"), /subset names no label/);
  assert.match(refuse(routed("subsetFallback: all")).join("\n"), /subsetFallback has no effect without subset/);
});

test("a service that hashes on a claim wants a jwt filter on its routes", () => {
  const balance = "algorithm: maglev, hashOn: { claim: sub }";
  const warned = (filters: string) => accept(routed("weight: 1", { balance, filters })).warnings.join("\n");
  assert.match(warned(""), /backends\[0\]\.service warning: hashes on a claim, but the route has no jwt filter/);
  assert.doesNotMatch(warned("filters: [{ jwt: { provider: main } }],"), /hashes on a claim/);
});
