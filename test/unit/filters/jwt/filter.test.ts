import assert from "node:assert/strict";
import { test } from "node:test";
import { createJwtFilter } from "../../../../src/filters/jwt/filter.js";
import { schema } from "../../../../src/filters/jwt/schema.js";
import { createTokenVerifiers } from "../../../../src/filters/jwt/token-verifiers.js";
import type { Reply } from "../../../../src/proxy/ports.js";
import { createContext, type TestContext } from "../filter-context.js";
import { CLAIMS, createKey, createProvider, NOW, NOW_MS, sign, TestKeySource } from "./issuer.js";

const key = await createKey("ES256");
const token = await sign(key, { ...CLAIMS, tenant: "t1", scope: "read write", roles: ["a", "b"], evil: "x\r\nx-admin: 1" });

async function run(
  config: Record<string, unknown>,
  headers: string[],
  keys = [key.jwk],
): Promise<{ context: TestContext; reply: Reply | null }> {
  const source = new TestKeySource(keys.length === 0 ? null : keys);
  const tokens = createTokenVerifiers({ keys: source, now: () => NOW_MS, warn: () => {} });
  const filter = createJwtFilter(schema.parse({ provider: "main", ...config }), { tokens, jwtProviders: [createProvider()] });
  const context = createContext({ headers });
  return { context, reply: (await filter.onRequest?.(context)) ?? null };
}

function challenge(reply: Reply | null): string {
  assert.equal(reply?.headers[0], "www-authenticate");
  return reply?.headers[1] ?? "";
}

test("a good token lets the request through with its principal and passes the token on", async () => {
  for (const scheme of ["Bearer", "bearer", "BEARER"]) {
    const { context, reply } = await run({}, ["authorization", `${scheme} ${token}`]);
    assert.equal(reply, null);
    assert.equal(context.principal?.subject, "ann");
    assert.deepEqual(context.request.headers, ["authorization", `${scheme} ${token}`]);
  }
});

test("the token can be kept from the service", async () => {
  const { context } = await run({ forwardToken: false }, ["authorization", `Bearer ${token}`, "accept", "*/*"]);
  assert.deepEqual(context.request.headers, ["accept", "*/*"]);
});

test("no token is a plain challenge, or nothing where none is required", async () => {
  for (const headers of [[], ["authorization", "Basic dTpw"], ["authorization", "Bearertoken"], ["authorization", ""]]) {
    const { reply } = await run({ realm: "shop" }, headers);
    assert.equal(reply?.code, "unauthorized");
    assert.equal(challenge(reply), 'Bearer realm="shop"');
    const optional = await run({ required: false, forwardToken: false }, headers);
    assert.equal(optional.reply, null);
    assert.equal(optional.context.principal, null);
    assert.deepEqual(optional.context.request.headers, headers);
  }
});

test("a bad token is refused also where none is required, and is not echoed", async () => {
  const forged = `${token.slice(0, -8)}AAAAAAAA`;
  const expired = await sign(key, { ...CLAIMS, exp: NOW - 60 });
  const foreign = await sign(key, { ...CLAIMS, iss: "https://evil.example" });
  const cases: [string, RegExp][] = [
    [forged, /not acceptable here/],
    [expired, /has expired/],
    [foreign, /not acceptable here/],
    ["", /malformed/],
    ["abc def", /malformed/],
  ];
  for (const [bad, reason] of cases) {
    const { reply, context } = await run({ required: false }, ["authorization", `Bearer ${bad}`]);
    assert.equal(reply?.code, "unauthorized");
    assert.match(challenge(reply), /^Bearer realm="windrose", error="invalid_token", error_description="[a-z ]+"$/);
    assert.match(challenge(reply), reason);
    assert.equal(context.principal, null);
    if (bad.length > 10) assert.ok(!JSON.stringify(reply).includes(bad.slice(0, 10)));
  }
});

