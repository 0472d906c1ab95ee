/**
 * Reads a compact JWS (RFC 7515 §7.1) without trusting it: form, header, claims and their times. Cheap and
 * synchronous, so that it runs before any signature is computed; never throws.
 */
import type { JwtProviderSpec } from "../../engine/model/snapshot.js";
import { ALGORITHMS } from "./algorithms.js";

/** Why a token is not accepted; for counters and tests. Callers are told less. */
export type TokenFault =
  | "malformed"
  | "algorithm"
  | "expired"
  | "not-yet-valid"
  | "issuer"
  | "audience"
  | "unknown-key"
  | "signature"
  | "keys-unavailable";

export interface UnverifiedToken {
  readonly alg: string;
  /** undefined: the header names no key. */
  readonly kid: string | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
}

export const MAX_TOKEN_CHARS = 8192;
const MAX_KEY_ID_CHARS = 256;
const COMPACT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Keys named or embedded in the header (`jku`, `jwk`, `x5u`, `x5c`) are never looked at. */
export function readToken(token: string, allowed: readonly string[]): UnverifiedToken | TokenFault {
  if (token.length > MAX_TOKEN_CHARS) return "malformed";
  const match = COMPACT.exec(token);
  if (match === null || (match[3] as string).length % 4 === 1) return "malformed";
  const header = readJsonObject(match[1] as string);
  const claims = readJsonObject(match[2] as string);
  if (header === null || claims === null) return "malformed";
  const { alg, kid } = header;
  if (typeof alg !== "string" || !ALGORITHMS.has(alg) || !allowed.includes(alg)) return "algorithm";
  // Extensions that would change what is signed or must be understood (RFC 7515 §4.1.11, RFC 7797).
  if (Object.hasOwn(header, "crit") || Object.hasOwn(header, "b64")) return "algorithm";
  if (kid !== undefined && (typeof kid !== "string" || kid.length > MAX_KEY_ID_CHARS)) return "malformed";
  return { alg, kid, claims };
}

function readJsonObject(part: string): Record<string, unknown> | null {
  if (part.length % 4 === 1) return null;
  try {
    const value: unknown = JSON.parse(utf8.decode(Buffer.from(part, "base64url")));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** RFC 7519 §4.1; null when nothing speaks against the claims. `exp` is checked when it is there. */
export function checkClaims(claims: Readonly<Record<string, unknown>>, provider: JwtProviderSpec, nowMs: number): TokenFault | null {
  for (const name of ["exp", "nbf", "iat"]) {
    if (claims[name] !== undefined && !Number.isFinite(claims[name])) return "malformed";
  }
  if (claims.sub !== undefined && typeof claims.sub !== "string") return "malformed";
  if (expiresAtMs(claims, provider) <= nowMs) return "expired";
  const latestMs = nowMs + provider.clockSkewMs;
  if (milliseconds(claims.nbf, 0) > latestMs || milliseconds(claims.iat, 0) > latestMs) return "not-yet-valid";
  if (provider.issuer !== "" && claims.iss !== provider.issuer) return "issuer";
  return provider.audiences.length === 0 || namesAudience(claims.aud, provider.audiences) ? null : "audience";
}

/** When the token stops being accepted, clock skew included; Infinity without `exp`. */
export function expiresAtMs(claims: Readonly<Record<string, unknown>>, provider: JwtProviderSpec): number {
  return milliseconds(claims.exp, Number.POSITIVE_INFINITY) + provider.clockSkewMs;
}

function milliseconds(seconds: unknown, fallback: number): number {
  return typeof seconds === "number" ? seconds * 1000 : fallback;
}

function namesAudience(aud: unknown, audiences: readonly string[]): boolean {
  if (typeof aud === "string") return audiences.includes(aud);
  return Array.isArray(aud) && aud.some((item) => typeof item === "string" && audiences.includes(item));
}
