/**
 * The keys of one version of a provider's key set, ready to verify with. Decides which keys may be tried for a token:
 * a key is only ever used with algorithms of its own type, whatever the token's header claims.
 */
import { type CryptoKey, importJWK, type JWK } from "jose";
import { ALGORITHMS, type AlgorithmFacts } from "./algorithms.js";

export interface KeySetView {
  /** Changes whenever the keys do. */
  readonly version: number;
  readonly jwks: { readonly keys: readonly Readonly<Record<string, unknown>>[] };
}

export type VerificationKey = CryptoKey | Uint8Array;

/** Keys tried for one token at most: bounds what a token without `kid` can cost. */
const MAX_TRIED = 4;

interface RingKey {
  readonly kid: string | undefined;
  /** "" when the key does not restrict it. */
  readonly alg: string;
  readonly kty: string;
  readonly crv: string;
  readonly bits: number;
  /** Public members only. */
  readonly jwk: JWK;
  readonly imported: Map<string, Promise<VerificationKey | null>>;
}

export class KeyRing {
  readonly version: number;
  readonly #keys: readonly RingKey[];
  readonly #warn: (message: string) => void;

  constructor(view: KeySetView, warn: (message: string) => void) {
    this.version = view.version;
    this.#keys = view.jwks.keys.map(toRingKey).filter((key) => key !== null);
    this.#warn = warn;
    for (const key of this.#keys) {
      if (key.kty === "RSA" && key.bits < 2048) warn(`key ${label(key)} is not used: RSA with ${key.bits} bits, at least 2048 are needed`);
    }
  }

  /** Not one usable key: as good as no key set. */
  get isEmpty(): boolean {
    return this.#keys.length === 0;
  }

  hasKeyId(kid: string): boolean {
    return this.#keys.some((key) => key.kid === kid);
  }

  /** Keys that fit, named by `kid` when the token names one; none when nothing fits. */
  keysFor(alg: string, kid: string | undefined): (() => Promise<VerificationKey | null>)[] {
    const facts = ALGORITHMS.get(alg);
    if (facts === undefined) return [];
    const fitting = this.#keys.filter((key) => (kid === undefined || key.kid === kid) && fits(key, alg, facts));
    return fitting.slice(0, MAX_TRIED).map((key) => () => this.#import(key, alg));
  }

  #import(key: RingKey, alg: string): Promise<VerificationKey | null> {
    let imported = key.imported.get(alg);
    if (imported === undefined) {
      imported = importJWK({ ...key.jwk, alg }, alg).catch(() => {
        this.#warn(`key ${label(key)} is not used: it cannot be read as a key for ${alg}`);
        return null;
      });
      key.imported.set(alg, imported);
    }
    return imported;
  }
}

function fits(key: RingKey, alg: string, facts: AlgorithmFacts): boolean {
  return (
    key.kty === facts.kty &&
    key.crv === facts.crv &&
    key.bits >= facts.minBits &&
    (key.alg === "" || key.alg === alg || isEdDsa(key.alg, alg))
  );
}

/** Two names of one algorithm (RFC 9864 §2.2): a key on Ed25519 serves both. */
function isEdDsa(keyAlg: string, alg: string): boolean {
  return (keyAlg === "EdDSA" || keyAlg === "Ed25519") && (alg === "EdDSA" || alg === "Ed25519");
}

function label(key: RingKey): string {
  return key.kid === undefined ? "without an id" : JSON.stringify(key.kid.slice(0, 64));
}

/** Null for keys that are not for verifying signatures. */
function toRingKey(jwk: Readonly<Record<string, unknown>>): RingKey | null {
  const { kty, kid, alg, use, key_ops: operations } = jwk;
  if (use !== undefined && use !== "sig") return null;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) return null;
  if (alg !== undefined && typeof alg !== "string") return null;
  const material = publicMaterial(jwk);
  if (material === null) return null;
  return {
    kid: typeof kid === "string" ? kid : undefined,
    alg: alg ?? "",
    kty: kty as string,
    crv: kty === "EC" || kty === "OKP" ? String(jwk.crv) : "",
    bits: kty === "RSA" ? bitLength(jwk.n) : kty === "oct" ? byteLength(jwk.k) * 8 : 0,
    jwk: material,
    imported: new Map(),
  };
}

/** Only the members that make up the key: `ext`, `x5c` and private members must not play a part. */
function publicMaterial(jwk: Readonly<Record<string, unknown>>): JWK | null {
  const { kty } = jwk;
  const names = kty === "RSA" ? ["n", "e"] : kty === "EC" ? ["crv", "x", "y"] : kty === "OKP" ? ["crv", "x"] : kty === "oct" ? ["k"] : null;
  if (names === null || !names.every((name) => typeof jwk[name] === "string")) return null;
  return { kty, ...Object.fromEntries(names.map((name) => [name, jwk[name]])) } as JWK;
}

function byteLength(text: unknown): number {
  return Buffer.from(String(text), "base64url").length;
}

function bitLength(text: unknown): number {
  const bytes = Buffer.from(String(text), "base64url");
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : (bytes.length - first) * 8 - Math.clz32(bytes[first] as number) + 24;
}
