import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT, UnsecuredJWT } from "jose";
import { fetchOnce } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { type HttpUpstream, startHttpUpstream } from "../support/upstream.js";

interface Signer {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

async function signer(kid: string): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair("RS256");
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" } };
}

function token({ kid, privateKey }: Signer, claims: Record<string, unknown> = {}, expires = "5m"): Promise<string> {
  const jwt = new SignJWT({ iss: "https://id.test", aud: "api", sub: "alice", tenant: "blue", ...claims });
  return jwt.setProtectedHeader({ alg: "RS256", kid }).setIssuedAt().setExpirationTime(expires).sign(privateKey);
}

describe("a route with jwt, keys by URI", () => {
  let first: Signer;
  let second: Signer;
  let published: JWK[];
  let issuer: HttpUpstream;
  let upstream: HttpUpstream;
  let gateway: Gateway;

  before(async () => {
    [first, second] = [await signer("one"), await signer("two")];
    published = [first.jwk];
    issuer = await startHttpUpstream((_request, response) => response.end(JSON.stringify({ keys: published })));
    upstream = await startHttpUpstream();
    gateway = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]
routes:
  - name: orders
    match: [{ path: { type: PathPrefix, value: /orders } }]
    filters:
      - jwt: { provider: main, claimsToHeaders: [{ claim: tenant, header: x-tenant }] }
      - requestHeaders: { set: { x-user: "{jwt.sub}" } }
    backends: [{ service: app }]
  - name: dark
    match: [{ path: { type: PathPrefix, value: /dark } }]
    filters: [{ jwt: { provider: unreachable } }]
    backends: [{ service: app }]
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
providers:
  jwt:
    - { name: main, issuer: "https://id.test", audiences: [api], jwks: { uri: "http://${issuer.address}/jwks", cooldown: 1s } }
    - { name: unreachable, issuer: "https://id.test", audiences: [api], jwks: { uri: "http://127.0.0.1:9/jwks" } }
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
    await issuer?.close();
  });

  const call = (authorization?: string, path = "/orders/1", extra: Record<string, string> = {}) =>
    fetchOnce(`http://127.0.0.1:${gateway.port("public")}${path}`, {
      headers: { ...(authorization === undefined ? {} : { authorization }), ...extra },
    });

  it("lets a good token through, twice, and tells the service who it is", async () => {
    const good = await token(first);
    for (let i = 0; i < 2; i++)
      assert.equal((await call(`Bearer ${good}`, "/orders/1", { "x-user": "root", "x-tenant": "red" })).status, 200);
    const { headers } = upstream.requests.at(-1) ?? assert.fail("nothing arrived");
    assert.equal(headers["x-user"], "alice");
    assert.equal(headers["x-tenant"], "blue");
  });

  it("answers 401 with a challenge, and nothing reaches the service", async () => {
    const before = upstream.requests.length;
    const good = await token(first);
    const forged = `${good.slice(0, -8)}AAAAAAAA`;
    const bad = [
      undefined,
      "Basic YTpi",
      "Bearer",
      "Bearer nonsense",
      `Bearer ${forged}`,
      `Bearer ${await token(first, {}, "-5m")}`,
      `Bearer ${await token(first, { iss: "https://evil.test" })}`,
      `Bearer ${await token(first, { aud: "other" })}`,
      `Bearer ${new UnsecuredJWT({ iss: "https://id.test", aud: "api", sub: "alice" }).setExpirationTime("5m").encode()}`,
    ];
    for (const authorization of bad) {
      const { status, headers, text } = await call(authorization);
      assert.equal(status, 401, authorization);
      assert.match(String(headers["www-authenticate"]), /^Bearer/);
      assert.doesNotMatch(text, /eyJ/);
    }
    assert.equal(upstream.requests.length, before);
    assert.doesNotMatch(gateway.stdout() + gateway.stderr(), /eyJ/);
  });

  it("fetches the keys again for an unknown key id, once, and then accepts or refuses", async () => {
    published = [first.jwk, second.jwk];
    const rotated = await token(second);
    await eventually(async () => (await call(`Bearer ${rotated}`)).status === 200, "the rotated key is accepted");
    const fetches = issuer.requests.length;
    const stranger = await token(await signer("three"));
    for (let i = 0; i < 5; i++) assert.equal((await call(`Bearer ${stranger}`)).status, 401);
    assert.ok(issuer.requests.length - fetches <= 1, `${issuer.requests.length - fetches} fetches`);
  });

  it("answers 503, not 200 and not 401, when there have never been keys", async () => {
    const { status, text } = await call(`Bearer ${await token(first)}`, "/dark");
    assert.equal(status, 503);
    assert.equal(JSON.parse(text).code, "key-set-unavailable");
  });

  it("keeps the last keys when their source is gone", async () => {
    await issuer.close();
    assert.equal((await call(`Bearer ${await token(first, { sub: "bob" })}`)).status, 200);
  });
});
