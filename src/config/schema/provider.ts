/** `providers.jwt`: who issues tokens, and where the keys to verify them come from. */
import { z } from "zod";
import { duration, filePath, httpUrl, name, positiveDuration, textOrFile } from "./values.js";

export const ASYMMETRIC_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"] as const;
export const SYMMETRIC_ALGORITHMS = ["HS256", "HS384", "HS512"] as const;

const jwks = z.strictObject({
  uri: httpUrl().optional().describe("Fetched, cached and refreshed by the gateway."),
  refresh: positiveDuration().default("10m").describe("For uri: how often the keys are fetched again."),
  cooldown: duration().default("30s").describe("For uri: least time between two fetches that unknown key ids cause."),
  timeout: positiveDuration().default("5s").describe("For uri: how long a fetch may take."),
  ca: textOrFile(filePath()).optional().describe("For uri: PEM file of the trusted roots. Default: the system's."),
  file: filePath().optional().describe("JSON file with a JWK set (RFC 7517)."),
  inline: z
    .strictObject({ keys: z.array(z.record(z.string(), z.unknown())).min(1) })
    .optional()
    .describe("The JWK set itself."),
});

export const jwtProviderSchema = z.strictObject({
  name: name(),
  issuer: z.string().default("").describe("Required value of iss; empty: not checked."),
  audiences: z.array(z.string().min(1)).default([]).describe("aud must name one of them; empty: not checked."),
  algorithms: z
    .array(z.enum([...ASYMMETRIC_ALGORITHMS, ...SYMMETRIC_ALGORITHMS]))
    .min(1)
    .optional()
    .describe("Default: every asymmetric one. HS* must be written, and needs keys from file or inline."),
  clockSkew: duration().default("60s").describe("Tolerance for exp, nbf and iat."),
  jwks: jwks.describe("Exactly one of uri, file and inline."),
});

export type JwtProvider = z.output<typeof jwtProviderSchema>;

export type CompleteProvider = JwtProvider & {
  algorithms: (typeof ASYMMETRIC_ALGORITHMS)[number][] | NonNullable<JwtProvider["algorithms"]>;
};

/** Secrets never come by default: a public key could be taken for one. */
export function completeProvider(provider: JwtProvider): CompleteProvider {
  return { ...provider, algorithms: provider.algorithms ?? [...ASYMMETRIC_ALGORITHMS] };
}
