import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { explain, type LiveFacts } from "../../../../src/control/simulation/simulator.js";
import { staticEndpointsOf } from "../../../../src/engine/model/endpoint-source.js";
import type { ExplainedVerdict } from "../../../../src/engine/model/explanation.js";
import { compile, examine, simulator, verdictOf } from "./snapshots.js";

const YAML = `
listeners:
  - { name: public, bind: "127.0.0.1:8080", protocol: http, trustedProxies: [10.0.0.0/8] }
  - { name: strict, bind: "127.0.0.1:8081", protocol: http, hostnames: [api.example] }
  - { name: wire, bind: "127.0.0.1:8082", protocol: h2c }
routes:
  - name: orders
    listeners: [public, wire]
    match: [{ path: { value: /orders } }]
    filters:
      - jwt: { provider: main, scopes: [read] }
      - rateLimit: { limit: 5, burst: 2, per: 10s, key: jwt.sub }
      - requestHeaders: { set: { x-user: "{jwt.sub}", x-api-key: "\${KEY}", x-zone: "\${ZONE}" }, remove: [x-internal] }
      - responseHeaders: { set: { x-served-by: windrose } }
    backends: [{ service: a, weight: 3, subset: { v: "1" } }, { service: b, weight: 1 }, { service: c, weight: 0 }]
    timeouts: { request: 9s, backendRequest: 3s }
    retry: { attempts: 2, on: [connect-failure, "503"] }
  - name: remote
    match: [{ path: { value: /remote } }]
    filters: [{ jwt: { provider: remote } }]
    backends: [{ service: a }]
  - name: limited
    match: [{ path: { value: /limited } }]
    filters: [{ rateLimit: { limit: 1, per: 1s, key: header.x-api-key } }, { rateLimit: { limit: 1, per: 1s, key: header.x-tenant, dryRun: true } }]
    backends: [{ service: dead }]
  - name: secret
    match: [{ path: { value: /secret }, headers: [{ name: x-magic, value: "\${KEY}" }] }]
    backends: [{ service: a }]
  - name: old
    match: [{ path: { value: /old } }]
    filters: [{ redirect: { hostname: new.example, statusCode: 301 } }]
services:
  - { name: a, endpoints: { static: [{ address: "10.1.1.1:80", zone: z, weight: 2, labels: { v: "1" } }, { address: "[fd00::1]:80" }] } }
  - { name: b, balance: { algorithm: ringHash, hashOn: { cookie: sid } }, endpoints: { static: [{ address: "10.1.1.2:80" }] } }
  - { name: c, balance: { algorithm: maglev, hashOn: { path: true } }, endpoints: { static: [{ address: "10.1.1.3:80" }] } }
  - { name: dead, endpoints: { static: [{ address: "10.1.1.4:80", weight: 0 }] } }
providers:
  jwt:
    - { name: main, issuer: "https://id.test", audiences: [api], algorithms: [ES256], jwks: { inline: JWKS } }
    - { name: remote, issuer: "https://id.test", algorithms: [ES256], jwks: { uri: "https://id.test/jwks" } }
`;
const ENV = { KEY: "very-secret-key", ZONE: "zone-from-variable" };

let yaml: string;
let sign: (claims: Record<string, unknown>) => Promise<string>;

before(async () => {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  yaml = YAML.replace("JWKS", JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "k", alg: "ES256" }] }));
  sign = (claims) =>
    new SignJWT({ iss: "https://id.test", aud: "api", sub: "alice", scope: "read", ...claims })
      .setProtectedHeader({ alg: "ES256", kid: "k" })
      .setExpirationTime("5m")
      .sign(privateKey);
});

function refusal(verdict: ExplainedVerdict): string {
  assert.ok(verdict.type === "refused");
  return `${verdict.status} ${verdict.error}: ${verdict.detail}`;
}

const NOTHING_LIVE: LiveFacts = {
  keys: { current: () => null, refresh: async () => {} },
  endpointStates: async () => () => null,
  endpointsOf: () => [],
};

