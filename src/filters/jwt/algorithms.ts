/** The signature algorithms that can be verified, and the one shape of key that fits each (RFC 7518, RFC 8037). */

export interface AlgorithmFacts {
  readonly kty: "RSA" | "EC" | "OKP" | "oct";
  /** Curve; "" where there is none. */
  readonly crv: string;
  /** Smallest key: RSA modulus in bits, HMAC secret in bits (as long as the hash, RFC 7518 §3.2). */
  readonly minBits: number;
}

const RSA: AlgorithmFacts = { kty: "RSA", crv: "", minBits: 2048 };
const ED25519: AlgorithmFacts = { kty: "OKP", crv: "Ed25519", minBits: 0 };

/** A Map, so that `alg: constructor` finds nothing. `none` is not in it. */
export const ALGORITHMS: ReadonlyMap<string, AlgorithmFacts> = new Map<string, AlgorithmFacts>([
  ["RS256", RSA],
  ["RS384", RSA],
  ["RS512", RSA],
  ["PS256", RSA],
  ["PS384", RSA],
  ["PS512", RSA],
  ["ES256", { kty: "EC", crv: "P-256", minBits: 0 }],
  ["ES384", { kty: "EC", crv: "P-384", minBits: 0 }],
  ["ES512", { kty: "EC", crv: "P-521", minBits: 0 }],
  ["EdDSA", ED25519],
  ["Ed25519", ED25519],
  ["HS256", { kty: "oct", crv: "", minBits: 256 }],
  ["HS384", { kty: "oct", crv: "", minBits: 384 }],
  ["HS512", { kty: "oct", crv: "", minBits: 512 }],
]);