test("wrong issuer, wrong signature and unknown key look the same to the caller, and differ in the log", async () => {
  const other = await createKey("ES256", "other");
  const replies = await Promise.all(
    [
      await sign(key, { ...CLAIMS, iss: "x" }),
      await sign(key, { ...CLAIMS, aud: "x" }),
      await sign({ ...other, kid: key.kid }),
      await sign(other),
    ].map(async (bad) => (await run({}, ["authorization", `Bearer ${bad}`])).reply),
  );
  for (const reply of replies) assert.deepEqual({ ...reply, logDetail: "" }, { ...replies[0], logDetail: "" });
  assert.equal(new Set(replies.map((reply) => reply?.logDetail)).size, 4);
  for (const reply of replies) assert.doesNotMatch(String(reply?.logDetail), /eyJ/);
});

test("several tokens in one request are refused", async () => {
  for (const second of [`Bearer ${token}`, "Basic dTpw", ""]) {
    const { reply } = await run({ required: false }, ["authorization", `Bearer ${token}`, "x-a", "1", "authorization", second]);
    assert.equal(reply?.code, "unauthorized");
    assert.match(challenge(reply), /invalid_request/);
  }
});

test("without keys the answer is 503, not 401 and not 200", async () => {
  const { reply } = await run({}, ["authorization", `Bearer ${token}`], []);
  assert.equal(reply?.code, "key-set-unavailable");
  assert.deepEqual(reply?.headers, []);
});

test("claims become headers, and what the client sent under their names is removed in any spelling", async () => {
  const claimsToHeaders = [
    { claim: "sub", header: "X-User-Id" },
    { claim: "tenant", header: "x-tenant" },
    { claim: "roles", header: "x-roles" },
    { claim: "evil", header: "x-evil" },
    { claim: "missing", header: "x-missing" },
  ];
  const forged = [
    "x-user-id",
    "root",
    "x_user_id",
    "root",
    "x-user_id",
    "root",
    "x-missing",
    "root",
    "x-tenant",
    "a",
    "x-tenant",
    "b",
    "x-evil",
    "e",
  ];
  const { context } = await run({ claimsToHeaders, forwardToken: false }, [...forged, "authorization", `Bearer ${token}`]);
  assert.deepEqual(context.request.headers, ["x-user-id", "ann", "x-tenant", "t1", "x-roles", "a,b"]);
  const optional = await run({ claimsToHeaders, required: false }, [...forged, "accept", "*/*"]);
  assert.deepEqual(optional.context.request.headers, ["accept", "*/*"]);
});

test("a token without exp is refused unless the route says otherwise", async () => {
  const eternal = await sign(key, { ...CLAIMS, exp: undefined });
  const { reply } = await run({}, ["authorization", `Bearer ${eternal}`]);
  assert.match(challenge(reply), /has no expiry/);
  assert.equal((await run({ requireExp: false }, ["authorization", `Bearer ${eternal}`])).reply, null);
});

test("missing scopes are 403 with the scopes that are needed", async () => {
  const headers = ["authorization", `Bearer ${token}`];
  assert.equal((await run({ scopes: ["read", "write"] }, headers)).reply, null);
  const { reply, context } = await run({ scopes: ["read", "admin"] }, headers);
  assert.equal(reply?.code, "forbidden");
  assert.equal(challenge(reply), 'Bearer realm="windrose", error="insufficient_scope", scope="read admin"');
  assert.equal(context.principal, null);
  const listed = await sign(key, { ...CLAIMS, scp: ["admin"] });
  assert.equal((await run({ scopes: ["admin"] }, ["authorization", `Bearer ${listed}`])).reply, null);
});

test("the token can come from another header, bare", async () => {
  const config = { tokenFrom: { header: "X-Token", scheme: "" }, forwardToken: false };
  const { reply, context } = await run(config, ["x-token", token, "authorization", "Basic dTpw"]);
  assert.equal(reply, null);
  assert.deepEqual(context.request.headers, ["authorization", "Basic dTpw"]);
});

test("a cached token is decided without a promise", async () => {
  const tokens = createTokenVerifiers({ keys: new TestKeySource([key.jwk]), now: () => NOW_MS, warn: () => {} });
  const filter = createJwtFilter(schema.parse({ provider: "main" }), { tokens, jwtProviders: [createProvider()] });
  const request = { headers: ["authorization", `Bearer ${token}`] };
  assert.ok(filter.onRequest?.(createContext(request)) instanceof Promise);
  await filter.onRequest?.(createContext(request));
  assert.equal(filter.onRequest?.(createContext(request)), null);
});
