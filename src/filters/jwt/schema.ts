/** Settings of the `jwt` filter: which provider's tokens open the route, and what becomes of the token and its claims. */
import { z } from "zod";
import type { FilterFacts } from "../../engine/model/filter-facts.js";
import { headerName } from "../fields.js";

const claimToHeader = z
  .strictObject({
    claim: z
      .string()
      .min(1)
      .max(256)
      .describe("Name of a claim; dots go into nested objects (`address.country`). Lists are joined with `,`; objects are not sent."),
    header: headerName.describe(
      "Request header that carries the claim to the service. Whatever the client sends under this name is always removed.",
    ),
  })
  .describe("One claim sent upstream as a request header.");

const tokenSource = z
  .strictObject({
    header: headerName
      .prefault("authorization")
      .describe("Request header that holds the token. Several of them in one request are refused."),
    scheme: z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9+.-]{0,30}$|^$/, "not an authentication scheme")
      .default("Bearer")
      .describe('Word before the token, in any case. `""`: the whole value is the token.'),
  })
  .prefault({})
  .describe("Where the token is found. Tokens in the query are not supported: they end up in logs.");

export const schema = z
  .strictObject({
    provider: z.string().min(1).describe("Name of an entry of `providers.jwt`, whose keys, issuer and audiences are checked."),
    required: z
      .boolean()
      .default(true)
      .describe("False lets requests without a token through, without a principal. A bad token is refused either way."),
    forwardToken: z
      .boolean()
      .default(true)
      .describe(
        "Whether the service gets the token too. False removes it, so that the service cannot use it elsewhere in the caller's name.",
      ),
    requireExp: z
      .boolean()
      .default(true)
      .describe("Refuse tokens without `exp`. Danger: with false a stolen token without `exp` is good for as long as its key is."),
    scopes: z
      .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, "not a scope (no blanks or quotes)"))
      .max(32)
      .default([])
      .describe("Scopes that must all be in the token's `scope` or `scp` claim; otherwise 403."),
    claimsToHeaders: z.array(claimToHeader).max(32).prefault([]).describe("Claims that the service gets as request headers."),
    tokenFrom: tokenSource,
    realm: z
      .string()
      .regex(/^[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}$/, "printable ASCII without quotes and backslashes")
      .default("windrose")
      .describe("`realm` of the `WWW-Authenticate` challenge in 401 and 403 answers."),
  })
  .superRefine((config, context) => {
    config.claimsToHeaders.forEach(({ header }, index) => {
      if (header !== config.tokenFrom.header) return;
      context.addIssue({
        code: "custom",
        path: ["claimsToHeaders", index, "header"],
        message: `\`${header}\` is where the token comes from`,
      });
    });
  })
  .describe("Lets a request through only with a valid JSON Web Token; everything after it may use the token's claims.");

export type JwtConfig = z.output<typeof schema>;

export function facts(config: JwtConfig): FilterFacts {
  return { jwtProvider: config.provider, readsPrincipal: false, alwaysReplies: false };
}
