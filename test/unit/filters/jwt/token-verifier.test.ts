import assert from "node:assert/strict";
import { test } from "node:test";
import { createTokenVerifiers } from "../../../../src/filters/jwt/token-verifiers.js";
import { CLAIMS, createKey, createProvider, createVerifier, describe, NOW, NOW_MS, sign, TestKeySource } from "./issuer.js";

const rsa = await createKey("RS256");
const ecdsa = await createKey("ES256");

const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"];

for (const alg of ALGORITHMS) {
  test(`${alg}: a token is accepted with its key and refused with another one or a changed letter`, async () => {
    const key = await createKey(alg, "one");
    const other = await createKey(alg, "one-other");
    const token = await sign(key);
    const { outcome } = createVerifier([key.jwk], { algorithms: [alg] });
    assert.equal(await outcome(token), "ok");
    assert.equal(await createVerifier([{ ...other.jwk, kid: "one" }], { algorithms: [alg] }).outcome(token), "signature");
    assert.equal(await createVerifier([key.jwk], { algorithms: ["XX"] }).outcome(token), "algorithm");
    const [header, , signature] = token.split(".") as [string, string, string];
    const forged = Buffer.from(JSON.stringify({ ...CLAIMS, sub: "root" })).toString("base64url");
    assert.equal(await outcome(`${header}.${forged}.${signature}`), "signature");
  });
}

test("EdDSA keys verify tokens that say Ed25519 and the other way round", async () => {
  const key = await createKey("EdDSA", "ed");
  const { outcome } = createVerifier([key.jwk], { algorithms: ["EdDSA", "Ed25519"] });
  assert.equal(await outcome(await sign(key, CLAIMS, { alg: "Ed25519" })), "ok");
});

test("a verified token gives its principal, at once the second time", async () => {
  const { verifier } = createVerifier([rsa.jwk]);
  const token = await sign(rsa, { ...CLAIMS, tenant: "t1" });
  const first = await verifier.verify(token);
  assert.ok(first.ok);
  assert.deepEqual([first.principal.provider, first.principal.subject, first.principal.claims.tenant], ["main", "ann", "t1"]);
  assert.equal(verifier.verify(token), first);
});

test("claims that do not fit are refused, with the clock skew allowed for", async () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ ...CLAIMS, exp: NOW - 9 }, "ok"],
    [{ ...CLAIMS, exp: NOW - 10 }, "expired"],
    [{ ...CLAIMS, exp: "soon" }, "malformed"],
    [{ ...CLAIMS, exp: null }, "malformed"],
    [{ ...CLAIMS, nbf: NOW + 10 }, "ok"],
    [{ ...CLAIMS, nbf: NOW + 11 }, "not-yet-valid"],
    [{ ...CLAIMS, iat: NOW + 11 }, "not-yet-valid"],
    [{ ...CLAIMS, iat: "2030" }, "malformed"],
    [{ ...CLAIMS, iss: "https://evil.example" }, "issuer"],
    [{ ...CLAIMS, iss: undefined }, "issuer"],
    [{ ...CLAIMS, iss: ["https://id.example.com"] }, "issuer"],
    [{ ...CLAIMS, aud: "someone" }, "audience"],
    [{ ...CLAIMS, aud: undefined }, "audience"],
    [{ ...CLAIMS, aud: ["x", "other"] }, "ok"],
    [{ ...CLAIMS, aud: { api: true } }, "audience"],
    [{ ...CLAIMS, sub: 7 }, "malformed"],
  ];
  const { outcome } = createVerifier([rsa.jwk]);
  for (const [claims, expected] of cases) assert.equal(await outcome(await sign(rsa, claims)), expected, JSON.stringify(claims));
  const unchecked = createVerifier([rsa.jwk], { issuer: "", audiences: [] });
  assert.equal(await unchecked.outcome(await sign(rsa, { exp: NOW + 1 })), "ok");
});

test("a cached token stops being accepted when it expires", async () => {
  const { outcome, clock } = createVerifier([rsa.jwk]);
  const token = await sign(rsa);
  assert.equal(await outcome(token), "ok");
  clock.nowMs = NOW_MS + 309_999;
  assert.equal(await outcome(token), "ok");
  clock.nowMs = NOW_MS + 310_000;
  assert.equal(await outcome(token), "expired");
});

test("a new key set makes cached results void", async () => {
  const { outcome, keys, verifier } = createVerifier([rsa.jwk]);
  const token = await sign(rsa);
  const toCome = await sign(ecdsa, CLAIMS, { kid: "rs256" });
  assert.equal(await outcome(token), "ok");
  assert.equal(await outcome(toCome), "signature");
  keys.push([{ ...ecdsa.jwk, kid: "rs256" }]);
  assert.equal(await outcome(token), "signature");
  assert.equal(await outcome(toCome), "ok");
  assert.equal(verifier.cachedTokens, 1);
});

