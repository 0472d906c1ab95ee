/** One verifier per provider, shared by all routes and kept over reloads for as long as the provider is unchanged. */
import type { JwtProviderSpec } from "../../engine/model/snapshot.js";
import { TokenVerifier, type VerifierPorts } from "./token-verifier.js";

export type TokenCheck = Pick<TokenVerifier, "verify">;

export interface TokenVerifiers {
  of(provider: JwtProviderSpec): TokenCheck;
}

export function createTokenVerifiers(ports: VerifierPorts): TokenVerifiers {
  const known = new Map<string, { readonly settings: string; readonly verifier: TokenVerifier }>();
  return {
    of(provider) {
      const settings = settingsOf(provider);
      const current = known.get(provider.name);
      if (current !== undefined && current.settings === settings) return current.verifier;
      const verifier = new TokenVerifier(provider, ports);
      known.set(provider.name, { settings, verifier });
      return verifier;
    },
  };
}

/** Everything a cached result depends on; the keys themselves have their own version. */
function settingsOf(provider: JwtProviderSpec): string {
  const { issuer, audiences, algorithms, clockSkewMs, keys } = provider;
  return JSON.stringify([issuer, audiences, algorithms, clockSkewMs, keys.type, keys.type === "uri" ? keys.uri : ""]);
}
