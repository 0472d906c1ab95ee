/**
 * What every listener demands of a request's head, whoever parsed it: the method, the target, and what of a refused head may
 * reach logs and local replies. Pure.
 */
import type { ErrorCode } from "../engine/model/errors.js";
import type { RequestHead } from "../engine/model/request.js";

export interface HeadPolicy {
  readonly scheme: "http" | "https";
  /** 0: unlimited. */
  readonly maxBodyBytes: number;
  readonly maxHeaderBytes: number;
  readonly refuseUnderscoreHeaders: boolean;
}

/** The outcome for one request; `code` is null when it may enter. */
export class HeadVerdict {
  readonly head: RequestHead;
  code: ErrorCode | null = null;
  detail = "";

  constructor(head: RequestHead) {
    this.head = head;
  }

  /** The first reason counts. */
  refuse(code: ErrorCode, detail: string): void {
    if (this.code !== null) return;
    this.code = code;
    this.detail = detail;
  }
}

export const NAME_WITH_UNDERSCORE = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
export const CONTROL = /[\x00-\x08\x0a-\x1f\x7f\ufffd]/;
export const HOST = /^(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,254}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/;
const ODD_IN_TARGET = /[^\x21-\x22\x24-\x7e]/;
const FORBIDDEN_IN_TARGET = /[\x00-\x20#\x7f\ufffd]/;
const NON_ASCII_RUN = /[\x80-\uffff]+/g;
const METHOD = /^[A-Z](?:[A-Z-]{0,30}[A-Z])?$/;
const METHOD_TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export function checkMethod(verdict: HeadVerdict, method: string): void {
  if (method === "GET" || method === "POST") return;
  if (!METHOD_TOKEN.test(method)) verdict.refuse("bad-request", "malformed method");
  else if (!METHOD.test(method) || method === "CONNECT" || method === "TRACE") {
    verdict.refuse("method-not-supported", "this method is not supported");
  }
}

export function checkTarget(verdict: HeadVerdict): void {
  const { head } = verdict;
  const { path, query } = head;
  // `//host/…` may be taken for an authority by whoever resolves it later.
  if (path.charCodeAt(0) !== 0x2f || path.charCodeAt(1) === 0x2f) verdict.refuse("bad-request", "malformed request target");
  if (ODD_IN_TARGET.test(path)) head.path = asciiTarget(verdict, path);
  if (query !== undefined && query !== "" && ODD_IN_TARGET.test(query)) head.query = asciiTarget(verdict, query);
}

/** Raw UTF-8 in a target is not valid (RFC 3986) but sent by sloppy clients: percent-encoded it means the same. */
function asciiTarget(verdict: HeadVerdict, text: string): string {
  const encoded = FORBIDDEN_IN_TARGET.test(text) ? null : percentEncode(text);
  if (encoded !== null) return encoded;
  verdict.refuse("bad-request", "forbidden character in the request target");
  return text;
}

function percentEncode(text: string): string | null {
  try {
    return text.replace(NON_ASCII_RUN, encodeURIComponent);
  } catch {
    return null; // lone surrogate
  }
}

export function refuseName(verdict: HeadVerdict, name: string): void {
  const isUnderscore = NAME_WITH_UNDERSCORE.test(name);
  verdict.refuse("bad-request", isUnderscore ? "header names with an underscore are refused" : "malformed header name");
}

/** A refused head still goes to logs and to the local reply: it must hold nothing that could hurt there. */
export function cleanRefusedHead(head: RequestHead): void {
  const { headers } = head;
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (CONTROL.test(value) || !NAME_WITH_UNDERSCORE.test(name)) continue;
    headers[kept++] = name;
    headers[kept++] = value;
  }
  headers.length = kept;
  if (!METHOD_TOKEN.test(head.method)) head.method = "-";
  if (!HOST.test(head.authority)) head.authority = "";
  head.path = head.path.replace(/[^\x21-\x7e]/g, "?");
  if (head.query !== undefined) head.query = head.query.replace(/[^\x21-\x7e]/g, "?");
}
