import assert from "node:assert/strict";
import { test } from "node:test";
import { ALGORITHMS } from "../../../../src/filters/jwt/algorithms.js";
import { KeyRing } from "../../../../src/filters/jwt/key-ring.js";

const bytes = (length: number, first = 0xff): string => Buffer.from([first, ...new Uint8Array(length - 1).fill(1)]).toString("base64url");

const KEYS: Record<string, Record<string, unknown>> = {
  rsa: { kty: "RSA", n: bytes(256), e: "AQAB" },
  p256: { kty: "EC", crv: "P-256", x: bytes(32), y: bytes(32) },
  p384: { kty: "EC", crv: "P-384", x: bytes(48), y: bytes(48) },
  p521: { kty: "EC", crv: "P-521", x: bytes(66), y: bytes(66) },
  ed25519: { kty: "OKP", crv: "Ed25519", x: bytes(32) },
  x25519: { kty: "OKP", crv: "X25519", x: bytes(32) },
  oct32: { kty: "oct", k: bytes(32) },
  oct64: { kty: "oct", k: bytes(64) },
};

const FITTING: Record<string, string[]> = {
  RS256: ["rsa"],
  RS384: ["rsa"],
  RS512: ["rsa"],
  PS256: ["rsa"],
  PS384: ["rsa"],
  PS512: ["rsa"],
  ES256: ["p256"],
  ES384: ["p384"],
  ES512: ["p521"],
  EdDSA: ["ed25519"],
  Ed25519: ["ed25519"],
  HS256: ["oct32", "oct64"],
  HS384: ["oct64"],
  HS512: ["oct64"],
};

function count(jwk: Record<string, unknown>, alg: string, kid?: string): number {
  return new KeyRing({ version: 1, jwks: { keys: [jwk] } }, () => {}).keysFor(alg, kid).length;
}

test("each algorithm takes keys of its own type, curve and size, and no others", () => {
  assert.deepEqual(Object.keys(FITTING), [...ALGORITHMS.keys()]);
  for (const [alg, fitting] of Object.entries(FITTING)) {
    const found = Object.keys(KEYS).filter((name) => count(KEYS[name] as Record<string, unknown>, alg) === 1);
    assert.deepEqual(found, fitting, alg);
  }
  assert.equal(count(KEYS.oct64 as Record<string, unknown>, "none"), 0);
});

test("a key that names an algorithm serves that one only", () => {
  assert.equal(count({ ...KEYS.rsa, alg: "RS256" }, "RS256"), 1);
  assert.equal(count({ ...KEYS.rsa, alg: "RS256" }, "PS256"), 0);
  assert.equal(count({ ...KEYS.ed25519, alg: "EdDSA" }, "Ed25519"), 1);
});

test("a key id must match when the token names one", () => {
  assert.equal(count({ ...KEYS.rsa, kid: "a" }, "RS256", "a"), 1);
  assert.equal(count({ ...KEYS.rsa, kid: "a" }, "RS256", "b"), 0);
  assert.equal(count({ ...KEYS.rsa }, "RS256", "a"), 0);
  assert.equal(count({ ...KEYS.rsa, kid: "a" }, "RS256", undefined), 1);
});

test("the length of a modulus is counted in significant bits", () => {
  const cases: [string, number][] = [
    [bytes(256, 0x80), 1],
    [bytes(256, 0x7f), 0],
    [Buffer.concat([Buffer.alloc(1), Buffer.from(bytes(256, 0x80), "base64url")]).toString("base64url"), 1],
    [Buffer.alloc(300).toString("base64url"), 0],
    ["", 0],
  ];
  for (const [n, expected] of cases) assert.equal(count({ kty: "RSA", n, e: "AQAB" }, "RS256"), expected);
});
