/** JWK sets written in the document or in a file: which keys can verify tokens, and with which algorithms. */
import { createPublicKey, type JsonWebKey } from "node:crypto";

export type Jwk = Readonly<Record<string, unknown>>;

export type KeyFamily = "symmetric" | "asymmetric";

export type KeyResult =
  | {
      readonly ok: true;
      readonly family: KeyFamily;
      readonly algorithms: readonly string[];
      readonly jwk: Jwk;
      readonly hasPrivatePart: boolean;
    }
  | { readonly ok: false; readonly message: string; readonly hint?: string };

const RSA_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const CURVE_ALGORITHMS: Readonly<Record<string, string>> = {
  "P-256": "ES256",
  "P-384": "ES384",
  "P-521": "ES512",
  Ed25519: "EdDSA",
  Ed448: "EdDSA",
};
const MIN_RSA_BITS = 2048;
const PRIVATE_MEMBERS: ReadonlySet<string> = new Set(["d", "p", "q", "dp", "dq", "qi", "oth"]);

/** The text of a JWK set file → its keys, or what is wrong with it. */
export function parseKeySet(text: string): readonly Jwk[] | string {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    return "is not JSON";
  }
  const keys = typeof set === "object" && set !== null ? (set as Record<string, unknown>)["keys"] : undefined;
  if (!Array.isArray(keys)) return 'is not a JWK set: expected {"keys": […]}';
  if (keys.length === 0) return "holds no keys";
  const areObjects = keys.every((key) => typeof key === "object" && key !== null && !Array.isArray(key));
  return areObjects ? (keys as Jwk[]) : "holds a key that is not an object";
}

/** Messages never quote a member: the key may be secret. */
export function inspectKey(jwk: Jwk): KeyResult {
  if (jwk["kty"] === "oct") return inspectSecret(jwk);
  const hasPrivatePart = Object.hasOwn(jwk, "d");
  const publicJwk = Object.fromEntries(Object.entries(jwk).filter(([member]) => !PRIVATE_MEMBERS.has(member)));
  const algorithms = jwk["kty"] === "RSA" ? RSA_ALGORITHMS : curveAlgorithms(jwk);
  if (algorithms === null)
    return {
      ok: false,
      message: "has a key type or curve that cannot verify tokens",
      hint: "kty RSA, EC (P-256, P-384, P-521), OKP (Ed25519) or oct",
    };
  const bits = strength(publicJwk);
  if (bits === null) return { ok: false, message: "is not a valid key" };
  if (jwk["kty"] === "RSA" && bits < MIN_RSA_BITS)
    return { ok: false, message: `is an RSA key of ${bits} bits`, hint: `at least ${MIN_RSA_BITS} are needed` };
  return { ok: true, family: "asymmetric", algorithms: restrict(algorithms, jwk), jwk: publicJwk, hasPrivatePart };
}

function inspectSecret(jwk: Jwk): KeyResult {
  const secret = jwk["k"];
  if (typeof secret !== "string" || !/^[A-Za-z0-9_-]+$/.test(secret))
    return { ok: false, message: "needs its secret in k, base64url without padding" };
  const bytes = Buffer.from(secret, "base64url").length;
  const algorithms = ["HS256", "HS384", "HS512"].filter((algorithm) => bytes * 8 >= Number(algorithm.slice(2)));
  if (algorithms.length === 0)
    return { ok: false, message: `is a secret of ${bytes} bytes`, hint: "HS256 needs at least 32 (RFC 7518 §3.2)" };
  return { ok: true, family: "symmetric", algorithms: restrict(algorithms, jwk), jwk, hasPrivatePart: false };
}

function curveAlgorithms(jwk: Jwk): readonly string[] | null {
  const algorithm = CURVE_ALGORITHMS[String(jwk["crv"])];
  if (algorithm === undefined) return null;
  return jwk["kty"] === (algorithm === "EdDSA" ? "OKP" : "EC") ? [algorithm] : null;
}

/** A key's own `alg` and `use` narrow what it verifies. */
function restrict(algorithms: readonly string[], jwk: Jwk): readonly string[] {
  if (jwk["use"] !== undefined && jwk["use"] !== "sig") return [];
  const alg = jwk["alg"] === "Ed25519" ? "EdDSA" : jwk["alg"];
  return alg === undefined ? algorithms : algorithms.filter((algorithm) => algorithm === alg);
}

/** RSA modulus length, 0 for other kinds; null when the key cannot be imported. */
function strength(jwk: Jwk): number | null {
  try {
    const key = createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
    return key.asymmetricKeyDetails?.modulusLength ?? 0;
  } catch {
    return null;
  }
}