describe("a simulated request", () => {
  it("is refused before routing as a listener or the proxy would", async () => {
    const sim = simulator(yaml, ENV);
    const cases = [
      ["GET http://h:8080/a%2fb", "400 bad-request: the path holds an encoded slash, backslash or NUL"],
      ["GET http://h:8080/%zz", "400 bad-request: the path holds a malformed percent-encoding"],
      ["GET http://h:8080//x", "400 bad-request: malformed request target"],
      ["GET http://a..b:8080/", "400 bad-request: the Host header is malformed"],
      ["TRACE http://h:8080/", "501 method-not-supported: this method is not supported"],
      ["GET http://other:8081/", "421 host-misdirected: this listener does not serve the requested host"],
      ["TRACE http://h:8082/", "501 method-not-supported: this method is not supported"],
    ] as const;
    for (const [text, expected] of cases) {
      const { explanation } = await examine(sim, text);
      assert.equal(refusal(explanation.verdict), expected, text);
      assert.deepEqual([explanation.route, explanation.candidates], [null, []]);
    }
  });

  it("verifies a token with the keys of the snapshot", async () => {
    const sim = simulator(yaml, ENV);
    const good = await examine(sim, "http://h:8080/orders/1", { jwt: await sign({}) });
    assert.equal(verdictOf(good), "orders proxied");
    assert.equal(good.explanation.filters[0]?.detail, "verified: a token of alice from main");
    for (const [claims, expected] of [
      [{ scope: "write" }, "403 forbidden: the token lacks a scope"],
      [{ aud: "other" }, "401 unauthorized: the token names none of the provider's audiences"],
    ] as const) {
      const { explanation } = await examine(sim, "http://h:8080/orders/1", { jwt: await sign(claims) });
      assert.equal(refusal(explanation.verdict), expected);
      assert.equal(explanation.filters[0]?.verdict, "reply");
      assert.deepEqual(
        explanation.filters.slice(1).map(({ verdict }) => verdict),
        ["not reached", "not reached", "response"],
      );
    }
    const forged = (await sign({})).replace(/.{8}$/, "AAAAAAAA");
    assert.equal(verdictOf(await examine(sim, "http://h:8080/orders/1", { jwt: forged })), "orders refused 401 unauthorized");
    const header = await examine(sim, "http://h:8080/orders/1", { headers: [["Authorization", `Bearer ${await sign({})}`]] });
    assert.equal(verdictOf(header), "orders proxied");
  });

  it("takes plain claims for verified, but not for valid", async () => {
    const sim = simulator(yaml, ENV);
    const with_ = async (claims: Record<string, unknown>) => verdictOf(await examine(sim, "http://h:8080/orders", {}, claims));
    assert.equal(await with_({ sub: "bob", scope: "read" }), "orders proxied");
    assert.equal(await with_({ sub: "bob" }), "orders refused 403 forbidden");
    assert.equal(await with_({ sub: "bob", scope: "read", exp: 1 }), "orders refused 401 unauthorized");
    assert.equal(await with_({ sub: "bob", scope: "read", iss: "https://evil" }), "orders refused 401 unauthorized");
  });

  it("says that keys are fetched at run time, and checks what it can", async () => {
    const sim = simulator(yaml, ENV);
    const { explanation } = await examine(sim, "http://h:8080/remote", { jwt: await sign({}) });
    assert.equal(explanation.verdict.type, "proxied");
    assert.ok(
      explanation.notes.some((note) => note.includes("https://id.test/jwks at run time")),
      explanation.notes.join(),
    );
    const wrong = await examine(sim, "http://h:8080/remote", { jwt: await sign({ iss: "https://evil" }) });
    assert.equal(verdictOf(wrong), "remote refused 401 unauthorized");
    const none = await examine(sim, "http://h:8080/remote");
    assert.match(none.explanation.filters[0]?.detail ?? "", /it would need a token of remote/);
  });

  it("names the limit's key and counts nothing", async () => {
    const sim = simulator(yaml, ENV);
    for (let i = 0; i < 20; i++) {
      const { explanation } = await examine(sim, "http://h:8080/orders", {}, { sub: "bob", scope: "read" });
      assert.equal(explanation.filters[1]?.detail, 'would count jwt.sub "bob" against 5 + 2 per 10s');
    }
    const { explanation } = await examine(sim, "http://h:8080/limited", { headers: [["x-api-key", "very-secret"]], address: "10.9.9.9" });
    assert.equal(explanation.filters[0]?.detail, "would count header.x-api-key [redacted] against 1 per 1s");
    assert.match(explanation.filters[1]?.detail ?? "", /would count address 10\.9\.9\.9, because header\.x-tenant has no value, .*dry run/);
  });

  it("tells what the service receives, where shares go, and which policies hold", async () => {
    const sim = simulator(yaml, ENV);
    const description = {
      headers: [
        ["x-internal", "1"],
        ["x-user", "root"],
      ] as const,
      address: "10.0.0.1",
    };
    const { explanation, decision } = await examine(sim, "POST http://h:8080/a/..//orders?x=1", description, { sub: "bob", scope: "read" });
    assert.equal(explanation.upstream?.target, "/orders?x=1");
    assert.equal(explanation.upstream?.isRewritten, true);
    assert.deepEqual(explanation.upstream?.changes.removed, ["x-internal"]);
    assert.ok(explanation.upstream?.changes.set.some(({ name, value }) => name === "x-user" && value === "bob"));
    assert.deepEqual(
      explanation.backends.map(({ service, sharePercent }) => [service, sharePercent]),
      [
        ["a", 75],
        ["b", 25],
        ["c", 0],
      ],
    );
    assert.deepEqual(explanation.backends[0]?.endpoints, [
      { address: "10.1.1.1:80", weight: 2, zone: "z", labels: { v: "1" }, state: null },
    ]);
    assert.deepEqual(
      explanation.backends.map(({ balance, subset }) => [balance, subset]),
      [
        ["roundRobin", { v: "1" }],
        ["ringHash on cookie sid", null],
        ["maglev on path", null],
      ],
    );
    assert.deepEqual(explanation.policies, {
      requestTimeoutMs: 9_000,
      backendRequestTimeoutMs: 3_000,
      retryAttempts: 2,
      retryOn: ["connect-failure", "503"],
      isIdempotent: false,
    });
    assert.deepEqual(explanation.response?.set.find(({ name }) => name === "x-served-by")?.value, "windrose");
    assert.equal(decision.requestHeaders[decision.requestHeaders.indexOf("x-api-key") + 1], ENV.KEY);
  });

  it("is refused when no backend has an endpoint that takes traffic", async () => {
    const examined = await examine(simulator(yaml, ENV), "http://h:8080/limited");
    assert.equal(verdictOf(examined), "limited refused 503 no-healthy-endpoint");
    assert.ok(examined.explanation.notes.some((note) => note.includes("service dead has no endpoint")));
  });

  it("shows a filter's own answer", async () => {
    const { explanation } = await examine(simulator(yaml, ENV), "http://h:8080/old/x?y");
    assert.ok(explanation.verdict.type === "reply");
    assert.deepEqual(explanation.verdict.headers, [{ name: "location", value: "http://new.example:8080/old/x?y" }]);
    assert.equal(explanation.filters[0]?.detail, "301 to http://new.example:8080/old/x?y");
  });

  it("gives no secret of the configuration away", async () => {
    const jwt = await sign({});
    const { explanation } = await examine(simulator(yaml, ENV), "http://h:8080/orders", { jwt });
    const text = JSON.stringify(explanation);
    assert.ok(!text.includes(ENV.KEY) && !text.includes(jwt));
    assert.ok(text.includes(ENV.ZONE), "whoever has the configuration may see plain values");
    for (const path of ["orders", "secret"]) {
      const live = await explain(
        compile(yaml, ENV),
        { request: `http://h:8080/${path}`, jwt, headers: [["x-magic", "guess"]] },
        NOTHING_LIVE,
      );
      assert.ok(live.result === "explained");
      assert.equal(live.explanation.route?.name ?? null, path === "orders" ? "orders" : null);
      for (const secret of [...Object.values(ENV), jwt]) assert.ok(!JSON.stringify(live).includes(secret), secret);
    }
  });

  it("repeats no secret that a route matches", async () => {
    const keyed = yaml
      .replace("name: x-magic,", "name: x-api-key,")
      .replace("{ value: /secret }", "{ value: /secret }, queryParams: [{ name: q, value: v }]");
    const { explanation } = await examine(simulator(keyed, ENV), "http://h:8080/secret", { headers: [["x-api-key", "guess"]] });
    assert.deepEqual(
      explanation.candidates.filter(({ name }) => name === "secret").map(({ reason }) => reason),
      ["header x-api-key is not what the configuration says"],
    );
    const plain = await examine(simulator(yaml, ENV), "http://h:8080/secret", { headers: [["x-magic", "guess"]] });
    assert.ok(plain.explanation.candidates.some(({ reason }) => reason === `header x-magic is not "${ENV.KEY}"`));
  });

  it("explains for a gateway that runs: states of endpoints, and what is wrong with a question", async () => {
    const snapshot = compile(yaml, ENV);
    const answer = await explain(
      snapshot,
      { request: "http://h:8080/remote", jwt: await sign({}) },
      {
        ...NOTHING_LIVE,
        endpointsOf: (name) => staticEndpointsOf(snapshot.services.find((service) => service.name === name)!.endpoints),
        endpointStates: async (services) => {
          assert.ok(services.includes("a"));
          return (service, endpoint) => (service === "a" && endpoint === "10.1.1.1:80" ? "healthy" : null);
        },
      },
    );
    assert.ok(answer.result === "explained");
    assert.deepEqual(
      answer.explanation.backends[0]?.endpoints.map(({ state }) => state),
      ["healthy", null],
    );
    assert.deepEqual(JSON.parse(JSON.stringify(answer.explanation)), answer.explanation, "plain data");
    assert.deepEqual(await explain(snapshot, { request: "nonsense" }, NOTHING_LIVE), {
      result: "invalid",
      message: "request is not a method and an absolute URL, such as GET https://api.example.com/orders/1",
    });
    assert.equal((await explain(snapshot, { request: "https://h/" }, NOTHING_LIVE)).result, "invalid");
  });

  it("keeps requests that are explained at once apart", async () => {
    const sim = simulator(yaml, ENV);
    const names = Array.from({ length: 20 }, (_, i) => `user${i}`);
    const tokens = await Promise.all(names.map((sub) => sign({ sub })));
    const all = await Promise.all(tokens.map((jwt) => examine(sim, "http://h:8080/orders", { jwt })));
    assert.deepEqual(
      all.map(({ explanation }) => explanation.filters[1]?.detail),
      names.map((name) => `would count jwt.sub "${name}" against 5 + 2 per 10s`),
    );
  });
});
