/**
 * `method SP request-target SP HTTP-version`: the first line of a request (RFC 9112 §3), and the four forms of its target.
 * What it reads goes straight into the request; where a line is not as it should be, the reason is looked for afterwards.
 */
import { isAuthority, isAuthorityWithPort } from "./authority.js";
import { isToken } from "./field-names.js";
import type { StartLine } from "./head-parser.js";
import { uncleanRefusal } from "./head-parser.js";
import type { ReceivedRequest } from "./incoming-request.js";
import type { Http1Limits, Refusal } from "./refusal.js";

/** ` HTTP/1.1`. */
const VERSION_CHARS = 9;
const VERSION_PREFIX = " HTTP/1.";
const MAX_METHOD_CHARS = 32;
/** Everything visible but `#`: browsers send more than RFC 3986 allows, and nothing of it can be misread in a request line. */
const TARGET = /^[!-"$-~]+$/;
const ABSOLUTE = /^(https?):\/\/([^/?]*)(.*)$/i;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:/;
const LF = 10;
const CR = 13;
const SLASH = 47;
const ZERO = 48;

export class RequestLine implements StartLine {
  readonly role = "request";
  readonly maxBytes: number;
  readonly sizeRefusal = "request-line-too-large";
  readonly maxEmptyLines: number;

  readonly #request: ReceivedRequest;

  constructor(request: ReceivedRequest, limits: Http1Limits) {
    this.#request = request;
    this.maxBytes = Math.min(limits.maxRequestLineBytes, limits.maxHeadBytes);
    this.maxEmptyLines = limits.maxEmptyLines;
  }

  /** Whatever speaks TLS or a binary protocol is noticed by its first byte. A CR may begin an empty line. */
  refuseBeginning(text: string, start: number): Refusal | null {
    const first = text.charCodeAt(start);
    if ((first >= 65 && first <= 90) || first === CR) return null;
    if (first === LF) return "bare-lf";
    return isToken(text.charAt(start)) ? null : "bad-request-line";
  }

  read(text: string, start: number, end: number): Refusal | null {
    const methodEnd = text.indexOf(" ", start);
    const targetEnd = end - VERSION_CHARS;
    const minor = text.charCodeAt(end - 1) - ZERO;
    const isShaped = methodEnd !== -1 && methodEnd < targetEnd && text.startsWith(VERSION_PREFIX, targetEnd) && minor >= 0 && minor <= 9;
    if (!isShaped) return lineRefusal(text.substring(start, end));
    const request = this.#request;
    request.method = text.substring(start, methodEnd);
    request.target = text.substring(methodEnd + 1, targetEnd);
    // RFC 9110 §2.5: a higher minor version is processed as the highest that is known.
    request.minorVersion = minor === 0 ? 0 : 1;
    if (!isMethod(request.method) || !TARGET.test(request.target)) return lineRefusal(text.substring(start, end));
    return this.#readTarget(request.target);
  }

  #readTarget(target: string): Refusal | null {
    const request = this.#request;
    if (request.method === "CONNECT") return this.#authorityForm(target);
    if (target.charCodeAt(0) === SLASH) {
      this.#readPath(target);
      return null;
    }
    if (target !== "*") return this.#absoluteForm(target);
    request.form = "asterisk";
    request.path = "*";
    return request.method === "OPTIONS" ? null : "bad-target";
  }

  /** RFC 9112 §3.2.3: nothing but host and port. */
  #authorityForm(target: string): Refusal | null {
    const request = this.#request;
    request.form = "authority";
    if (target.includes("@")) return "userinfo-in-target";
    if (!isAuthorityWithPort(target)) return "bad-target";
    request.authority = target;
    return null;
  }

  /** RFC 9112 §3.2.2; RFC 9110 §4.2.1 and §4.2.4 for what the authority may not be. */
  #absoluteForm(target: string): Refusal | null {
    const request = this.#request;
    const parts = ABSOLUTE.exec(target);
    if (parts === null) return SCHEME.test(target) && !/^https?:/i.test(target) ? "unsupported-scheme" : "bad-target";
    const [, scheme, authority, rest] = parts as unknown as readonly [string, string, string, string];
    request.form = "absolute";
    if (authority.includes("@")) return "userinfo-in-target";
    if (!isAuthority(authority)) return "bad-target";
    request.scheme = scheme.length === 4 ? "http" : "https";
    request.authority = authority;
    if (rest === "" && request.method === "OPTIONS") request.path = "*";
    else this.#readPath(rest.charCodeAt(0) === SLASH ? rest : `/${rest}`);
    return null;
  }

  #readPath(text: string): void {
    const request = this.#request;
    const mark = text.indexOf("?");
    request.path = mark === -1 ? text : text.substring(0, mark);
    request.query = mark === -1 ? undefined : text.substring(mark + 1);
  }
}

function isMethod(text: string): boolean {
  return text === "GET" || text === "POST" || (text.length <= MAX_METHOD_CHARS && isToken(text));
}

/** What is wrong with a line that is known to be wrong. */
function lineRefusal(line: string): Refusal {
  const unclean = uncleanRefusal(line, 0, line.length);
  if (unclean !== null) return unclean;
  const parts = line.split(" ");
  const [method, target, version] = parts as [string, string, string];
  if (parts.length !== 3 || target === "" || !/^HTTP\/[0-9]\.[0-9]$/.test(version)) return "bad-request-line";
  if (!isToken(method)) return "bad-method";
  if (method.length > MAX_METHOD_CHARS) return "method-too-long";
  if (!version.startsWith("HTTP/1.")) return "unsupported-version";
  return target.includes("#") ? "fragment-in-target" : "bad-target";
}
