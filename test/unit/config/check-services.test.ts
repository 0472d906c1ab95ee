/** Services and JWT providers. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { formatProblem, loadConfig, parseConfig } from "../../../src/config/index.js";
import { accept, MINIMAL, makeCertificate, problemsOf, refuse, temporaryDirectory } from "./fixtures.js";

function service(rest: string): string {
  return `${MINIMAL}services: [{ name: s, endpoints: { static: [{ address: "a.example:443" }] }, ${rest} }]`;
}

test("an endpoint may stand in a service once", () => {
  const text = `${MINIMAL}services: [{ name: s, endpoints: { static: [{ address: "a:1" }, { address: "A:1" }] } }]`;
  assert.match(refuse(text)[0] ?? "", /services\[0\]\.endpoints\.static\[1\]\.address "A:1" is written twice/);
});

test("a service without endpoints is refused", () => {
  assert.match(refuse(`${MINIMAL}services: [{ name: s, endpoints: { static: [] } }]`)[0] ?? "", /static must not be empty/);
  assert.match(refuse(`${MINIMAL}services: [{ name: s }]`)[0] ?? "", /endpoints is missing/);
});

test("tls belongs to https, and serverName is one name", () => {
  assert.match(refuse(service("tls: {}"))[0] ?? "", /tls has no effect with protocol http1/);
  assert.match(refuse(service('protocol: https, tls: { serverName: "*.a" }'))[0] ?? "", /serverName must be one name/);
});

test("each protocol has settings of its own", () => {
  assert.match(refuse(service("protocol: h2c, tls: {}"))[0] ?? "", /tls has no effect with protocol h2c \(write protocol: h2\)/);
  assert.match(refuse(service("http2: { ping: 1s }"))[0] ?? "", /http2 has no effect with protocol http1/);
  assert.match(refuse(service("protocol: h2, tls: { alpn: [h2] }"))[0] ?? "", /alpn has no effect with protocol h2/);
  assert.match(refuse(service("protocol: https, tls: { alpn: [] }"))[0] ?? "", /alpn must not be empty/);
  assert.match(refuse(service("protocol: https, tls: { alpn: [h3] }"))[0] ?? "", /alpn/);
  assert.match(refuse(service("protocol: h2c, http2: { streamWindow: 1KiB }"))[0] ?? "", /streamWindow must be at least 65535/);
  const specs = ["h2c", "h2", "https", "https, tls: { alpn: [http/1.1] }"].map(
    (rest) => accept(service(`protocol: ${rest}`)).snapshot.services[0],
  );
  assert.deepEqual(
    specs.map((spec) => spec?.tls?.alpn),
    [undefined, ["h2"], ["h2", "http/1.1"], ["http/1.1"]],
  );
});

test("switching verification off is a warning, and the only way to get it", () => {
  const { snapshot, warnings } = accept(service("protocol: https, tls: { insecureSkipVerify: true }"));
  assert.equal(snapshot.services[0]?.tls?.isVerified, false);
  assert.ok(warnings.some((warning) => /certificates of this service are not verified/.test(warning)));
});

test("trusted roots come from a path, a file reference, or a variable with PEM text", (context) => {
  const { cert } = makeCertificate(["ca.example"]);
  const forms = ["ca.pem", "{ file: ca.pem }", '"${CA}"'];
  for (const form of forms) {
    const directory = temporaryDirectory(context, { "w.yaml": service(`protocol: https, tls: { ca: ${form} }`), "ca.pem": cert });
    const result = loadConfig(join(directory, "w.yaml"), { env: { CA: cert } });
    assert.ok(result.ok, problemsOf(result).map(formatProblem).join("\n"));
    assert.equal(result.snapshot.services[0]?.tls?.caPem, cert, form);
  }
});

test("roots that are no certificates are a problem", (context) => {
  const directory = temporaryDirectory(context, { "w.yaml": service("protocol: https, tls: { ca: ca.pem }"), "ca.pem": "nonsense" });
  assert.match(
    problemsOf(loadConfig(join(directory, "w.yaml"), { env: {} })).map(formatProblem)[0] ?? "",
    /tls\.ca holds no PEM certificates/,
  );
});

// ── JWT providers ──

const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const EC_PUBLIC = JSON.stringify({ ...ec.publicKey.export({ format: "jwk" }), kid: "e" });
const EC_PRIVATE = JSON.stringify({ ...ec.privateKey.export({ format: "jwk" }), kid: "e" });
const ED_PUBLIC = JSON.stringify(generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }));
const RSA_SMALL = JSON.stringify(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" }));
const SECRET = `{ "kty": "oct", "k": "${Buffer.alloc(32, 7).toString("base64url")}" }`;
const SHORT_SECRET = '{ "kty": "oct", "k": "c2hvcnQ" }';

function provider(jwks: string, rest = "issuer: https://i.example"): string {
  return `${MINIMAL}providers: { jwt: [{ name: p, jwks: ${jwks}, ${rest} }] }`;
}

const inline = (...keys: string[]): string => `{ inline: { keys: [${keys.join(", ")}] } }`;
const HS = "issuer: https://i.example, algorithms: [HS256]";

const PROVIDERS: readonly (readonly [string, string, RegExp])[] = [
  ["no source of keys", provider("{}"), /jwks needs exactly one of uri, file and inline/],
  ["two sources of keys", provider(`{ uri: "https://a", inline: { keys: [${EC_PUBLIC}] } }`), /jwks needs exactly one of/],
  ["no keys", provider("{ inline: { keys: [] } }"), /inline\.keys must not be empty/],
  ["HS256 with keys by URI", provider('{ uri: "https://a" }', HS), /algorithms HS\* needs keys from jwks\.file or jwks\.inline/],
  ["HS256 and RS256", provider(inline(SECRET), "algorithms: [HS256, RS256]"), /algorithms must not mix HS\*/],
  ["secrets and public keys", provider(inline(SECRET, EC_PUBLIC), HS), /must not mix secrets \(oct\) with public keys/],
  [
    "secrets without written algorithm",
    provider(inline(SECRET)),
    /holds secrets \(oct\), whose algorithms must be written \(add algorithms: \[HS256\]\)/,
  ],
  ["HS256 with public keys", provider(inline(EC_PUBLIC), HS), /algorithms no key of the set can be used/],
  ["RS256 with an EC key", provider(inline(EC_PUBLIC), "algorithms: [RS256]"), /no key of the set can be used/],
  ["HS512 with a secret for HS256", provider(inline(SECRET), "algorithms: [HS512]"), /no key of the set can be used/],
  ["a short secret", provider(inline(SHORT_SECRET), HS), /keys\[0\] key 1 is a secret of 5 bytes \(HS256 needs at least 32/],
  ["a short RSA key", provider(inline(RSA_SMALL)), /keys\[0\] key 1 is an RSA key of 1024 bits/],
  ["a broken key", provider(inline('{ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }')), /key 1 is not a valid key/],
  ["a foreign key type", provider(inline('{ "kty": "XX" }')), /key 1 has a key type or curve that cannot verify tokens/],
  ["a key for encryption only", provider(inline(EC_PUBLIC.replace("{", '{"use":"enc",'))), /no key of the set can be used/],
  ["refresh without uri", provider(`{ refresh: 1m, inline: { keys: [${EC_PUBLIC}] } }`), /jwks\.refresh has an effect only with jwks\.uri/],
];

