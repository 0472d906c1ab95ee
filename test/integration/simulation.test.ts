/**
 * The simulation against the gateway itself: what `explain` and `decide` say of a request is what a running gateway does
 * with it, byte for byte where a service or a client can see it.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { parseConfig } from "../../src/config/index.js";
import { readDescription } from "../../src/control/simulation/described-request.js";
import { createSimulator, type Simulator } from "../../src/control/simulation/simulator.js";
import { chooseBackend } from "../../src/engine/routing/choose-backend.js";
import { logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { connectRaw } from "../support/raw-socket.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

function document(address: string, jwks: unknown): string {
  return `
listeners:
  - { name: uws, bind: "127.0.0.1:0", protocol: http, hostnames: [api.example, "*.wild.example"], trustedProxies: [127.0.0.1] }
  - { name: wire, bind: "127.0.0.1:0", protocol: h2c }
routes:
  - name: token
    match: [{ path: { value: /token } }]
    filters:
      - jwt: { provider: main, claimsToHeaders: [{ claim: tenant, header: x-tenant }], forwardToken: false }
      - rateLimit: { limit: 1000, per: 1m, key: jwt.sub }
      - requestHeaders: { set: { x-user: "{jwt.sub}", x-path: "{request.path}" }, add: { x-more: "{client.ip}" }, remove: [x-internal] }
    backends: [{ service: app, weight: 2 }, { service: app }]
  - name: exact
    match: [{ path: { type: Exact, value: /exact } }]
    filters: [{ respond: { status: 201, body: "you asked for {request.path}", headers: { x-a: "{request.header.x-b}" } } }]
  - name: beta
    match: [{ path: { value: /app }, headers: [{ name: x-beta, value: "1" }] }, { path: { value: /app }, queryParams: [{ name: beta, value: "1" }] }]
    filters: [{ responseHeaders: { set: { x-beta: "yes" } } }]
    backends: [{ service: app }]
  - name: posts
    match: [{ path: { value: /app }, methods: [POST, PUT] }]
    backends: [{ service: app }]
  - name: wild
    hostnames: ["*.wild.example"]
    filters: [{ redirect: { scheme: https, path: { type: ReplacePrefixMatch, value: /moved } } }]
  - name: app
    match: [{ path: { value: /app } }]
    backends: [{ service: app }]
  - name: nowhere
    match: [{ path: { value: /nowhere } }]
    backends: [{ service: app, weight: 0 }]
services: [{ name: app, endpoints: { static: [{ address: "${address}" }] } }]
providers: { jwt: [{ name: main, issuer: "https://id.test", algorithms: [ES256], jwks: { inline: ${JSON.stringify(jwks)} } }] }
admin: { bind: "127.0.0.1:0" }
workers: 1
`;
}

interface Asked {
  readonly listener: "uws" | "wire";
  readonly method: string;
  readonly host: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
}

/** What the gateway did: its answer, and what the service saw. */
interface Observed {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly received: string | null;
}

