/** `windrose token`: a token signed with the development key, with defaults that config/quickstart.yaml accepts. */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { decodeJwt, decodeProtectedHeader, type JWTPayload, SignJWT } from "jose";
import { parseDuration } from "../engine/model/units.js";
import { publicJwk, signingAlgorithm } from "../identity/development-keys.js";
import { type CommandText, fail, printHelp, readFlags, refuseUsage } from "./command-line.js";
import { EXIT } from "./exit-codes.js";
import { writeJson } from "./terminal.js";

/** What config/quickstart.yaml expects. */
export const QUICKSTART_TOKEN = { issuer: "https://dev.windrose.local", audience: "api", subject: "alice", lifetimeSeconds: 3600 } as const;

/** Set by flags of their own. */
const RESERVED_CLAIMS = new Map([
  ["iss", "--issuer"],
  ["aud", "--audience"],
  ["sub", "--sub"],
  ["exp", "--expires"],
  ["scope", "--scope"],
]);

export const FLAGS = {
  sub: { type: "string", default: QUICKSTART_TOKEN.subject },
  scope: { type: "string" },
  claim: { type: "string", multiple: true },
  issuer: { type: "string", default: QUICKSTART_TOKEN.issuer },
  audience: { type: "string", default: QUICKSTART_TOKEN.audience },
  expires: { type: "string", default: "1h" },
  key: { type: "string", default: "certs/dev-jwt-key.pem" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

export const TEXT: CommandText = {
  usage: "token [--sub NAME] [--scope SCOPES] [--claim NAME=VALUE]... [--expires TIME] [--key FILE] [--json]",
  about: "Prints a token for development, signed with the key that `windrose certs dev` makes.",
  flags: [
    ["--sub NAME", `subject (default: ${QUICKSTART_TOKEN.subject})`],
    ["--scope SCOPES", "space-separated scopes"],
    ["--claim NAME=VALUE", "one more claim; JSON values are taken as such, everything else as text; may be repeated"],
    ["--issuer URL", `issuer (default: ${QUICKSTART_TOKEN.issuer})`],
    ["--audience NAME", `audience (default: ${QUICKSTART_TOKEN.audience})`],
    ["--expires TIME", "lifetime such as 30s, 15m, 1h30m; --expires=-1m makes an expired one (default: 1h)"],
    ["--key FILE", "private key, PEM (default: certs/dev-jwt-key.pem)"],
    ["--json", "print the token with its header and claims as JSON, for scripts"],
    ["-h, --help", "show this text"],
  ],
  examples: ["windrose token --sub bob --scope 'orders:read orders:write' --claim tenant=acme --claim admin=true"],
  words: [],
};

export interface TokenRequest {
  readonly key: KeyObject;
  readonly issuer: string;
  readonly audience: string;
  readonly subject: string;
  readonly claims: JWTPayload;
  /** Negative: already expired. */
  readonly lifetimeSeconds: number;
  readonly now: Date;
}

export async function token(args: readonly string[]): Promise<number> {
  const line = readFlags(args, FLAGS);
  if (!line.ok) return refuseUsage("token", line.message);
  const flags = line.values;
  if (flags.help) return printHelp(TEXT);
  const lifetimeSeconds = parseLifetimeSeconds(flags.expires);
  if (lifetimeSeconds === null) return refuseUsage("token", `--expires "${flags.expires}" is not a duration such as 30s, 15m or 1h30m`);
  const claims = readClaims(flags.claim ?? []);
  if (!claims.ok) return refuseUsage("token", claims.message);
  const key = readSigningKey(flags.key);
  if (!key.ok) return fail("token", key.message);
  const scope = flags.scope === undefined ? {} : { scope: flags.scope };
  const request = { key: key.key, issuer: flags.issuer, audience: flags.audience, subject: flags.sub, lifetimeSeconds, now: new Date() };
  const signed = await signToken({ ...request, claims: { ...claims.claims, ...scope } });
  if (flags.json) writeJson({ token: signed, header: decodeProtectedHeader(signed), claims: decodeJwt(signed) });
  else process.stdout.write(`${signed}\n`);
  return EXIT.ok;
}

/** A duration as configurations write it; a minus sign makes a token that has expired. Null: not a duration. */
function parseLifetimeSeconds(text: string): number | null {
  const isPast = text.startsWith("-");
  const lifetimeMs = parseDuration(isPast ? text.slice(1) : text);
  if (lifetimeMs === null) return null;
  return Math.ceil(lifetimeMs / 1000) * (isPast ? -1 : 1);
}

export async function signToken(request: TokenRequest): Promise<string> {
  const issuedAt = Math.floor(request.now.getTime() / 1000);
  const { kid, alg } = await publicJwk(request.key);
  return await new SignJWT(request.claims)
    .setProtectedHeader({ alg: alg ?? "ES256", kid, typ: "JWT" })
    .setIssuer(request.issuer)
    .setAudience(request.audience)
    .setSubject(request.subject)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + request.lifetimeSeconds)
    .sign(request.key);
}

type Claims = { readonly ok: true; readonly claims: JWTPayload } | { readonly ok: false; readonly message: string };

function readClaims(pairs: readonly string[]): Claims {
  const claims: [string, unknown][] = [];
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at <= 0) return { ok: false, message: `--claim "${pair}" is not NAME=VALUE` };
    const name = pair.slice(0, at);
    const flag = RESERVED_CLAIMS.get(name);
    if (flag !== undefined) return { ok: false, message: `the claim "${name}" is set with ${flag}` };
    claims.push([name, claimValue(pair.slice(at + 1))]);
  }
  return { ok: true, claims: Object.fromEntries(claims) };
}

function claimValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

type SigningKey = { readonly ok: true; readonly key: KeyObject } | { readonly ok: false; readonly message: string };

export function readSigningKey(path: string): SigningKey {
  try {
    const key = createPrivateKey(readFileSync(path));
    return signingAlgorithm(key) === null ? { ok: false, message: `${path}: keys of this type cannot sign tokens` } : { ok: true, key };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { ok: false, message: `${path} does not exist; "windrose certs dev" makes it` };
    // The decoder's own message may quote the input.
    return { ok: false, message: code === "EACCES" ? `${path} cannot be read (EACCES)` : `${path} is not a private key in PEM form` };
  }
}
