/** Lets an exchange through with a valid token, and gives it its principal. The token itself is never echoed. */
import { type HeaderList, removeHeader } from "../../engine/model/request.js";
import type { JwtProviderSpec } from "../../engine/model/snapshot.js";
import { claimHeader } from "../../engine/model/template.js";
import { type Filter, type FilterContext, refuse, type Verdict } from "../../proxy/ports.js";
import { removeSpellings } from "../header-edits.js";
import type { JwtConfig } from "./schema.js";
import type { TokenFault } from "./token.js";
import type { TokenResult } from "./token-verifier.js";
import type { TokenCheck, TokenVerifiers } from "./token-verifiers.js";

export interface JwtServices {
  readonly tokens: TokenVerifiers;
  readonly jwtProviders: readonly JwtProviderSpec[];
}

export function createJwtFilter(config: JwtConfig, services: JwtServices): Filter {
  const provider = services.jwtProviders.find((spec) => spec.name === config.provider);
  if (provider === undefined) throw new Error(`JWT provider ${config.provider} does not exist`);
  const step = new JwtStep(config, services.tokens.of(provider));
  return { type: "jwt", onRequest: (context) => step.onRequest(context) };
}

class JwtStep {
  readonly #config: JwtConfig;
  readonly #verifier: TokenCheck;
  readonly #challenge: string;

  constructor(config: JwtConfig, verifier: TokenCheck) {
    this.#config = config;
    this.#verifier = verifier;
    this.#challenge = `${config.tokenFrom.scheme || "Bearer"} realm="${config.realm}"`;
  }

  onRequest(context: FilterContext): Verdict | Promise<Verdict> {
    const { claimsToHeaders, required, tokenFrom } = this.#config;
    const { headers } = context.request;
    // First of all, and also without a token: only the gateway may speak under these names.
    for (const { header } of claimsToHeaders) removeSpellings(headers, header);
    const token = findToken(headers, tokenFrom.header, tokenFrom.scheme);
    if (token === SEVERAL) return this.#unauthorized("invalid_request", "several tokens in one request");
    if (token === NONE) return required ? this.#unauthorized("", "a token is required") : null;
    const result = this.#verifier.verify(token);
    return result instanceof Promise ? result.then((later) => this.#conclude(context, later)) : this.#conclude(context, result);
  }

  #conclude(context: FilterContext, result: TokenResult): Verdict {
    if (!result.ok) return this.#refuse(result.fault);
    const { principal, hasExpiry } = result;
    if (this.#config.requireExp && !hasExpiry) return this.#unauthorized("invalid_token", "the token has no expiry");
    if (!hasScopes(principal.claims, this.#config.scopes)) return this.#forbidden();
    context.principal = principal;
    const { headers } = context.request;
    if (!this.#config.forwardToken) removeHeader(headers, this.#config.tokenFrom.header);
    for (const { claim, header } of this.#config.claimsToHeaders) {
      const value = claimHeader(principal.claims, claim);
      if (value !== null) headers.push(header, value);
    }
    return null;
  }

  #refuse(fault: TokenFault): Verdict {
    if (fault === "keys-unavailable") return refuse("key-set-unavailable", "");
    return this.#unauthorized("invalid_token", PUBLIC_REASON[fault], LOGGED_REASON[fault]);
  }

  /** RFC 6750 §3: no error code when the request had no token at all. */
  #unauthorized(error: string, reason: string, logged = reason): Verdict {
    const challenge = error === "" ? this.#challenge : `${this.#challenge}, error="${error}", error_description="${reason}"`;
    return refuse("unauthorized", reason, ["www-authenticate", challenge], logged);
  }

  #forbidden(): Verdict {
    const challenge = `${this.#challenge}, error="insufficient_scope", scope="${this.#config.scopes.join(" ")}"`;
    return refuse("forbidden", "the token lacks a scope", ["www-authenticate", challenge]);
  }
}

/**
 * What a caller may know. Most checks run before the signature, so whoever makes up tokens must not be able to learn
 * from the answers which issuer, audience, algorithm or key would get further.
 */
const PUBLIC_REASON: Readonly<Record<Exclude<TokenFault, "keys-unavailable">, string>> = {
  malformed: "the token is malformed",
  expired: "the token has expired",
  "not-yet-valid": "the token is not valid yet",
  algorithm: "the token is not acceptable here",
  issuer: "the token is not acceptable here",
  audience: "the token is not acceptable here",
  "unknown-key": "the token is not acceptable here",
  signature: "the token is not acceptable here",
};

/** What operators are told: why exactly, and never anything of the token itself. */
const LOGGED_REASON: Readonly<Record<Exclude<TokenFault, "keys-unavailable">, string>> = {
  malformed: "the token is malformed",
  expired: "the token has expired",
  "not-yet-valid": "the token is not valid yet",
  algorithm: "the token's algorithm is not allowed by the provider",
  issuer: "the token's issuer is not the provider's",
  audience: "the token names none of the provider's audiences",
  "unknown-key": "the provider has no key with the token's key id",
  signature: "the token's signature does not fit",
};

/** Neither can be a token: they hold blanks. */
const NONE = " none";
const SEVERAL = " several";

/** A field with another scheme holds no token for us (Basic, say) and is left alone. */
function findToken(headers: HeaderList, name: string, scheme: string): string {
  let value: string | null = null;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue;
    if (value !== null) return SEVERAL;
    value = headers[i + 1] as string;
  }
  if (value === null) return NONE;
  if (scheme === "") return value === "" ? NONE : value;
  const prefix = value.slice(0, scheme.length);
  if (prefix !== scheme && prefix.toLowerCase() !== scheme.toLowerCase()) return NONE;
  if (value.length === scheme.length) return "";
  return value.charCodeAt(scheme.length) === 0x20 ? value.slice(scheme.length + 1).trim() : NONE;
}

function hasScopes(claims: Readonly<Record<string, unknown>>, needed: readonly string[]): boolean {
  if (needed.length === 0) return true;
  const granted = [...scopeList(claims.scope), ...scopeList(claims.scp)];
  return needed.every((scope) => granted.includes(scope));
}

function scopeList(value: unknown): string[] {
  if (typeof value === "string") return value.split(" ");
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
