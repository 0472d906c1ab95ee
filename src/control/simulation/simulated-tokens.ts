/**
 * Tokens without a gateway around them: verified for real where the keys are in the snapshot, taken for good where the
 * caller says so, and judged without their signature where keys are fetched at run time.
 */
import { type HeaderList, setHeader } from "../../engine/model/request.js";
import type { JwtProviderSpec } from "../../engine/model/snapshot.js";
import type { JwtConfig } from "../../filters/jwt/schema.js";
import { checkClaims, expiresAtMs, readToken } from "../../filters/jwt/token.js";
import type { KeySource, TokenResult } from "../../filters/jwt/token-verifier.js";
import { createTokenVerifiers, type TokenVerifiers } from "../../filters/jwt/token-verifiers.js";
import type { Claims, Trace } from "./trace.js";

/** Stands in a header where a token would. */
const STAND_IN = "token";
const KEY_SET_VERSION = 1;

/** @param traceOf the request whose filter is at work */
export function createSimulatedTokens(
  providers: readonly JwtProviderSpec[],
  traceOf: () => Trace,
  liveKeys: KeySource | null,
): TokenVerifiers {
  const fixed = fixedKeys(providers);
  const keys: KeySource = {
    current: (provider) => liveKeys?.current(provider) ?? fixed.current(provider),
    refresh: async (provider, kid) => liveKeys?.refresh(provider, kid),
  };
  const real = createTokenVerifiers({ keys, now: Date.now, warn: () => undefined });
  return {
    of(provider) {
      const verifier = real.of(provider);
      return {
        verify(token) {
          const trace = traceOf();
          if (trace.claims !== null) return judge(withDefaults(trace.claims, provider), provider, true);
          return keys.current(provider.name) !== null ? verifier.verify(token) : judgeUnsigned(token, provider, trace);
        },
      };
    },
  };
}

/** Gives a jwt filter the token that it is going to look for. */
export function presentToken(config: JwtConfig, trace: Trace, headers: HeaderList): void {
  const { tokens } = trace;
  trace.claims = null;
  if (tokens.type === "headers") return;
  if (tokens.type === "token") return placeToken(config, trace, headers, tokens.token);
  if (tokens.type === "claims") trace.claims = tokens.claims;
  else if (!config.required && tokens.subject === "") return;
  else trace.claims = assume(config, trace, tokens.subject);
  placeToken(config, trace, headers, STAND_IN);
}

function placeToken({ tokenFrom }: JwtConfig, trace: Trace, headers: HeaderList, token: string): void {
  const value = tokenFrom.scheme === "" ? token : `${tokenFrom.scheme} ${token}`;
  setHeader(headers, tokenFrom.header, value);
  trace.placed.push(tokenFrom.header, value);
}

function assume({ provider, scopes }: JwtConfig, trace: Trace, subject: string): Claims {
  trace.assumptions.push(`a token of ${provider}${scopes.length === 0 ? "" : ` with scope ${scopes.join(" ")}`}`);
  return { sub: subject, scope: scopes.join(" ") };
}

function fixedKeys(providers: readonly JwtProviderSpec[]): KeySource {
  const sets = new Map(providers.flatMap(({ name, keys }) => (keys.type === "fixed" ? [[name, keys.jwks] as const] : [])));
  return {
    current: (provider) => {
      const jwks = sets.get(provider);
      return jwks === undefined ? null : { version: KEY_SET_VERSION, jwks };
    },
    refresh: async () => undefined,
  };
}

/** Issuer and audience need not be written out; what is written counts. */
function withDefaults(claims: Claims, { issuer, audiences }: JwtProviderSpec): Claims {
  const [audience] = audiences;
  return { ...(issuer === "" ? {} : { iss: issuer }), ...(audience === undefined ? {} : { aud: audience }), ...claims };
}

function judgeUnsigned(token: string, provider: JwtProviderSpec, trace: Trace): TokenResult {
  const read = readToken(token, provider.algorithms);
  if (typeof read === "string") return { ok: false, fault: read };
  const result = judge(read.claims, provider, read.claims["exp"] !== undefined);
  if (result.ok) trace.unchecked.push(provider.name);
  return result;
}

function judge(claims: Claims, provider: JwtProviderSpec, hasExpiry: boolean): TokenResult {
  const fault = checkClaims(claims, provider, Date.now());
  if (fault !== null) return { ok: false, fault };
  const subject = typeof claims["sub"] === "string" ? claims["sub"] : "";
  return {
    ok: true,
    principal: { provider: provider.name, subject, claims },
    hasExpiry,
    expiresAtMs: expiresAtMs(claims, provider),
  };
}