for (const [what, text, expected] of PROVIDERS) {
  test(`a provider with ${what} is refused`, () => {
    const problems = refuse(text);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0] ?? "", expected);
  });
}

test("EC, Ed25519 and written HS keys are taken", () => {
  for (const [jwks, rest] of [
    [inline(EC_PUBLIC), "issuer: i"],
    [inline(ED_PUBLIC), "issuer: i"],
    [inline(SECRET), HS],
  ] as const) {
    const keys = accept(provider(jwks, rest)).snapshot.jwtProviders[0]?.keys;
    assert.equal(keys?.type, "fixed");
  }
});

test("private parts of a key are a warning and do not get into the snapshot", () => {
  const { snapshot, warnings } = accept(provider(inline(EC_PRIVATE)));
  assert.match(warnings[0] ?? "", /keys\[0\] warning: key 1 holds a private key/);
  const keys = snapshot.jwtProviders[0]?.keys;
  assert.ok(keys?.type === "fixed");
  assert.deepEqual(Object.keys(keys.jwks.keys[0] ?? {}).sort(), ["crv", "kid", "kty", "x", "y"]);
});

test("keys come from a file next to the document", (context) => {
  const directory = temporaryDirectory(context, {
    "c/w.yaml": provider("{ file: ../k/jwks.json }"),
    "k/jwks.json": `{"keys":[${EC_PUBLIC}]}`,
  });
  const result = loadConfig(join(directory, "c/w.yaml"), { env: {} });
  assert.ok(result.ok);
  assert.deepEqual(result.snapshot.jwtProviders[0]?.keys, { type: "fixed", jwks: { keys: [JSON.parse(EC_PUBLIC)] } });
});

