import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { exportSPKI, importJWK, type JWK, UnsecuredJWT } from "jose";
import { CLAIMS, createKey, createVerifier, encode, NOW, sign } from "./issuer.js";

const rsa = await createKey("RS256");
const ecdsa = await createKey("ES256");
const hmac = await createKey("HS256");
const ALL = ["RS256", "PS256", "ES256", "HS256", "HS384", "HS512", "EdDSA"];

function hs256(header: Record<string, unknown>, secret: string | Buffer): string {
  const input = `${encode({ alg: "HS256", ...header })}.${encode(CLAIMS)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

test("a public key cannot be used as an HMAC secret, in any of its forms", async () => {
  const pem = await exportSPKI((await importJWK(rsa.jwk, "RS256")) as Parameters<typeof exportSPKI>[0]);
  const secrets = [pem, pem.trim(), JSON.stringify(rsa.jwk), rsa.jwk.n as string, Buffer.from(rsa.jwk.n as string, "base64url"), ""];
  const jwks: JWK[] = [rsa.jwk, { ...rsa.jwk, kid: "free", alg: undefined, use: undefined } as unknown as JWK];
  for (const secret of secrets) {
    for (const header of [{ kid: "rs256" }, { kid: "free" }, {}]) {
      const token = hs256(header, secret);
      assert.equal(await createVerifier(jwks, { algorithms: ["RS256"] }).outcome(token), "algorithm");
      assert.equal(await createVerifier(jwks, { algorithms: ALL }).outcome(token), "signature");
      assert.equal(await createVerifier([...jwks, hmac.jwk], { algorithms: ALL }).outcome(token), "signature");
    }
  }
});

test("`none` is refused in every spelling, signed or not", async () => {
  const { outcome } = createVerifier([rsa.jwk, hmac.jwk], { algorithms: [...ALL, "none", "None"] });
  const unsecured = new UnsecuredJWT(CLAIMS as never).encode();
  assert.equal(await outcome(unsecured), "malformed");
  for (const alg of ["none", "None", "NONE", "nOnE", "none ", "", "null", "undefined"]) {
    for (const signature of ["AA", encode("x".repeat(256))]) {
      assert.equal(await outcome(`${encode({ alg })}.${encode(CLAIMS)}.${signature}`), "algorithm", alg);
    }
    assert.equal(await outcome(`${encode({ alg })}.${encode(CLAIMS)}.`), "malformed");
  }
  for (const alg of [null, 1, true, ["RS256"], { alg: "RS256" }, undefined, "constructor", "__proto__", "rs256"]) {
    assert.equal(await outcome(`${encode({ alg })}.${encode(CLAIMS)}.AAAA`), "algorithm", String(alg));
  }
});

test("a key is only used for the algorithm, type, curve and purpose it states", async () => {
  const ps = await sign({ ...rsa, signingKey: rsa.signingKey }, CLAIMS);
  const cases: [Record<string, unknown>, string][] = [
    [{}, "ok"],
    [{ alg: undefined }, "ok"],
    [{ alg: "PS256" }, "signature"],
    [{ alg: "HS256" }, "signature"],
    [{ use: "enc" }, "keys-unavailable"],
    [{ key_ops: ["encrypt"] }, "keys-unavailable"],
    [{ key_ops: ["verify"] }, "ok"],
    [{ key_ops: "verify" }, "keys-unavailable"],
    [{ kty: "oct" }, "keys-unavailable"],
    [{ kty: "EC" }, "keys-unavailable"],
    [{ n: undefined }, "keys-unavailable"],
    [{ alg: 7 }, "keys-unavailable"],
  ];
  for (const [changes, expected] of cases) {
    const { outcome } = createVerifier([{ ...rsa.jwk, ...changes } as JWK], { algorithms: ALL });
    assert.equal(await outcome(ps), expected, JSON.stringify(changes));
  }
  const p384 = await createKey("ES384", "es256");
  assert.equal(
    await createVerifier([{ ...p384.jwk, alg: undefined } as unknown as JWK], { algorithms: ALL }).outcome(await sign(ecdsa)),
    "signature",
  );
});

test("keys that are too short are not used, with a warning that names them", async () => {
  const pair = generateKeyPairSync("rsa", { modulusLength: 1024 }) as { publicKey: KeyObject };
  const jwk = { ...(pair.publicKey.export({ format: "jwk" }) as JWK), kid: "rs256" };
  const weak = createVerifier([jwk]);
  assert.equal(await weak.outcome(await sign(rsa)), "signature");
  assert.match(weak.warnings.join(), /"rs256" is not used: RSA with 1024 bits/);
  const short = { kty: "oct", k: Buffer.alloc(31, 1).toString("base64url"), kid: "short" };
  const token = hs256({ kid: "short" }, Buffer.alloc(31, 1));
  assert.equal(await createVerifier([short as JWK], { algorithms: ["HS256"] }).outcome(token), "signature");
});

test("a broken key is left out with a warning, and others are still tried", async () => {
  const broken = { ...ecdsa.jwk, x: encode("not a point") };
  const { outcome, warnings } = createVerifier([broken, ecdsa.jwk] as JWK[]);
  assert.equal(await outcome(await sign(ecdsa)), "ok");
  assert.equal(warnings.length, 1);
  assert.ok(!warnings.join().includes(ecdsa.jwk.y as string));
});

test("keys that a token brings along or points at are not used", async () => {
  const attacker = await createKey("ES256", "attacker");
  for (const header of [{ jwk: attacker.jwk }, { jku: "http://127.0.0.1:1/jwks" }, { x5u: "http://127.0.0.1:1/c" }, { x5c: ["AAAA"] }]) {
    const { outcome, keys } = createVerifier([ecdsa.jwk]);
    assert.equal(await outcome(await sign(attacker, CLAIMS, { ...header, kid: "es256" })), "signature");
    assert.equal(await outcome(await sign(attacker, CLAIMS, { ...header, kid: undefined })), "signature");
    assert.equal(await outcome(await sign(ecdsa, CLAIMS, { ...header, kid: undefined })), "ok");
    assert.deepEqual(keys.refreshed, []);
  }
});

test("extensions that change what is signed are refused", async () => {
  const { outcome } = createVerifier([ecdsa.jwk]);
  const [header, payload, signature] = (await sign(ecdsa)).split(".") as [string, string, string];
  for (const extra of [{ crit: ["exp"] }, { crit: [] }, { b64: false, crit: ["b64"] }, { b64: true }]) {
    const changed = encode({ ...JSON.parse(Buffer.from(header, "base64url").toString()), ...extra });
    assert.equal(await outcome(`${changed}.${payload}.${signature}`), "algorithm");
  }
});

test("malformed tokens of many kinds are refused", async () => {
  const { outcome } = createVerifier([rsa.jwk]);
  const good = await sign(rsa);
  const [header, payload, signature] = good.split(".") as [string, string, string];
  const tokens = [
    "",
    ".",
    "..",
    "a.b.c",
    header,
    `${header}.${payload}`,
    `${header}.${payload}.`,
    `.${payload}.${signature}`,
    `${header}..${signature}`,
    `${good}.`,
    `${good}.${payload}.${signature}`,
    `${good}=`,
    `${good}\n`,
    ` ${good}`,
    `${good}, ${good}`,
    `${header}.${payload}.${signature.replace(/.$/, "+")}`,
    `${header}.${payload}.abcde`,
    `${encode("[]")}.${payload}.${signature}`,
    `${encode("null")}.${payload}.${signature}`,
    `${encode("{")}.${payload}.${signature}`,
    `${header}.${encode("7")}.${signature}`,
    `${header}.${encode("")}.${signature}`,
    `${header}.${Buffer.from([0x7b, 0xff, 0x7d]).toString("base64url")}.${signature}`,
    `${encode({ alg: "RS256", kid: 7 })}.${payload}.${signature}`,
    `${encode({ alg: "RS256", kid: "k".repeat(257) })}.${payload}.${signature}`,
    `${header}.${"A".repeat(8192)}.${signature}`,
    `${encode(`${"[".repeat(3000)}`)}.${payload}.${signature}`,
  ];
  for (const token of tokens) assert.equal(await outcome(token), "malformed", JSON.stringify(token.slice(0, 80)));
});

test("cheap checks come first: an expired forgery costs no signature and asks for no key", async () => {
  const { verifier, keys } = createVerifier([rsa.jwk]);
  const token = `${encode({ alg: "RS256", kid: "unknown" })}.${encode({ ...CLAIMS, exp: NOW - 100 })}.AAAA`;
  assert.deepEqual(verifier.verify(token), { ok: false, fault: "expired" });
  assert.deepEqual(keys.refreshed, []);
});

test("a badly signed token that is repeated costs one verification", async () => {
  const { verifier, outcome } = createVerifier([rsa.jwk]);
  const token = `${encode({ alg: "RS256", kid: "rs256" })}.${encode(CLAIMS)}.${encode("x".repeat(256))}`;
  assert.equal(await outcome(token), "signature");
  assert.deepEqual(verifier.verify(token), { ok: false, fault: "signature" });
});

test("no string makes the verifier throw or accept", async () => {
  const { verifier } = createVerifier([rsa.jwk, ecdsa.jwk, hmac.jwk], { algorithms: ALL, issuer: "", audiences: [] });
  const json = fc.json().map(encode);
  const header = fc
    .record({
      alg: fc.constantFrom(...ALL, "none", "RS512"),
      kid: fc.option(fc.constantFrom("rs256", "es256", "hs256", "x"), { nil: undefined }),
    })
    .map(encode);
  const claims = fc
    .record({ exp: fc.oneof(fc.constant(NOW + 60), fc.anything()), sub: fc.oneof(fc.string(), fc.anything()) })
    .map((value) => {
      try {
        return encode(JSON.stringify(value) ?? "");
      } catch {
        return encode("{}");
      }
    });
  const part = fc.oneof(json, header, claims, fc.base64String(), fc.string());
  const compact = fc.tuple(fc.oneof(header, part), fc.oneof(claims, part), part).map((parts) => parts.join("."));
  await fc.assert(
    fc.asyncProperty(fc.oneof(compact, fc.string({ unit: "binary" })), async (token) => {
      const result = await verifier.verify(token);
      assert.equal(result.ok, false);
    }),
    { numRuns: 400 },
  );
});

test("no change of a single letter of a good token makes another one", async () => {
  const token = await sign(ecdsa);
  const { verifier } = createVerifier([ecdsa.jwk]);
  await fc.assert(
    fc.asyncProperty(fc.nat(token.lastIndexOf(".")), fc.constantFrom(..."AZaz09-_.=+ é"), async (at, letter) => {
      const changed = token.slice(0, at) + letter + token.slice(at + 1);
      const result = await verifier.verify(changed);
      assert.equal(result.ok, changed === token);
    }),
    { numRuns: 200 },
  );
});
