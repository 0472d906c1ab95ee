/**
 * Verifies the tokens of one provider. Synchronous for tokens it has seen; for others everything cheap is checked
 * before a signature is computed, and requests with the same token share one computation.
 * **Invariant:** a cached result is only used with the key set version it was made with, and never past `exp`.
 */
import { compactVerify, errors } from "jose";
import type { Principal } from "../../engine/model/request.js";
import type { JwtProviderSpec } from "../../engine/model/snapshot.js";
import { KeyRing, type KeySetView } from "./key-ring.js";
import { checkClaims, expiresAtMs, readToken, type TokenFault, type UnverifiedToken } from "./token.js";
import { TokenCache, type TokenCacheBounds } from "./token-cache.js";

/** Where key sets come from: the primary pushes them to the worker. */
export interface KeySource {
  /** Null: no key set has ever been had. */
  current(provider: string): KeySetView | null;
  /**
   * Asks for a fresh key set because a token names a key that is not there. Settles when the outcome, if any, is in
   * `current`; whoever implements it limits how often a fetch really happens and how long it may take.
   */
  refresh(provider: string, kid: string): Promise<void>;
}

export interface VerifierPorts {
  readonly keys: KeySource;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Keys that cannot be used; never holds key material. */
  readonly warn: (message: string) => void;
}

export type TokenResult = VerifiedToken | RefusedToken;

export interface VerifiedToken {
  readonly ok: true;
  readonly principal: Principal;
  readonly hasExpiry: boolean;
  /** Clock skew included. */
  readonly expiresAtMs: number;
}

export interface RefusedToken {
  readonly ok: false;
  readonly fault: TokenFault;
}

const VERIFIED_BOUNDS: TokenCacheBounds = { maxEntries: 20_000, maxBytes: 32 * 1024 * 1024 };
/** A client that repeats a badly signed token costs one computation, not one per request. */
const REFUSED_BOUNDS: TokenCacheBounds = { maxEntries: 1_000, maxBytes: 2 * 1024 * 1024 };
/** Between two requests for fresh keys; the primary's own cooldown is longer. */
const REFRESH_PAUSE_MS = 1_000;

export class TokenVerifier {
  readonly #provider: JwtProviderSpec;
  readonly #ports: VerifierPorts;
  #ring: KeyRing | null = null;
  readonly #verified: TokenCache<VerifiedToken>;
  readonly #refused: TokenCache<RefusedToken>;
  #pending = new Map<string, Promise<TokenResult>>();
  #refreshing: Promise<void> | null = null;
  #nextRefreshMs = Number.NEGATIVE_INFINITY;

  constructor(provider: JwtProviderSpec, ports: VerifierPorts, bounds = VERIFIED_BOUNDS) {
    this.#provider = provider;
    this.#ports = ports;
    this.#verified = new TokenCache(bounds);
    this.#refused = new TokenCache(REFUSED_BOUNDS);
  }

  get cachedTokens(): number {
    return this.#verified.size;
  }

  /** Never throws and never rejects. */
  verify(token: string): TokenResult | Promise<TokenResult> {
    const ring = this.#currentRing();
    if (ring === null || ring.isEmpty) return refused("keys-unavailable");
    const known = this.#verified.get(token);
    if (known !== undefined && known.expiresAtMs > this.#ports.now()) return known;
    return this.#refused.get(token) ?? this.#pending.get(token) ?? this.#verifyNew(token, ring);
  }

  /** A new key set makes everything learnt with the old one void. */
  #currentRing(): KeyRing | null {
    const view = this.#ports.keys.current(this.#provider.name);
    if (view === null) return null;
    if (this.#ring === null || this.#ring.version !== view.version) {
      this.#ring = new KeyRing(view, (message) => this.#ports.warn(`JWT provider ${this.#provider.name}: ${message}`));
      this.#verified.clear();
      this.#refused.clear();
      this.#pending = new Map();
    }
    return this.#ring;
  }

  #verifyNew(token: string, ring: KeyRing): TokenResult | Promise<TokenResult> {
    this.#verified.delete(token);
    const read = readToken(token, this.#provider.algorithms);
    if (typeof read === "string") return refused(read);
    const fault = checkClaims(read.claims, this.#provider, this.#ports.now());
    if (fault !== null) return refused(fault);
    if (read.kid !== undefined && !ring.hasKeyId(read.kid)) {
      return this.#mayRefresh() ? this.#share(token, this.#verifyAfterRefresh(token, read, read.kid)) : refused("unknown-key");
    }
    return this.#share(token, this.#verifySignature(token, read, ring));
  }

  #share(token: string, result: Promise<TokenResult>): Promise<TokenResult> {
    const pending = this.#pending;
    pending.set(token, result);
    void result.finally(() => pending.delete(token));
    return result;
  }

  async #verifyAfterRefresh(token: string, read: UnverifiedToken, kid: string): Promise<TokenResult> {
    await this.#refresh(kid);
    const ring = this.#currentRing();
    return ring?.hasKeyId(kid) ? this.#verifySignature(token, read, ring) : refused("unknown-key");
  }

  #mayRefresh(): boolean {
    if (this.#provider.keys.type === "fixed") return false;
    return this.#refreshing !== null || this.#ports.now() >= this.#nextRefreshMs;
  }

  #refresh(kid: string): Promise<void> {
    this.#refreshing ??= this.#refreshOnce(kid);
    return this.#refreshing;
  }

  async #refreshOnce(kid: string): Promise<void> {
    try {
      await this.#ports.keys.refresh(this.#provider.name, kid);
    } catch {
      // The primary did not answer: the token stays unknown, and the primary says why.
    } finally {
      this.#nextRefreshMs = this.#ports.now() + REFRESH_PAUSE_MS;
      this.#refreshing = null;
    }
  }

  async #verifySignature(token: string, read: UnverifiedToken, ring: KeyRing): Promise<TokenResult> {
    for (const importKey of ring.keysFor(read.alg, read.kid)) {
      const key = await importKey();
      if (key !== null && (await this.#isSignedBy(token, key, read.alg))) return this.#accept(token, read, ring);
    }
    const result = refused("signature");
    if (this.#ring === ring) this.#refused.set(token, result);
    return result;
  }

  async #isSignedBy(token: string, key: Parameters<typeof compactVerify>[1], alg: string): Promise<boolean> {
    try {
      await compactVerify(token, key, { algorithms: [alg] });
      return true;
    } catch (error) {
      // Anything but a plain mismatch is a key that does not do what its description says.
      if (!(error instanceof errors.JWSSignatureVerificationFailed))
        this.#ports.warn(`JWT provider ${this.#provider.name}: a key failed to verify ${alg}`);
      return false;
    }
  }

  #accept(token: string, read: UnverifiedToken, ring: KeyRing): VerifiedToken {
    const { claims } = read;
    const subject = typeof claims.sub === "string" ? claims.sub : "";
    const result: VerifiedToken = Object.freeze({
      ok: true,
      principal: Object.freeze({ provider: this.#provider.name, subject, claims: Object.freeze(claims) }),
      hasExpiry: claims.exp !== undefined,
      expiresAtMs: expiresAtMs(claims, this.#provider),
    });
    if (this.#ring === ring) this.#verified.set(token, result);
    return result;
  }
}

function refused(fault: TokenFault): RefusedToken {
  return { ok: false, fault };
}