test("a key file that is no JWK set is a problem", (context) => {
  const cases = [
    ["x", /is not JSON/],
    ["[]", /is not a JWK set/],
    ['{"keys":[]}', /holds no keys/],
    ['{"keys":[1]}', /holds a key that is not an object/],
  ] as const;
  for (const [content, expected] of cases) {
    const directory = temporaryDirectory(context, { "w.yaml": provider("{ file: k.json }"), "k.json": content });
    assert.match(problemsOf(loadConfig(join(directory, "w.yaml"), { env: {} })).map(formatProblem)[0] ?? "", expected);
  }
});

test("what weakens a provider is a warning", () => {
  assert.match(accept(provider('{ uri: "https://a" }', "clockSkew: 1s")).warnings[0] ?? "", /checks neither issuer nor audience/);
  assert.match(accept(provider('{ uri: "http://a.example" }')).warnings[0] ?? "", /keys are fetched without TLS/);
  assert.deepEqual(accept(provider('{ uri: "http://127.0.0.1:1/" }')).warnings, []);
});

test("no problem about a secret key quotes it", () => {
  const secret = Buffer.from("top-secret").toString("base64url");
  for (const key of [
    `{ "kty": "oct", "k": "${secret}" }`,
    `{ "kty": "oct", "k": "${secret}=" }`,
    `{ "kty": "RSA", "n": "${secret}", "e": "${secret}", "d": "${secret}" }`,
  ]) {
    for (const problem of problemsOf(parseConfig(provider(inline(key), HS), "t.yaml", { env: {} })))
      assert.equal(formatProblem(problem).includes(secret), false);
  }
});

test("each kind of health check has settings of its own", () => {
  const refusals: readonly (readonly [health: string, message: RegExp])[] = [
    ["{ type: tcp, path: /healthz }", /health\.path has no effect with type tcp/],
    ["{ type: grpc, port: 1, statuses: [200] }", /health\.statuses has no effect with type grpc/],
    ["{ service: orders }", /health\.service has no effect with type http/],
    ["{ type: grpc }", /health\.type gRPC needs HTTP\/2 \(write protocol: h2c, or the port where the service speaks it\)/],
    ["{ statuses: [2xy] }", /"2xy" is not a status/],
    ["{ statuses: [] }", /statuses must not be empty/],
    ["{ path: healthz }", /path must begin with \//],
    ['{ path: "/a b" }', /must be plain ASCII without spaces/],
    ['{ host: "a\\r\\nb" }', /must not hold line breaks/],
    ["{ interval: 0s }", /interval must be longer than 0s/],
    ["{ unhealthyAfter: 0 }", /unhealthyAfter must be at least 1/],
    ["{ port: 70000 }", /port must be at most 65535/],
    ["{ protocol: http }", /health\.protocol is not a known key/],
  ];
  for (const [health, message] of refusals) assert.match(refuse(service(`health: ${health}`))[0] ?? "", message, health);
  const probes = [
    'health: { path: "/up?deep=1", method: HEAD, statuses: [200, 3xx], host: a.example, port: 8081 }',
    "health: { type: tcp }",
    "protocol: h2c, health: { type: grpc, service: shop.Orders }",
    "health: { type: grpc, port: 50051 }",
  ].map((rest) => accept(service(rest)).snapshot.services[0]?.health?.probe);
  assert.deepEqual(probes, [
    {
      type: "http",
      path: "/up?deep=1",
      method: "HEAD",
      statuses: [
        { from: 200, to: 200 },
        { from: 300, to: 399 },
      ],
      host: "a.example",
      port: 8081,
    },
    { type: "tcp", port: 0 },
    { type: "grpc", service: "shop.Orders", host: "", port: 0 },
    { type: "grpc", service: "", host: "", port: 50051 },
  ]);
});

test("ejections have sensible times, and ejecting nobody is a warning", () => {
  assert.match(
    refuse(service("outlier: { baseEjectionTime: 10m, maxEjectionTime: 5m }"))[0] ?? "",
    /maxEjectionTime must not be shorter than baseEjectionTime/,
  );
  assert.equal(accept(service("outlier: { baseEjectionTime: 10m }")).snapshot.services[0]?.outlier?.baseEjectionMs, 600_000);
  assert.match(refuse(service("outlier: { maxEjectionPercent: 101 }"))[0] ?? "", /maxEjectionPercent must be at most 100/);
  assert.match(refuse(service("circuit: { breakers: { service: { failurePercent: 0 } } }"))[0] ?? "", /failurePercent must be at least 1/);
  const { warnings } = accept(service("outlier: { consecutive5xx: 0 }"));
  assert.ok(warnings.some((warning) => /nothing is ever ejected/.test(warning)));
});
