/** A token issuer for tests: real keys, real signatures, and a key source whose set can be changed. */
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import type { JwtProviderSpec } from "../../../../src/engine/model/snapshot.js";
import type { KeySetView } from "../../../../src/filters/jwt/key-ring.js";
import { type KeySource, type TokenResult, TokenVerifier } from "../../../../src/filters/jwt/token-verifier.js";

/** The tests' now: Tuesday, 2030-01-01T00:00:00Z. */
export const NOW_MS = 1_893_456_000_000;
export const NOW = NOW_MS / 1000;

export interface TestKey {
  readonly alg: string;
  readonly kid: string;
  readonly jwk: JWK;
  readonly signingKey: CryptoKey | Uint8Array;
}

export async function createKey(alg: string, kid = alg.toLowerCase()): Promise<TestKey> {
  if (alg.startsWith("HS")) {
    const secret = new Uint8Array(64).fill(kid.length + 1);
    return { alg, kid, jwk: { kty: "oct", k: Buffer.from(secret).toString("base64url"), alg, kid }, signingKey: secret };
  }
  const pair = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, jwk: { ...(await exportJWK(pair.publicKey)), kid, alg, use: "sig" }, signingKey: pair.privateKey };
}

export const CLAIMS = { iss: "https://id.example.com", aud: "api", sub: "ann", exp: NOW + 300 } as const;

export function sign(key: TestKey, claims: Record<string, unknown> = CLAIMS, header: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT(claims as never).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header } as never).sign(key.signingKey);
}

export function encode(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

export function createProvider(changes: Partial<JwtProviderSpec> = {}): JwtProviderSpec {
  return {
    name: "main",
    issuer: "https://id.example.com",
    audiences: ["api", "other"],
    algorithms: ["RS256", "ES256"],
    clockSkewMs: 10_000,
    keys: { type: "uri", uri: "http://127.0.0.1/jwks", refreshMs: 1, cooldownMs: 1, timeoutMs: 1, caPem: "" },
    ...changes,
  };
}

export class TestKeySource implements KeySource {
  view: KeySetView | null;
  readonly refreshed: string[] = [];
  /** What the next refresh brings. */
  onRefresh: () => void | Promise<void> = () => {};

  constructor(keys: readonly JWK[] | null) {
    this.view = keys === null ? null : { version: 1, jwks: { keys: keys as readonly Record<string, unknown>[] } };
  }

  push(keys: readonly JWK[]): void {
    this.view = { version: (this.view?.version ?? 0) + 1, jwks: { keys: keys as readonly Record<string, unknown>[] } };
  }

  current(): KeySetView | null {
    return this.view;
  }

  async refresh(_provider: string, kid: string): Promise<void> {
    this.refreshed.push(kid);
    await this.onRefresh();
  }
}

export interface TestVerifier {
  readonly verifier: TokenVerifier;
  readonly keys: TestKeySource;
  readonly clock: { nowMs: number };
  readonly warnings: string[];
  /** `ok` or the fault. */
  outcome(token: string): Promise<string>;
}

export function createVerifier(keys: readonly JWK[] | null, changes: Partial<JwtProviderSpec> = {}, maxEntries = 1000): TestVerifier {
  const source = new TestKeySource(keys);
  const clock = { nowMs: NOW_MS };
  const warnings: string[] = [];
  const ports = { keys: source, now: () => clock.nowMs, warn: (message: string) => void warnings.push(message) };
  const verifier = new TokenVerifier(createProvider(changes), ports, { maxEntries, maxBytes: 1024 * 1024 });
  return { verifier, keys: source, clock, warnings, outcome: async (token) => describe(await verifier.verify(token)) };
}

export function describe(result: TokenResult): string {
  return result.ok ? "ok" : result.fault;
}
