/** The flags that describe a request: what `windrose explain` takes in place of a request that is sent. */
import { readFileSync, statSync } from "node:fs";
import type { RequestDescription } from "../engine/model/explanation.js";

export const REQUEST_FLAGS = {
  request: { type: "string", short: "r" },
  header: { type: "string", short: "H", multiple: true },
  jwt: { type: "string" },
  identity: { type: "string" },
  address: { type: "string" },
  listener: { type: "string" },
} as const;

export const REQUEST_FLAGS_HELP: readonly (readonly [flag: string, meaning: string])[] = [
  ["-r, --request TEXT", "method and absolute URL; without a method it is GET"],
  ["-H, --header 'N: V'", "one more header; may be repeated"],
  ["--jwt TOKEN|@FILE", "a token, put where the route's jwt filter looks for it"],
  ["--identity NAME", "name in the client's certificate, such as spiffe://example.internal/service/web"],
  ["--address IP", "the client's address (default: one that no trusted proxy has)"],
  ["--listener NAME", "the listener (default: the first that takes the URL's scheme, port and host)"],
];

export interface RequestFlagValues {
  readonly request?: string | undefined;
  readonly header?: readonly string[] | undefined;
  readonly jwt?: string | undefined;
  readonly identity?: string | undefined;
  readonly address?: string | undefined;
  readonly listener?: string | undefined;
}

export type RequestFlagsResult =
  | { readonly ok: true; readonly description: RequestDescription }
  | { readonly ok: false; readonly message: string };

const MAX_TOKEN_BYTES = 65_536;

export function readRequestFlags({ request, header = [], jwt, identity, address, listener }: RequestFlagValues): RequestFlagsResult {
  if (request === undefined) return { ok: false, message: "say which request: --request 'GET https://api.example.com/orders/1'" };
  const headers: [string, string][] = [];
  for (const text of header) {
    const colon = text.indexOf(":");
    // The value is not repeated: it may be a secret.
    if (colon <= 0) return { ok: false, message: "--header must be 'name: value'" };
    headers.push([text.slice(0, colon).trim(), text.slice(colon + 1).trim()]);
  }
  const token = jwt === undefined ? { ok: true as const, value: undefined } : readToken(jwt);
  if (!token.ok) return token;
  const given = Object.entries({ jwt: token.value, identity, address, listener }).filter(([, value]) => value !== undefined);
  return { ok: true, description: { request, headers, ...Object.fromEntries(given) } };
}

function readToken(text: string): { ok: true; value: string } | { ok: false; message: string } {
  if (!text.startsWith("@")) return { ok: true, value: text };
  const path = text.slice(1);
  try {
    if (statSync(path).size > MAX_TOKEN_BYTES) return { ok: false, message: `${path} is too large for a token` };
    return { ok: true, value: readFileSync(path, "utf8").trim() };
  } catch (error) {
    return { ok: false, message: `cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? "unknown error"}` };
  }
}
