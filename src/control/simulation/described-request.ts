/**
 * Reads a request that somebody describes: `GET https://api.example.com/orders/1` and what comes with it. Paths stay as
 * they are written (a URL parser would resolve `/../` before the gateway could refuse it); whether the gateway accepts
 * them is not judged here.
 */
import { isIP } from "node:net";
import type { RequestDescription } from "../../engine/model/explanation.js";
import type { HeaderList } from "../../engine/model/request.js";

/** An address that no trusted proxy has (RFC 5737). */
export const ASSUMED_ADDRESS = "192.0.2.1";

/** A request as the simulation takes it. */
export interface DescribedRequest {
  readonly method: string;
  readonly scheme: "http" | "https";
  readonly authority: string;
  /** Of the URL; null when it names none. */
  readonly port: number | null;
  readonly path: string;
  readonly query: string | undefined;
  /** Names lower case, without `host`; values are text, not bytes. */
  readonly headers: Readonly<HeaderList>;
  /** At most one of `token` and `claims` is set. Secret. */
  readonly token: string | null;
  /** Taken for those of a verified token. */
  readonly claims: Readonly<Record<string, unknown>> | null;
  readonly identity: string | null;
  readonly address: string;
  readonly listener: string | null;
}

export type DescribedResult =
  | { readonly ok: true; readonly request: DescribedRequest }
  /** `field`: of the description, "" for the whole. */
  | { readonly ok: false; readonly field: string; readonly message: string };

const MAX_TEXT_CHARS = 65_536;
const MAX_HEADERS = 256;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const REQUEST = /^(?:([^\s/:?#]+)[ \t]+)?([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#\s]*)([^?#\s]*)(?:\?([^#\s]*))?(#\S*)?$/;
const FIELD_NAME = TOKEN;
const FORBIDDEN_IN_VALUE = /[\x00\x0a\x0d]/;
const PORT = /:([0-9]{1,5})$/;

/** Everything may be wrong with it: it comes from command lines, test files and the admin API. */
export function readDescription(description: RequestDescription, claims: DescribedRequest["claims"] = null): DescribedResult {
  const line = readRequestLine(description.request);
  if (typeof line === "string") return refused("request", line);
  const fields = readFields(description.headers ?? []);
  if (typeof fields === "string") return refused("headers", fields);
  const address = description.address ?? ASSUMED_ADDRESS;
  if (isIP(address) === 0) return refused("address", "is not an IP address");
  const { jwt = null, identity = null, listener = null } = description;
  if (jwt !== null && (jwt.length > MAX_TEXT_CHARS || FORBIDDEN_IN_VALUE.test(jwt))) return refused("jwt", "is not a token");
  if (identity !== null && !/^[\x21-\x7e]{1,512}$/.test(identity)) return refused("identity", "is not a name as certificates hold it");
  const authority = fields.host ?? line.authority;
  return { ok: true, request: { ...line, authority, headers: fields.headers, token: jwt, claims, identity, address, listener } };
}

function refused(field: string, message: string): DescribedResult {
  return { ok: false, field, message };
}

type RequestLine = Pick<DescribedRequest, "method" | "scheme" | "authority" | "port" | "path" | "query">;

/** The text of what is wrong, or what was read. */
export function readRequestLine(text: string): RequestLine | string {
  if (text.length > MAX_TEXT_CHARS) return "is too long";
  const parts = REQUEST.exec(text.trim());
  if (parts === null) return "is not a method and an absolute URL, such as GET https://api.example.com/orders/1";
  const [, method = "GET", schemeText = "", authority = "", path = "", query, fragment] = parts;
  const scheme = schemeText.toLowerCase();
  if (scheme !== "http" && scheme !== "https") return `has the scheme ${schemeText}; only http and https are routed`;
  if (authority === "") return "has no host";
  if (authority.includes("@")) return "names a user; clients send that as an Authorization header";
  if (fragment !== undefined) return "has a fragment (#…), which clients do not send";
  if (!TOKEN.test(method)) return "has a method that is no token";
  const digits = PORT.exec(authority)?.[1];
  const port = digits === undefined || (authority.startsWith("[") && authority.endsWith("]")) ? null : Number(digits);
  return { method, scheme, authority, port, path: path === "" ? "/" : path, query };
}

/** `host` replaces the one of the URL, as with curl. */
function readFields(given: NonNullable<RequestDescription["headers"]>): { headers: HeaderList; host: string | null } | string {
  if (given.length > MAX_HEADERS) return `are more than ${MAX_HEADERS}`;
  const headers: HeaderList = [];
  let host: string | null = null;
  for (const [name, value] of given) {
    if (!FIELD_NAME.test(name)) return `hold ${JSON.stringify(name.slice(0, 80))}, which is no header name`;
    if (value.length > MAX_TEXT_CHARS || FORBIDDEN_IN_VALUE.test(value)) return `hold a value of ${name} that cannot be sent`;
    const lower = name.toLowerCase();
    if (lower === "host") host = value.trim();
    else headers.push(lower, value.trim());
  }
  return { headers, host };
}
