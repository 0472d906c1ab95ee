/** References, filter chains, timeouts and overlaps. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { accept, BACKENDS, MINIMAL, refuse, withRoute } from "./fixtures.js";

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  [
    "an unknown listener",
    `${BACKENDS}    listeners: [publc]\n`,
    /listeners\[0\] there is no listener named "publc" \(did you mean "public"\?\)/,
  ],
  ["a listener named twice", `${BACKENDS}    listeners: [public, public]\n`, /listeners\[1\] "public" is written twice/],
  ["an empty list of listeners", `${BACKENDS}    listeners: []\n`, /listeners must not be empty/],
  [
    "an unknown service",
    "    backends: [{ service: order }]\n",
    /backends\[0\]\.service there is no service named "order" \(did you mean "orders"\?\)/,
  ],
  [
    "an unknown provider",
    `${BACKENDS}    filters: [{ jwt: { provider: de } }]\n`,
    /filters\[0\]\.jwt\.provider there is no jwt provider named "de"/,
  ],
  [
    "neither backends nor reply",
    "    filters: [{ requestHeaders: { remove: [x-a] } }]\n",
    /has no backends, and no filter that always replies/,
  ],
  [
    "two filters in one step",
    `${BACKENDS}    filters: [{ jwt: { provider: dev }, respond: {} }]\n`,
    /filters\[0\] holds 2 filters: jwt, respond/,
  ],
  ["an empty step", `${BACKENDS}    filters: [{}]\n`, /filters\[0\] holds no filter/],
  [
    "claims without jwt",
    `${BACKENDS}    filters: [{ rateLimit: { limit: 1, per: 1s, key: jwt.sub } }]\n`,
    /filters\[0\]\.rateLimit reads the token's claims, but no jwt filter/,
  ],
  [
    "claims before jwt",
    `${BACKENDS}    filters: [{ requestHeaders: { set: { x-user: "{jwt.sub}" } } }, { jwt: { provider: dev } }]\n`,
    /filters\[0\]\.requestHeaders reads the token's claims/,
  ],
  [
    "an attempt longer than the request",
    `${BACKENDS}    timeouts: { request: 5s, backendRequest: 6s }\n`,
    /timeouts\.backendRequest must not be longer than timeouts\.request$/,
  ],
  [
    "an attempt longer than the default",
    `${BACKENDS}    timeouts: { backendRequest: 16s }\n`,
    /must not be longer than timeouts\.request, which is 15s by default/,
  ],
  [
    "a header matched twice",
    `${BACKENDS}    match: [{ headers: [{ name: x-a, value: "1" }, { name: X-A, value: "2" }] }]\n`,
    /headers\[1\]\.name "X-A" is matched twice/,
  ],
  [
    "a parameter matched twice",
    `${BACKENDS}    match: [{ queryParams: [{ name: a, value: "1" }, { name: a, value: "2" }] }]\n`,
    /queryParams\[1\]\.name "a" is matched twice/,
  ],
];

for (const [what, route, expected] of REFUSED) {
  test(`a route with ${what} is refused`, () => {
    const problems = refuse(withRoute(route));
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0] ?? "", expected);
  });
}

test("a route is fine when its claims come after jwt, and when a disabled timeout leaves the other unbounded", () => {
  accept(withRoute(`${BACKENDS}    filters: [{ jwt: { provider: dev } }, { rateLimit: { limit: 1, per: 1s, key: jwt.sub } }]\n`));
  accept(withRoute(`${BACKENDS}    timeouts: { request: 0s, backendRequest: 1h }\n`));
});

const WARNED: readonly (readonly [string, string, RegExp])[] = [
  [
    "a filter behind one that always replies",
    "    filters: [{ redirect: {} }, { respond: {} }]\n",
    /filters\[1\] warning: never runs: redirect before it always replies/,
  ],
  ["backends behind one that always replies", `${BACKENDS}    filters: [{ redirect: {} }]\n`, /backends warning: are never used/],
  [
    "a retry on a timeout that never happens",
    `${BACKENDS}    retry: { on: [reset, timeout] }\n`,
    /retry\.on\[1\] warning: never happens: timeouts\.backendRequest is 0s/,
  ],
  ["backends without weight", "    backends: [{ service: orders, weight: 0 }]\n", /backends warning: all have weight 0/],
  [
    "a path that is not normalised",
    `${BACKENDS}    match: [{ path: { value: "/a%2db" } }]\n`,
    /path\.value warning: never matches on listeners that normalise/,
  ],
  ["an empty segment", `${BACKENDS}    match: [{ path: { value: "/a//b" } }]\n`, /path\.value warning: never matches/],
];

for (const [what, route, expected] of WARNED) {
  test(`${what} is a warning`, () => {
    const { warnings } = accept(withRoute(route));
    assert.ok(
      warnings.some((warning) => expected.test(warning)),
      warnings.join("\n"),
    );
  });
}

function routes(text: string, listener = ""): string {
  return `
listeners:
  - { name: public, bind: "127.0.0.1:8080", protocol: http${listener} }
  - { name: inside, bind: "127.0.0.1:8081", protocol: http, direction: inbound }
services: [{ name: s, endpoints: { static: [{ address: "a:1" }] } }]
routes:
${text}
`;
}

const to = "backends: [{ service: s }]";

test("names are unique, and the problem says where the first is", () => {
  const problems = refuse(routes(`  - { name: a, ${to} }\n  - { name: a, match: [{ path: { value: /x } }], ${to} }`));
  assert.deepEqual(problems, ['test.yaml:8:13 routes[1].name the name "a" is taken (the first is at test.yaml:7)']);
  const services = refuse(`${MINIMAL}services:\n${"  - { name: s, endpoints: { static: [{ address: 'a:1' }] } }\n".repeat(2)}`);
  assert.match(services[0] ?? "", /services\[1\]\.name the name "s" is taken/);
});

test("a route that another one hides is a warning that names the winner", () => {
  const { warnings } = accept(
    routes(`  - { name: first, match: [{ path: { value: /a/ } }], ${to} }\n  - { name: second, match: [{ path: { value: /a } }], ${to} }`),
  );
  assert.deepEqual(warnings, [
    'test.yaml:8:29 routes[1].match[0] warning: the route "first" matches the same requests and wins (it is at test.yaml:7)',
  ]);
});

const DISTINCT: readonly (readonly [string, string])[] = [
  ["methods", "match: [{ methods: [GET] }]"],
  ["headers", 'match: [{ headers: [{ name: a, value: "1" }] }]'],
  ["parameters", 'match: [{ queryParams: [{ name: a, value: "1" }] }]'],
  ["path types", "match: [{ path: { type: Exact, value: / } }]"],
  ["hostnames", "hostnames: [a.example]"],
  ["listeners", "listeners: [inside]"],
];

for (const [what, other] of DISTINCT) {
  test(`routes with different ${what} do not hide each other`, () => {
    const { warnings } = accept(routes(`  - { name: first, ${to} }\n  - { name: second, ${other}, ${to} }`));
    assert.deepEqual(warnings, []);
  });
}

test("one method in common is enough to be hidden", () => {
  const { warnings } = accept(
    routes(`  - { name: first, match: [{ methods: [GET, PUT] }], ${to} }\n  - { name: second, match: [{ methods: [PUT, POST] }], ${to} }`),
  );
  assert.equal(warnings.length, 1);
});

test("the order of conditions and the case of header names make no difference", () => {
  const a = '{ name: x-a, value: "1" }';
  const b = '{ name: x-b, value: "2" }';
  const { warnings } = accept(
    routes(
      `  - { name: first, match: [{ headers: [${a}, ${b}] }], ${to} }\n  - { name: second, match: [{ headers: [${b}, { name: X-A, value: "1" }] }], ${to} }`,
    ),
  );
  assert.equal(warnings.length, 1);
});

test("a hostname that no listener of the route serves is a warning", () => {
  const served = ', hostnames: [a.example, "*.b.example"]';
  const route = (hostname: string) => routes(`  - { name: r, hostnames: ["${hostname}"], ${to} }`, served);
  for (const hostname of ["a.example", "x.b.example", "y.x.b.example", "*.b.example", "*.x.b.example", "*.example"])
    assert.deepEqual(accept(route(hostname)).warnings, [], hostname);
  for (const hostname of ["c.example", "b.example", "x.a.example"])
    assert.match(accept(route(hostname)).warnings[0] ?? "", /none of the route's listeners serves/, hostname);
});

test("a route without listeners needs one of direction ingress", () => {
  const text = `
listeners: [{ name: inside, bind: "127.0.0.1:1", protocol: http, direction: inbound }]
routes: [{ name: a, filters: [{ respond: {} }] }]
`;
  assert.match(refuse(text)[0] ?? "", /^test\.yaml:3:10 routes\[0\] has no listeners: it would be served by those of direction ingress/);
});

test("a service that no route uses is a warning", () => {
  const { warnings } = accept(`${MINIMAL}services: [{ name: lonely, endpoints: { static: [{ address: "a:1" }] } }]`);
  assert.match(warnings[0] ?? "", /services\[0\]\.name warning: no route uses "lonely"/);
});
