/**
 * Brings a request path into the one form that routes match and services receive (RFC 3986 §6.2.2), so that no
 * spelling of a path slips past a route that guards it. Applying it twice changes nothing more.
 */
import type { HardeningSpec } from "../model/snapshot.js";

export type NormalisedPath = { readonly ok: true; readonly path: string } | { readonly ok: false; readonly reason: string };
export type PathHardening = Pick<HardeningSpec, "normalisePath" | "refuseEncodedSlashes">;

const NO_SLASH = refusal("the path does not begin with /");
const BAD_ESCAPE = refusal("the path holds a malformed percent-encoding");
const ENCODED_SLASH = refusal("the path holds an encoded slash, backslash or NUL");

const NEEDS_ATTENTION = /[%\\]|\/\/|\/\.{1,2}(?:\/|$)/;
const BAD_ESCAPE_PATTERN = /%(?![0-9A-Fa-f]{2})/;
const ENCODED_SLASH_PATTERN = /\\|%(?:2[Ff]|5[Cc]|00)/;
const UNRESERVED = /[A-Za-z0-9._~-]/;
const SLASHES_OR_DOTS = /\/\/|\/\.{1,2}(?:\/|$)/;

/** `rawPath` has no query. Reasons are for the caller of the gateway: they quote nothing of the request. */
export function normalisePath(rawPath: string, hardening: PathHardening): NormalisedPath {
  if (rawPath.charCodeAt(0) !== 0x2f) return NO_SLASH;
  if (!NEEDS_ATTENTION.test(rawPath)) return { ok: true, path: rawPath };
  if (hardening.refuseEncodedSlashes && ENCODED_SLASH_PATTERN.test(rawPath)) return ENCODED_SLASH;
  if (!hardening.normalisePath) return { ok: true, path: rawPath };
  if (BAD_ESCAPE_PATTERN.test(rawPath)) return BAD_ESCAPE;
  const decoded = rawPath.includes("%") ? rawPath.replace(/%../g, normaliseEscape) : rawPath;
  return { ok: true, path: SLASHES_OR_DOTS.test(decoded) ? resolveSegments(decoded) : decoded };
}

function refusal(reason: string): NormalisedPath {
  return Object.freeze({ ok: false, reason });
}

/** Unreserved characters need no escape; the others keep theirs, in upper case (RFC 3986 §6.2.2.1, §6.2.2.2). */
function normaliseEscape(encoded: string): string {
  const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
  return UNRESERVED.test(character) ? character : encoded.toUpperCase();
}

/**
 * Merges slashes and resolves `.` and `..`, in this order as file systems do: `/a//../b` is `/b`. The root is its
 * own parent. A path that names a directory keeps its trailing slash.
 */
function resolveSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.split("/");
  for (const segment of segments) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  const last = segments[segments.length - 1];
  const isDirectory = last === "" || last === "." || last === "..";
  return kept.length === 0 ? "/" : `/${kept.join("/")}${isDirectory ? "/" : ""}`;
}
