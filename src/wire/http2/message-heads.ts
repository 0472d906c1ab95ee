/** What the fields of a request, a response and trailers must be (RFC 9113 §8.3, §8.5, RFC 8441 §4). */
import type { Http2RequestHead, Http2ResponseHead } from "./events.js";
import type { FieldSection } from "./field-section.js";
import { decimal } from "./field-section.js";
import type { MessageReason } from "./refusal.js";

/** RFC 9110 §9.1, §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** RFC 3986 §3.1. */
const SCHEME = /^[A-Za-z][A-Za-z0-9+\-.]*$/;
/** Chars of host and port (RFC 3986 §3.2); no userinfo (§8.3.1). */
const AUTHORITY = /^[!$&'()*+,;=:%\-._~0-9A-Za-z[\]]+$/;
/** No white space, no control bytes, no fragment. */
const PATH = /^[^\x00-\x20\x7f#]+$/;
const SLASH = 47;

export function requestHead(section: FieldSection, allowsExtendedConnect: boolean, isEnd: boolean): Http2RequestHead | MessageReason {
  const refusal = section.refusal ?? requestRefusal(section, allowsExtendedConnect);
  if (refusal !== null) return refusal;
  if (isEnd && section.contentLength > 0) return "length-mismatch";
  return {
    method: section.method as string,
    scheme: section.scheme ?? "",
    authority: section.authority ?? section.host ?? "",
    path: section.path ?? "",
    protocol: section.protocol ?? "",
    headers: section.headers,
    bodyLength: isEnd ? 0 : section.contentLength,
    acceptsTrailers: section.acceptsTrailers,
  };
}

function requestRefusal(section: FieldSection, allowsExtendedConnect: boolean): MessageReason | null {
  const { method, path, protocol, scheme } = section;
  if (method === null) return "missing-pseudo-field";
  if (!TOKEN.test(method)) return "bad-method";
  if (protocol !== null) {
    if (!allowsExtendedConnect || method !== "CONNECT") return "forbidden-pseudo-field";
    if (!TOKEN.test(protocol)) return "bad-protocol";
  } else if (method === "CONNECT") return connectRefusal(section);
  if (scheme === null || path === null) return "missing-pseudo-field";
  if (!SCHEME.test(scheme)) return "bad-scheme";
  return pathRefusal(method, scheme, path) ?? authorityRefusal(section);
}

/** §8.5: `:scheme` and `:path` are absent, `:authority` is not. */
function connectRefusal({ authority, host, path, scheme }: FieldSection): MessageReason | null {
  if (scheme !== null || path !== null) return "forbidden-pseudo-field";
  if (authority === null) return "missing-pseudo-field";
  if (host !== null && !isSame(host, authority)) return "authority-and-host";
  return AUTHORITY.test(authority) ? null : "bad-authority";
}

/** §8.3.1: not empty; with http and https it begins with a slash, or is `*` for OPTIONS. */
function pathRefusal(method: string, scheme: string, path: string): MessageReason | null {
  if (!PATH.test(path)) return "bad-path";
  if (path.charCodeAt(0) === SLASH || !isHttp(scheme)) return null;
  return path === "*" && method === "OPTIONS" ? null : "bad-path";
}

/** §8.3.1: one of `:authority` and Host, both only if they say the same. */
function authorityRefusal({ authority, host, scheme }: FieldSection): MessageReason | null {
  const given = authority ?? host;
  if (given === null) return isHttp(scheme as string) ? "missing-pseudo-field" : null;
  if (authority !== null && host !== null && !isSame(host, authority)) return "authority-and-host";
  return AUTHORITY.test(given) ? null : "bad-authority";
}

function isHttp(scheme: string): boolean {
  return scheme === "https" || scheme === "http";
}

function isSame(host: string, authority: string): boolean {
  return host === authority || host.toLowerCase() === authority.toLowerCase();
}

/** The status of a response, 100 to 599, or why it is malformed. HTTP/2 has no 101 (§8.6). */
export function responseStatus(section: FieldSection): number | MessageReason {
  if (section.refusal !== null) return section.refusal;
  if (section.status === null) return "missing-pseudo-field";
  const status = section.status.length === 3 ? decimal(section.status) : -1;
  if (status < 100 || status > 599 || status === 101) return "bad-status";
  // RFC 9110 §8.6: a zero length is common and says nothing new.
  return section.contentLength > 0 && (status < 200 || status === 204) ? "body-without-right" : status;
}

/** @param hasBody false: the request was HEAD, or the status allows none; a length then describes what a GET would bring */
export function responseHead(
  section: FieldSection,
  status: number,
  end: { isEnd: boolean; hasBody: boolean },
): Http2ResponseHead | MessageReason {
  const { contentLength } = section;
  if (end.isEnd && end.hasBody && contentLength > 0) return "length-mismatch";
  return { status, headers: section.headers, bodyLength: end.isEnd && end.hasBody ? 0 : contentLength };
}