describe("the simulation", () => {
  let upstream: HttpUpstream;
  let gateway: Gateway;
  let simulator: Simulator;
  let token: string;

  before(async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256");
    upstream = await startHttpUpstream((_request, response) => response.writeHead(200).end());
    const yaml = document(upstream.address, { keys: [{ ...(await exportJWK(publicKey)), kid: "k", alg: "ES256" }] });
    const result = parseConfig(yaml, "windrose.yaml");
    assert.ok(result.ok);
    simulator = createSimulator(result.snapshot);
    gateway = await startGateway(yaml);
    const jwt = new SignJWT({ iss: "https://id.test", sub: "alice", tenant: "blue" });
    token = await jwt.setProtectedHeader({ alg: "ES256", kid: "k" }).setExpirationTime("5m").sign(privateKey);
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  async function ask({ listener, method, host, target, headers }: Asked): Promise<Observed> {
    const seen = upstream.requests.length;
    const socket = await connectRaw({ port: gateway.port(listener) });
    try {
      const fields = [["host", host], ["connection", "close"], ...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
      socket.send(`${method} ${target} HTTP/1.1\r\n${fields}\r\n`);
      const text = await socket.untilClosed();
      const [head = ""] = text.split("\r\n\r\n", 1);
      const [statusLine = "", ...lines] = head.split("\r\n");
      const answered = new Map(
        lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
      );
      const [request, ...others] = upstream.requests.slice(seen);
      assert.deepEqual(others, []);
      return {
        status: Number(statusLine.split(" ")[1]),
        headers: answered,
        received: request === undefined ? null : receivedText(request),
      };
    } finally {
      socket.destroy();
    }
  }

  const FLEETING = new Set(["x-request-id", "via", "connection", "host", "content-length", "transfer-encoding", "keep-alive"]);

  function receivedText({ method, target, rawHeaders }: HttpUpstream["requests"][number]): string {
    return fieldsText(`${method} ${target}`, rawHeaders);
  }

  function fieldsText(line: string, list: readonly string[]): string {
    const fields: string[] = [];
    for (let i = 0; i < list.length; i += 2) {
      const name = (list[i] as string).toLowerCase();
      if (!FLEETING.has(name)) fields.push(`${name}: ${list[i + 1]}`);
    }
    return [line, ...fields.sort()].join("\n");
  }

  /** Explains, decides, asks the gateway, and compares all three. */
  async function compare(asked: Asked): Promise<string> {
    const { listener, method, host, target, headers } = asked;
    const described = readDescription({ request: `${method} http://${host}${target}`, headers, address: "127.0.0.1", listener });
    assert.ok(described.ok);
    const examined = await simulator.examine(described.request);
    const decided = await simulator.decide(described.request);
    assert.ok(typeof examined !== "string" && typeof decided !== "string");
    const { explanation, decision } = examined;
    const what = `${method} ${host} ${target} on ${listener}: ${JSON.stringify(explanation.verdict)}`;
    assert.deepEqual(
      { ...decided, requestHeaders: sorted(decided.requestHeaders) },
      { ...decision, requestHeaders: sorted(decision.requestHeaders) },
      what,
    );
    assert.equal(explanation.route?.name ?? "", decision.route, what);
    assert.equal(explanation.candidates.find(({ outcome }) => outcome === "matched")?.name ?? "", decision.route, what);
    const observed = await ask(asked);
    if (decision.verdict === "proxied") {
      assert.equal(observed.status, 200, what);
      assert.equal(observed.received, fieldsText(decision.target.replace(/ \S+ /, " "), decision.requestHeaders), what);
    } else {
      assert.equal(observed.received, null, what);
      assert.equal(observed.status, decision.status, what);
    }
    for (let i = 0; i < decision.responseHeaders.length; i += 2) {
      assert.equal(observed.headers.get(decision.responseHeaders[i] as string), decision.responseHeaders[i + 1], what);
    }
    expectedLines.push([decision.route, decision.error]);
    return `${decision.route || "-"} ${decision.verdict} ${decision.status}`;
  }
  const expectedLines: [route: string, error: string][] = [];

  /** One line per request, in their order: each was answered before the next was sent. */
  async function compareLog(): Promise<void> {
    const lines = await eventually(() => {
      const written = logLines(gateway.stdout());
      return written.length >= expectedLines.length ? written : null;
    }, "all lines in the log");
    assert.deepEqual(
      lines.map(({ route, error }) => [route, error]),
      expectedLines,
    );
  }

  function sorted(headers: readonly string[]): string {
    return fieldsText("", headers);
  }

  const bearer = (): readonly [string, string] => ["authorization", `Bearer ${token}`];

  it("is what the gateway does, for a table of requests on both kinds of listener", async () => {
    const table: readonly (readonly [line: string, headers: readonly (readonly [string, string])[], expected: string])[] = [
      ["GET api.example /app/1?x=1", [], "app proxied 0"],
      [
        "GET api.example /app/./a/../b//c",
        [
          ["x-forwarded-for", "198.51.100.7"],
          ["x-request-id", "mine"],
        ],
        "app proxied 0",
      ],
      ["GET api.example /app?beta=1", [], "beta proxied 0"],
      [
        "GET api.example /app",
        [
          ["X-Beta", "1"],
          ["x-app", "a"],
          ["x-app", "b"],
        ],
        "beta proxied 0",
      ],
      [
        "GET api.example /app",
        [
          ["x-beta", "1"],
          ["connection", "x-beta"],
        ],
        "app proxied 0",
      ],
      ["GET api.example /application", [], "- refused 404"],
      [
        "DELETE api.example /app",
        [
          ["te", "trailers"],
          ["proxy-authorization", "x"],
        ],
        "app proxied 0",
      ],
      ["GET api.example /token/1", [bearer(), ["x-user", "root"], ["x-internal", "1"], ["x-tenant", "red"]], "token proxied 0"],
      ["GET api.example /token", [["authorization", "Bearer nonsense"]], "token refused 401"],
      ["GET api.example /token", [], "token refused 401"],
      ["GET api.example /%74oken", [], "token refused 401"],
      ["GET api.example /exact", [["x-b", "c"]], "exact reply 201"],
      ["GET api.example /exact/", [], "- refused 404"],
      ["GET a.wild.example /app/x?y=1", [], "wild reply 302"],
      ["GET api.example /nowhere", [], "nowhere refused 503"],
      ["GET api.example /a%2fb", [], "- refused 400"],
      ["GET api.example /a%5cb", [], "- refused 400"],
      ["GET api.example /%", [], "- refused 400"],
      ["BREW_ api.example /app", [], "- refused 501"],
      ["GET API.Example.:80 /app", [], "app proxied 0"],
    ];
    for (const [line, headers, expected] of table) {
      const [method = "", host = "", target = ""] = line.split(" ");
      for (const listener of ["uws", "wire"] as const)
        assert.equal(await compare({ listener, method, host, target, headers }), expected, line);
    }
    assert.equal(await compare({ listener: "uws", method: "GET", host: "other.example", target: "/app", headers: [] }), "- refused 421");
    assert.equal(await compare({ listener: "wire", method: "GET", host: "other.example", target: "/app", headers: [] }), "app proxied 0");
    assert.equal(
      await compare({ listener: "uws", method: "GET", host: "api.example", target: "/app", headers: [["x_odd", "1"]] }),
      "- refused 400",
    );
    await compareLog();
  });

  it("is what the gateway does, for requests that nobody has thought of", async () => {
    const segment = fc.constantFrom(
      "app",
      "token",
      "exact",
      "nowhere",
      "..",
      ".",
      "",
      "%61pp",
      "%2e%2e",
      "%2F",
      "a%zz",
      "x",
      "~",
      "%7e",
      "APP",
    );
    const requests = fc.record({
      listener: fc.constantFrom("uws", "wire"),
      method: fc.constantFrom("GET", "HEAD", "DELETE", "OPTIONS", "PATCH"),
      host: fc.constantFrom("api.example", "x.wild.example", "wild.example", "API.EXAMPLE:1234", "other.example", "1.2.3.4", "a..b"),
      target: fc
        .tuple(fc.array(segment, { minLength: 1, maxLength: 4 }), fc.constantFrom("", "?", "?beta=1", "?beta=%31&x", "?x=%"))
        .map(([segments, query]) => `/${segments.join("/")}${query}`),
      headers: fc.array(
        fc.constantFrom<readonly [string, string]>(
          ["x-beta", "1"],
          ["x-beta", "0"],
          ["authorization", "Bearer x"],
          ["x-forwarded-for", "10.1.1.1, 198.51.100.9"],
          ["forwarded", "for=1"],
          ["accept", "text/html"],
        ),
        { maxLength: 3 },
      ),
    });
    await fc.assert(
      fc.asyncProperty(requests, async (asked) => void (await compare(asked))),
      { numRuns: 150 },
    );
  });

  it("gives the shares that choices by weight give", async () => {
    const described = readDescription({ request: "http://api.example/token", listener: "uws" }, { sub: "bob" });
    assert.ok(described.ok);
    const decision = await simulator.decide(described.request);
    assert.ok(typeof decision !== "string");
    const counts = decision.backends.map(() => 0);
    const steps = 3_000;
    for (let i = 0; i < steps; i++) {
      const chosen = chooseBackend(decision.backends, (i + 0.5) / steps);
      counts[chosen] = (counts[chosen] ?? 0) + 1;
    }
    decision.backends.forEach(({ sharePercent }, index) => {
      assert.ok(Math.abs(((counts[index] ?? 0) / steps) * 100 - sharePercent) < 0.1);
    });
  });
});
