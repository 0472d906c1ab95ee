import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { createKeySets, type Jwks, type KeySets } from "../../../src/control/key-sets.js";
import type { JwtProviderSpec } from "../../../src/engine/model/snapshot.js";
import { altNameFor, createKeyPair, selfSign } from "../../../src/identity/x509.js";

const pair = await generateKeyPair("RS256", { extractable: true });
const RSA = { ...(await exportJWK(pair.publicKey)), kid: "r1", alg: "RS256", use: "sig" };
const RSA_PRIVATE = { ...(await exportJWK(pair.privateKey)), kid: "r1", alg: "RS256", use: "sig" };
const SECRET = { kty: "oct", k: "c2VjcmV0", kid: "h1" };

interface Issuer {
  readonly uri: string;
  requests: number;
  answer: (request: IncomingMessage, response: ServerResponse) => void;
}

const open: (Pick<Server, "close" | "closeAllConnections"> | KeySets)[] = [];
after(() => {
  for (const item of open) {
    if ("stop" in item) item.stop();
    else {
      item.closeAllConnections();
      item.close();
    }
  }
});

async function startIssuer(keys: readonly JWK[] = [RSA]): Promise<Issuer> {
  const server = createServer((request, response) => {
    issuer.requests++;
    issuer.answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(server);
  const issuer: Issuer = {
    uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks?secret=1`,
    requests: 0,
    answer: serve(keys),
  };
  return issuer;
}

function serve(keys: readonly object[], headers: Record<string, string> = {}) {
  return (_request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { "content-type": "application/json", ...headers }).end(JSON.stringify({ keys }));
  };
}

function provider(
  uri: string,
  timing: { refreshMs?: number; cooldownMs?: number; timeoutMs?: number } = {},
  algorithms = ["RS256"],
): JwtProviderSpec {
  return {
    name: "main",
    issuer: "",
    audiences: [],
    algorithms,
    clockSkewMs: 0,
    keys: { type: "uri", uri, refreshMs: 600_000, cooldownMs: 30_000, timeoutMs: 5_000, caPem: "", ...timing },
  };
}

function fixed(keys: readonly object[], algorithms = ["RS256"]): JwtProviderSpec {
  return {
    ...provider("http://127.0.0.1"),
    algorithms,
    keys: { type: "fixed", jwks: { keys: keys as readonly Record<string, unknown>[] } },
  };
}

interface Followed {
  readonly sets: KeySets;
  readonly updates: { version: number; jwks: Jwks }[];
  readonly logs: string[];
}

function follow(...providers: JwtProviderSpec[]): Followed {
  const updates: { version: number; jwks: Jwks }[] = [];
  const logs: string[] = [];
  const sets = createKeySets(providers, {
    onUpdate: (_provider, version, jwks) => updates.push({ version, jwks }),
    log: (message) => logs.push(message),
  });
  open.push(sets);
  return { sets, updates, logs };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `waited too long until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const kids = (jwks: Jwks | undefined) => jwks?.keys.map((key) => key.kid);

test("keys are fetched at the start and pushed once", async () => {
  const issuer = await startIssuer();
  const { sets, updates } = follow(provider(issuer.uri));
  assert.equal(sets.current("main"), null);
  await sets.start();
  assert.deepEqual(updates, [{ version: 1, jwks: { keys: [RSA] } }]);
  assert.deepEqual(sets.current("main"), updates[0]);
  assert.equal(sets.current("other"), null);
});

test("rotation: an unknown key's refresh brings the new keys, at most once per cooldown", async () => {
  const issuer = await startIssuer();
  const { sets, updates } = follow(provider(issuer.uri));
  await sets.start();
  issuer.answer = serve([RSA, { ...RSA, kid: "r2" }]);
  await Promise.all([sets.refresh("main"), sets.refresh("main"), sets.refresh("main")]);
  assert.deepEqual(kids(sets.current("main")?.jwks), ["r1", "r2"]);
  assert.equal(sets.current("main")?.version, 2);
  issuer.answer = serve([{ ...RSA, kid: "r3" }]);
  await sets.refresh("main");
  assert.equal(issuer.requests, 2);
  assert.equal(updates.length, 2);
});

test("after the cooldown a refresh fetches again", async () => {
  const issuer = await startIssuer();
  const { sets } = follow(provider(issuer.uri, { cooldownMs: 0 }));
  await sets.start();
  await sets.refresh("main");
  await sets.refresh("main");
  await sets.refresh("nobody");
  assert.equal(issuer.requests, 3);
});

test("a fetch that brings the same keys is no update", async () => {
  const issuer = await startIssuer();
  const { sets, updates } = follow(provider(issuer.uri));
  await sets.start();
  await sets.refresh("main");
  assert.equal(issuer.requests, 2);
  assert.equal(updates.length, 1);
});

test("keys are fetched again after the refresh interval", async () => {
  const issuer = await startIssuer();
  const { sets } = follow(provider(issuer.uri, { refreshMs: 20, cooldownMs: 10 }));
  await sets.start();
  issuer.answer = serve([{ ...RSA, kid: "r2" }]);
  await until(() => sets.current("main")?.version === 2, "the next fetch");
  assert.deepEqual(kids(sets.current("main")?.jwks), ["r2"]);
});

test("Cache-Control decides when to fetch again, between the cooldown and the interval", async () => {
  const cases: [string, number][] = [
    ["public, max-age=300", 300_000],
    ["max-age=1", 30_000],
    ["max-age=86400", 600_000],
    ["no-store", 30_000],
    ["max-age=100, no-cache", 30_000],
    ["private", 600_000],
  ];
  for (const [value, expectedMs] of cases) {
    const issuer = await startIssuer();
    issuer.answer = serve([RSA], { "cache-control": value });
    const { sets } = follow(provider(issuer.uri));
    await sets.start();
    const inMs = (sets.state()[0]?.nextFetchAtMs ?? 0) - Date.now();
    assert.ok(inMs <= expectedMs && inMs >= expectedMs * 0.9 - 5_000, `${value}: ${inMs}`);
    sets.stop();
  }
});

test("answers that are no key set are failures, without quoting them, and the last keys stay", async () => {
  const issuer = await startIssuer();
  const { sets, updates, logs } = follow(provider(issuer.uri, { cooldownMs: 0, timeoutMs: 10_000 }));
  await sets.start();
  const answers: [(request: IncomingMessage, response: ServerResponse) => void, RegExp][] = [
    [(_request, response) => response.writeHead(500).end(), /status 500/],
    [(_request, response) => response.writeHead(302, { location: "/other" }).end(), /status 302/],
    [(_request, response) => response.end("<html>hidden"), /not JSON/],
    [(_request, response) => response.end('{"keys": {}}'), /not a JWK set/],
    [(_request, response) => response.end("null"), /not a JWK set/],
    [(_request, response) => response.end(`{"keys": [], "x": "${"x".repeat(1_100_000)}"}`), /more than 1048576 bytes/],
    [(request) => request.socket.destroy(), /hang up|ECONNRESET/],
  ];
  for (const [answer, expected] of answers) {
    issuer.answer = answer;
    await sets.refresh("main");
    const [state] = sets.state();
    assert.match(state?.lastError ?? "", expected);
    assert.equal(state?.status, "stale");
    assert.ok(!state?.lastError.includes("hidden"));
    assert.ok((state?.nextFetchAtMs ?? 0) > Date.now());
  }
  assert.deepEqual(kids(sets.current("main")?.jwks), ["r1"]);
  assert.equal(updates.length, 1);
  assert.equal(logs.length, 1);
  assert.match(logs[0] ?? "", /cannot be fetched .*the last ones stay in use/);
  issuer.answer = serve([RSA]);
  await sets.refresh("main");
  assert.equal(sets.state()[0]?.status, "ready");
  assert.match(logs[1] ?? "", /fetched again/);
});

test("an issuer that stalls, within its answer or before it, is given up in time and the last keys stay", async () => {
  const issuer = await startIssuer();
  const { sets } = follow(provider(issuer.uri, { cooldownMs: 0, timeoutMs: 1_000 }));
  await sets.start();
  const stalls = [
    (_request: IncomingMessage, response: ServerResponse) => response.writeHead(200, { "content-length": "100" }).write("{"),
    () => {},
  ];
  for (const stall of stalls) {
    issuer.answer = stall;
    await sets.refresh("main");
    assert.match(sets.state()[0]?.lastError ?? "", /within 1000 ms/);
    assert.deepEqual(kids(sets.current("main")?.jwks), ["r1"]);
  }
});

test("a provider that cannot be reached at first is tried again until it can", async () => {
  const issuer = await startIssuer();
  issuer.answer = (_request, response) => response.writeHead(503).end();
  const { sets, logs } = follow(provider(issuer.uri, { refreshMs: 20 }));
  await sets.start();
  assert.equal(sets.current("main"), null);
  assert.equal(sets.state()[0]?.status, "unavailable");
  assert.match(logs[0] ?? "", /503/);
  issuer.answer = serve([RSA]);
  await until(() => sets.current("main") !== null, "the keys are there");
});

test("private members never leave, and secrets only where HMAC is allowed", async () => {
  const ed = { kty: "OKP", crv: "Ed25519", x: "eA", d: "ZA", kid: "e1" };
  const ec = { kty: "EC", crv: "P-256", x: "eA", y: "eQ", d: "ZA", kid: "c1", extra: "x" };
  const odd = [null, 7, "key", {}, { kty: "constructor" }, { kty: "AKP", pub: "x" }];
  const keys = [RSA_PRIVATE, ed, ec, SECRET, ...odd] as object[];
  for (const spec of [fixed(keys), fixed(keys, ["RS256", "HS256"])]) {
    const { sets, updates } = follow(spec);
    await sets.start();
    const pushed = JSON.stringify(updates);
    for (const member of ["d", "p", "q", "dp", "dq", "qi"]) assert.ok(!pushed.includes(`"${member}":`), member);
    assert.ok(!pushed.includes("extra"));
    assert.equal(pushed.includes("c2VjcmV0"), spec.algorithms.includes("HS256"));
    assert.deepEqual(kids(updates[0]?.jwks)?.slice(0, 3), ["r1", "e1", "c1"]);
  }
});

test("keys from the document are pushed at the start and never fetched", async () => {
  const { sets, updates } = follow(fixed([RSA]));
  await sets.start();
  await sets.refresh("main");
  assert.deepEqual(updates, [{ version: 1, jwks: { keys: [RSA] } }]);
  assert.equal(sets.state()[0]?.nextFetchAtMs, 0);
});

test("the admin view holds key ids and no key, no secret and no query", async () => {
  const issuer = await startIssuer([RSA, SECRET]);
  const { sets } = follow(provider(issuer.uri.replace("//", "//user:pass@"), {}, ["HS256", "RS256"]));
  await sets.start();
  const [state] = sets.state();
  assert.equal(state?.uri, issuer.uri.slice(0, issuer.uri.indexOf("?")));
  assert.deepEqual(state?.keyIds, ["r1", "h1"]);
  for (const hidden of ["pass", "secret", "c2VjcmV0", RSA.n as string]) assert.ok(!JSON.stringify(state).includes(hidden));
});

test("a reload keeps the keys of unchanged providers and drops those of a changed source at once", async () => {
  const issuer = await startIssuer();
  const { sets, updates } = follow(provider(issuer.uri));
  await sets.start();
  await change(sets, [{ ...provider(issuer.uri), issuer: "changed" }]);
  assert.equal(issuer.requests, 1);
  assert.equal(updates.length, 1);
  const other = await startIssuer();
  other.answer = (_request, response) => response.writeHead(500).end();
  const prepared = sets.prepare([provider(other.uri)]);
  await prepared.ready;
  assert.equal(updates.length, 1, "nothing changes before it is said");
  assert.notEqual(sets.current("main"), null);
  prepared.commit();
  assert.deepEqual(updates[1], { version: 2, jwks: { keys: [] } });
  assert.equal(sets.current("main"), null);
  await change(sets, []);
  assert.deepEqual(sets.state(), []);
});

test("over TLS the issuer must have a certificate that the configured or the system's roots vouch for", async () => {
  const { privateKey, publicKey } = createKeyPair();
  const [notBefore, notAfter] = [new Date(Date.now() - 60_000), new Date(Date.now() + 3_600_000)];
  const content = { commonName: "issuer", publicKey, usage: "server", notBefore, notAfter, names: [altNameFor("127.0.0.1")] } as const;
  const cert = selfSign(content, privateKey).toString();
  const server = createTlsServer({ cert, key: privateKey.export({ type: "pkcs8", format: "pem" }) }, serve([RSA]));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(server);
  const uri = `https://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  const trusting = provider(uri);
  const { sets } = follow({ ...trusting, keys: { ...trusting.keys, caPem: cert } as JwtProviderSpec["keys"] });
  await sets.start();
  assert.deepEqual(kids(sets.current("main")?.jwks), ["r1"]);
  const distrusting = follow(provider(uri));
  await distrusting.sets.start();
  assert.equal(distrusting.sets.current("main"), null);
  assert.match(distrusting.logs[0] ?? "", /certificate/);
});

test("nothing is fetched after stop", async () => {
  const issuer = await startIssuer();
  const { sets, updates } = follow(provider(issuer.uri, { refreshMs: 10, cooldownMs: 0 }));
  issuer.answer = () => sets.stop();
  await sets.start();
  await sets.refresh("main");
  assert.equal(issuer.requests, 1);
  assert.deepEqual(updates, []);
  assert.equal(sets.state()[0]?.nextFetchAtMs, 0);
});

test("keys of a new source are there when the change is made, and a change that is given up leaves all as it was", async () => {
  const [issuer, other] = [await startIssuer(), await startIssuer([SECRET, RSA])];
  const { sets, updates } = follow(provider(issuer.uri));
  await sets.start();
  const given = sets.prepare([provider(other.uri)]);
  await given.ready;
  given.cancel();
  assert.equal(updates.length, 1);
  await change(sets, [provider(other.uri)]);
  assert.deepEqual(updates[1], { version: 2, jwks: { keys: [RSA] } });
  assert.equal(sets.current("main")?.version, 2);
});

async function change(sets: KeySets, providers: readonly JwtProviderSpec[]): Promise<void> {
  const prepared = sets.prepare(providers);
  await prepared.ready;
  prepared.commit();
}
