/** What the schema refuses, and how it says so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatProblem, parseConfig } from "../../../src/config/index.js";
import { accept, BACKENDS, MINIMAL, problemsOf, refuse, withRoute } from "./fixtures.js";

/** One route, one problem. */
const ROUTE_CASES: readonly (readonly [string, string, RegExp])[] = [
  [
    "unknown key",
    `${BACKENDS}    hostname: [a]\n`,
    /^test\.yaml:\d+:5 routes\[0\]\.hostname is not a known key \(did you mean "hostnames"\?\)$/,
  ],
  ["wrong type", `${BACKENDS}    hostnames: a.example\n`, /routes\[0\]\.hostnames expected a list, got text \(write it in brackets/],
  [
    "number for text",
    `${BACKENDS}    match: [{ headers: [{ name: x-a, value: 1 }] }]\n`,
    /match\[0\]\.headers\[0\]\.value expected text, got a number \(quote it\)/,
  ],
  ["empty value", `${BACKENDS}    timeouts:\n`, /routes\[0\]\.timeouts has no value: expected a map/],
  ["bad duration", `${BACKENDS}    timeouts: { request: 1.5s }\n`, /timeouts\.request "1\.5s" is not a duration \(write whole numbers/],
  ["bad choice", `${BACKENDS}    match: [{ path: { type: prefix } }]\n`, /path\.type "prefix" is not one of Exact, PathPrefix/],
  ["choice with a hint", `${BACKENDS}    match: [{ path: { type: exact } }]\n`, /\(did you mean "Exact"\?\)/],
  [
    "planned choice",
    `${BACKENDS}    match: [{ path: { type: RegularExpression } }]\n`,
    /"RegularExpression" is not available yet in this version/,
  ],
  ["path without slash", `${BACKENDS}    match: [{ path: { value: orders } }]\n`, /path\.value must begin with \//],
  ["path with query", `${BACKENDS}    match: [{ path: { value: "/a?b" } }]\n`, /must not hold a query/],
  ["path with fragment", `${BACKENDS}    match: [{ path: { value: "/a#b" } }]\n`, /must not hold a fragment/],
  ["path with umlaut", `${BACKENDS}    match: [{ path: { value: "/ä" } }]\n`, /plain ASCII without spaces \(percent-encode it: \/%C3%A4\)/],
  ["path with dots", `${BACKENDS}    match: [{ path: { value: "/a/../b" } }]\n`, /must not hold \. or \.\. segments/],
  ["path with broken escape", `${BACKENDS}    match: [{ path: { value: "/%zz" } }]\n`, /not followed by two hex digits/],
  ["no matches", `${BACKENDS}    match: []\n`, /routes\[0\]\.match must not be empty/],
  ["lower-case method", `${BACKENDS}    match: [{ methods: [get] }]\n`, /methods\[0\] methods are case-sensitive \(write GET\)/],
  ["bad method", `${BACKENDS}    match: [{ methods: ["G T"] }]\n`, /"G T" is not a method/],
  ["bad header name", `${BACKENDS}    match: [{ headers: [{ name: "x a", value: b }] }]\n`, /"x a" is not a header name/],
  ["bad header value", `${BACKENDS}    match: [{ headers: [{ name: x-a, value: "b\\nc" }] }]\n`, /must not hold line breaks/],
  ["negative weight", "    backends: [{ service: orders, weight: -1 }]\n", /backends\[0\]\.weight must be at least 0/],
  ["broken weight", "    backends: [{ service: orders, weight: 1.5 }]\n", /backends\[0\]\.weight must be a whole number/],
  ["missing service", "    backends: [{ weight: 1 }]\n", /backends\[0\]\.service is missing: text is required/],
  [
    "planned filter",
    "    filters: [{ mirror: {} }]\n    backends: [{ service: orders }]\n",
    /filters\[0\]\.mirror is not available yet in this version/,
  ],
  ["unknown filter", `${BACKENDS}    filters: [{ jwtt: {} }]\n`, /filters\[0\]\.jwtt is not a known key \(did you mean "jwt"\?\)/],
  ["planned filter", `${BACKENDS}    filters: [{ cors: {} }]\n`, /filters\[0\]\.cors is not available yet/],
  [
    "unknown key in a filter",
    `${BACKENDS}    filters: [{ jwt: { provder: dev } }]\n`,
    /jwt\.provder is not a known key \(did you mean "provider"\?\)/,
  ],
  ["filter without settings", `${BACKENDS}    filters: [{ redirect: }]\n`, /redirect has no value/],
  [
    "bad choice in a filter",
    "    filters: [{ redirect: { path: { type: Full } } }]\n",
    /redirect\.path\.type "Full" is not one of ReplaceFullPath, ReplacePrefixMatch/,
  ],
  [
    "an unknown retry condition",
    `${BACKENDS}    retry: { on: [gateway-error] }\n`,
    /retry\.on\[0\] "gateway-error" is not a retry condition \(write connect-failure, reset, timeout, malformed, or a status from 500 to 599\)/,
  ],
  ["a retried status of 4xx as text", `${BACKENDS}    retry: { on: [reset, "429"] }\n`, /retry\.on\[1\] "429" is not a retry condition/],
  ["a retried status of 4xx", `${BACKENDS}    retry: { on: [404] }\n`, /retry\.on\[0\] must be at least 500/],
  ["a retried status that does not exist", `${BACKENDS}    retry: { on: [600] }\n`, /retry\.on\[0\] must be at most 599/],
  ["a bare retry condition", `${BACKENDS}    retry: { on: reset }\n`, /retry\.on expected a list, got text/],
  ["bad hostname", `${BACKENDS}    hostnames: ["a b"]\n`, /hostnames\[0\] "a b" is not a hostname/],
  ["bad name", `${BACKENDS}    name2: x\n`, /name2 is not a known key/],
];

for (const [what, route, expected] of ROUTE_CASES) {
  test(`a route with ${what} is refused with its place`, () => {
    const problems = refuse(withRoute(route));
    assert.ok(
      problems.some((problem) => expected.test(problem)),
      `${expected} in\n${problems.join("\n")}`,
    );
    for (const problem of problems) assert.match(problem, /^test\.yaml:\d+:\d+ /);
  });
}

const DOCUMENT_CASES: readonly (readonly [string, string, RegExp])[] = [
  ["no listeners", "routes: []\n", /listeners is missing: a list is required/],
  ["an empty list of listeners", "listeners: []\n", /^test\.yaml:1:12 listeners must not be empty/],
  ["a planned block", `${MINIMAL}identity: {}\n`, /^test\.yaml:4:1 identity is not available yet in this version/],
  [
    "a planned protocol",
    'listeners: [{ name: a, bind: "1.2.3.4:1", protocol: tcp }]',
    /listeners\[0\]\.protocol "tcp" is not available yet in this version/,
  ],
  ["an unknown protocol", 'listeners: [{ name: a, bind: "1.2.3.4:1", protocol: ftp }]', /"ftp" is not one of http, https, h2, h2c/],
  ["a missing protocol", 'listeners: [{ name: a, bind: "1.2.3.4:1" }]', /listeners\[0\]\.protocol is missing: http or https or h2 or h2c/],
  ["a port without address", 'listeners: [{ name: a, bind: ":80", protocol: http }]', /\(write the address too: 0\.0\.0\.0:80\)/],
  ["a port out of range", 'listeners: [{ name: a, bind: "1.2.3.4:65536", protocol: http }]', /is not an address to listen on/],
  [
    "a size without binary unit",
    'listeners: [{ name: a, bind: "1.2.3.4:1", protocol: http, limits: { maxBodyBytes: 10MB } }]',
    /"10MB" is not a size/,
  ],
  [
    "a negative size",
    'listeners: [{ name: a, bind: "1.2.3.4:1", protocol: http, limits: { maxBodyBytes: -1 } }]',
    /maxBodyBytes must be at least 0/,
  ],
  [
    "a bad CIDR",
    'listeners: [{ name: a, bind: "1.2.3.4:1", protocol: http, trustedProxies: [10.0.0.0/33] }]',
    /"10\.0\.0\.0\/33" is not an address range \(an IPv4 prefix has at most 32 bits\)/,
  ],
  [
    "a planned setting of a service",
    `${MINIMAL}services: [{ name: a, endpoints: { static: [{ address: "a:1" }] }, mesh: {} }]`,
    /services\[0\]\.mesh is not available yet/,
  ],
  [
    "an unknown algorithm",
    `${MINIMAL}services: [{ name: a, endpoints: { static: [{ address: "a:1" }] }, balance: { algorithm: ewna } }]`,
    /algorithm "ewna" is not one of .*did you mean "ewma"/,
  ],
  [
    "an endpoint without port",
    `${MINIMAL}services: [{ name: a, endpoints: { static: [{ address: a.example }] } }]`,
    /"a\.example" is not an endpoint address/,
  ],
  [
    "an endpoint with a scheme",
    `${MINIMAL}services: [{ name: a, endpoints: { static: [{ address: "http://a:1" }] } }]`,
    /leave the scheme out/,
  ],
  [
    "an endpoint with port 0",
    `${MINIMAL}services: [{ name: a, endpoints: { static: [{ address: "a:0" }] } }]`,
    /is not an endpoint address/,
  ],
  [
    "a label that is no text",
    `${MINIMAL}services: [{ name: a, endpoints: { static: [{ address: "a:1", labels: { version: 2 } }] } }]`,
    /labels\.version expected text, got a number \(quote it\)/,
  ],
  ["a share above one", `${MINIMAL}telemetry: { accessLog: { sample: 2 } }`, /sample must be at most 1/],
  ["workers that are no number", `${MINIMAL}workers: many`, /workers expected auto or a whole number|workers expected auto or a number/],
  ["zero workers", `${MINIMAL}workers: 0`, /workers must be at least 1/],
  ["a planned store", `${MINIMAL}limits: { store: redis }`, /limits\.store "redis" is not available yet/],
  [
    "alg none",
    `${MINIMAL}providers: { jwt: [{ name: a, algorithms: [none], jwks: { uri: "https://a" } }] }`,
    /algorithms\[0\] "none" is not one of RS256/,
  ],
  [
    "keys from a file URL",
    `${MINIMAL}providers: { jwt: [{ name: a, jwks: { uri: "file:///etc/passwd" } }] }`,
    /must be an https:\/\/ \(or http:\/\/\) URL/,
  ],
  [
    "a password in a URL",
    `${MINIMAL}providers: { jwt: [{ name: a, jwks: { uri: "https://u:p@a/" } }] }`,
    /must not hold a user name or password/,
  ],
];

for (const [what, text, expected] of DOCUMENT_CASES) {
  test(`a document with ${what} is refused with its place`, () => {
    const problems = refuse(text);
    assert.ok(
      problems.some((problem) => expected.test(problem)),
      `${expected} in\n${problems.join("\n")}`,
    );
  });
}

test("all problems are reported at once, whatever finds them", () => {
  const text = `
listeners:
  - { name: public, bind: "127.0.0.1:8080", protocol: http, color: red }
  - { name: public, bind: "127.0.0.1:8080", protocol: https }
routes:
  - name: a
    listeners: [publik]
    filters: [{ jwt: { provider: none } }]
    backends: [{ service: nowhere, weight: many }]
    timeouts: { request: 1s, backendRequest: 2s }
  - name: b
    nam: c
  - 7
services:
  - { name: orders, protocol: http1, tls: { ca: missing.pem }, endpoints: { static: [{ address: x }] } }
`;
  const problems = refuse(text);
  const expected = [
    /listeners\[0\]\.color is not a known key/,
    /listeners\[1\]\.name the name "public" is taken/,
    /listeners\[1\]\.bind .* is taken/,
    /listeners\[1\]\.protocol https needs tls/,
    /no listener named "publik"/,
    /no jwt provider named "none"/,
    /no service named "nowhere"/,
    /weight expected a number/,
    /backendRequest must not be longer/,
    /routes\[1\]\.nam is not a known key/,
    /routes\[1\] has no backends/,
    /routes\[2\] expected a map, got a number/,
    /tls has no effect with protocol http1/,
    /cannot read "missing\.pem"/,
    /"x" is not an endpoint address/,
  ];
  for (const pattern of expected)
    assert.ok(
      problems.some((problem) => pattern.test(problem)),
      `${pattern} in\n${problems.join("\n")}`,
    );
  assert.equal(problems.length, expected.length, problems.join("\n"));
});

test("a variable may stand for a number or a boolean where the schema wants one", () => {
  const text = `${MINIMAL}workers: \${WORKERS}\ntelemetry: { accessLog: { sample: "\${SAMPLE:-0.5}" } }\nadmin: { token: "\${TOKEN}" }\n`;
  const { snapshot } = accept(text, { env: { WORKERS: "3", TOKEN: "12345678901234567890" } });
  assert.equal(snapshot.workers, 3);
  assert.equal(snapshot.telemetry.accessLog.sample, 0.5);
  assert.equal(snapshot.admin.tokens[0]?.token, "12345678901234567890");
});

test("a quoted number is not a number when it is written in the document", () => {
  assert.match(refuse(`${MINIMAL}workers: "3"\n`)[0] ?? "", /workers expected/);
});

test("an unset variable is a problem at its place", () => {
  assert.deepEqual(refuse(`${MINIMAL}drain:\n  timeout: \${NOPE}\n`), [
    "test.yaml:5:12 drain.timeout environment variable NOPE is not set (set it, or write a default: ${NOPE:-…})",
  ]);
});

test("problems show what was written and never what a variable holds", () => {
  const env = { SECRET: "hunter2-hunter2" };
  const text = `
listeners:
  - { name: "\${SECRET}!", bind: "\${SECRET}", protocol: "\${SECRET}", hostnames: ["\${SECRET} "], trustedProxies: ["\${SECRET}"] }
routes:
  - name: a
    listeners: ["\${SECRET}"]
    match: [{ path: { value: "\${SECRET}" }, methods: ["\${SECRET}"], headers: [{ name: "\${SECRET} x", value: "\${SECRET}\\n" }] }]
    filters: [{ rateLimit: { limit: 1, per: "\${SECRET}", key: "\${SECRET}" } }, { jwt: { provider: "\${SECRET}" } }, { requestHeaders: { set: { a: "{\${SECRET}}" } } }]
    backends: [{ service: "\${SECRET}", weight: "\${SECRET}" }]
services:
  - { name: x, endpoints: { static: [{ address: "\${SECRET}" }] }, tls: { ca: "\${SECRET}" } }
providers:
  jwt: [{ name: y, jwks: { inline: { keys: [{ kty: oct, k: "\${SECRET}" }] } } }, { name: z, jwks: { file: "\${SECRET}" } }]
admin: { token: "\${SECRET} with space" }
`;
  const result = parseConfig(text, "test.yaml", { env });
  const problems = problemsOf(result).map(formatProblem);
  assert.ok(problems.length > 15, problems.join("\n"));
  for (const problem of problems) assert.doesNotMatch(problem, /hunter2/i);
});