test("a verification that was under way when the keys changed leaves nothing behind", async () => {
  const { verifier, outcome, keys } = createVerifier([rsa.jwk]);
  const withdrawn = await sign(rsa);
  const forged = await sign(ecdsa, CLAIMS, { kid: "rs256" });
  const underWay = [verifier.verify(withdrawn), verifier.verify(forged)];
  keys.push([{ ...ecdsa.jwk, kid: "rs256" }]);
  assert.equal(await outcome(await sign(ecdsa, { ...CLAIMS, sub: "x" }, { kid: "rs256" })), "ok");
  await Promise.all(underWay);
  assert.equal(await outcome(withdrawn), "signature");
  assert.equal(await outcome(forged), "ok");
});

test("without a key set nothing is accepted, and it is not the caller's fault", async () => {
  const { outcome, keys } = createVerifier(null);
  const token = await sign(rsa);
  assert.equal(await outcome(token), "keys-unavailable");
  keys.push([]);
  assert.equal(await outcome(token), "keys-unavailable");
  keys.push([rsa.jwk]);
  assert.equal(await outcome(token), "ok");
});

test("an unknown key leads to one refresh, after which the new key is used", async () => {
  const { verifier, outcome, keys } = createVerifier([rsa.jwk]);
  const token = await sign(ecdsa, CLAIMS, { kid: "new" });
  keys.onRefresh = () => keys.push([rsa.jwk, { ...ecdsa.jwk, kid: "new" }]);
  const results = await Promise.all([verifier.verify(token), verifier.verify(token), outcome(token)]);
  assert.deepEqual(
    results.map((result) => (typeof result === "string" ? result : describe(result))),
    ["ok", "ok", "ok"],
  );
  assert.deepEqual(keys.refreshed, ["new"]);
});

test("a flood of unknown keys does not become a flood of refreshes", async () => {
  const { outcome, keys, clock } = createVerifier([rsa.jwk]);
  const tokens = await Promise.all(["a", "b", "c", "d"].map((kid) => sign(ecdsa, CLAIMS, { kid })));
  assert.deepEqual(await Promise.all(tokens.map(outcome)), Array(4).fill("unknown-key"));
  assert.deepEqual(await Promise.all(tokens.map(outcome)), Array(4).fill("unknown-key"));
  assert.equal(keys.refreshed.length, 1);
  clock.nowMs += 1_000;
  await outcome(tokens[0] as string);
  assert.equal(keys.refreshed.length, 2);
});

test("a refresh that fails leaves the token unknown", async () => {
  const { outcome, keys } = createVerifier([rsa.jwk]);
  keys.onRefresh = () => Promise.reject(new Error("gone"));
  assert.equal(await outcome(await sign(ecdsa)), "unknown-key");
});

test("keys written in the document are never refreshed", async () => {
  const { outcome, keys } = createVerifier([rsa.jwk], { keys: { type: "fixed", jwks: { keys: [] } } });
  assert.equal(await outcome(await sign(ecdsa)), "unknown-key");
  assert.deepEqual(keys.refreshed, []);
});

test("a token without a key id is tried with at most four keys that fit", async () => {
  const others = await Promise.all([1, 2, 3, 4].map((n) => createKey("ES256", `k${n}`)));
  const token = await sign(ecdsa, CLAIMS, { kid: undefined });
  const jwks = others.map((key) => key.jwk);
  assert.equal(await createVerifier([rsa.jwk, ...jwks.slice(0, 3), ecdsa.jwk]).outcome(token), "ok");
  assert.equal(await createVerifier([...jwks, ecdsa.jwk]).outcome(token), "signature");
});

test("requests with the same new token share one verification", async () => {
  const { verifier } = createVerifier([rsa.jwk]);
  const token = await sign(rsa);
  const first = verifier.verify(token);
  assert.ok(first instanceof Promise);
  assert.equal(verifier.verify(token), first);
  assert.equal((await first).ok, true);
});

test("the cache of verified tokens is bounded", async () => {
  const { verifier, outcome } = createVerifier([ecdsa.jwk], {}, 20);
  for (let i = 0; i < 60; i++) assert.equal(await outcome(await sign(ecdsa, { ...CLAIMS, sub: `u${i}` })), "ok");
  assert.ok(verifier.cachedTokens <= 20, String(verifier.cachedTokens));
  assert.ok(verifier.cachedTokens >= 10, String(verifier.cachedTokens));
});

test("a provider keeps its verifier over reloads until its settings change", () => {
  const ports = { keys: new TestKeySource([rsa.jwk]), now: () => NOW_MS, warn: () => {} };
  const verifiers = createTokenVerifiers(ports);
  const first = verifiers.of(createProvider());
  assert.equal(verifiers.of(createProvider()), first);
  assert.notEqual(verifiers.of(createProvider({ issuer: "https://new.example" })), first);
});
