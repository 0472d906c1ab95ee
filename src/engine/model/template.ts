/**
 * Templates in settings, as in `tenant-{jwt.tenant}`: parsed once into a list of parts, rendered per exchange.
 * Rendering for a header can never add a line or a byte that a header field must not hold, whatever a token's claims
 * or the client's own headers say: a value with a control character counts as missing, other text becomes UTF-8 bytes.
 */
import { headerValue, type Principal } from "./request.js";

export type TemplatePart =
  | { readonly type: "text"; readonly value: string }
  /** Dotted path into the principal's claims. */
  | { readonly type: "claim"; readonly path: string }
  /** Lower case. */
  | { readonly type: "header"; readonly name: string }
  | { readonly type: "field"; readonly field: TemplateField };

const FIELDS = ["client.ip", "request.id", "request.method", "request.path", "request.host", "request.query", "route", "listener"] as const;
export type TemplateField = (typeof FIELDS)[number];

export interface Template {
  readonly parts: readonly TemplatePart[];
  /** Holds a `{jwt.…}`: worth nothing unless a jwt filter ran before. */
  readonly readsPrincipal: boolean;
}

export interface TemplateProblem {
  /** Where in the text, in characters from 0. */
  readonly offset: number;
  readonly message: string;
  readonly hint: string;
}

export type TemplateResult = { readonly ok: true; readonly template: Template } | { readonly ok: false; readonly problem: TemplateProblem };

/** What placeholders read; a `FilterContext` is one. */
export interface TemplateContext {
  readonly requestId: string;
  readonly clientAddress: string;
  readonly routeName: string;
  readonly listenerName: string;
  readonly request: {
    readonly method: string;
    readonly host: string;
    readonly path: string;
    readonly query: string | undefined;
    readonly headers: readonly string[];
  };
  readonly principal: Principal | null;
}

const KNOWN = "{jwt.<claim>}, {client.ip}, {request.id|method|host|path|query}, {request.header.<name>}, {route}, {listener}";
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** `{{` and `}}` stand for the braces themselves; a single `}` outside a placeholder is plain text. */
export function parseTemplate(source: string): TemplateResult {
  const parts: TemplatePart[] = [];
  let text = "";
  let at = 0;
  while (at < source.length) {
    const char = source[at] as string;
    if ((char === "{" || char === "}") && source[at + 1] === char) {
      text += char;
      at += 2;
    } else if (char === "{") {
      const end = source.indexOf("}", at);
      if (end < 0) return refusal(at, "placeholder is not closed", "write `{{` for a plain brace");
      const part = parsePlaceholder(source.slice(at + 1, end));
      if (typeof part === "string") return refusal(at, part, `known are ${KNOWN}; write \`{{\` for a plain brace`);
      if (text !== "") parts.push({ type: "text", value: text });
      text = "";
      parts.push(part);
      at = end + 1;
    } else {
      text += char;
      at++;
    }
  }
  if (text !== "") parts.push({ type: "text", value: text });
  return { ok: true, template: { parts, readsPrincipal: parts.some((part) => part.type === "claim") } };
}

function refusal(offset: number, message: string, hint: string): TemplateResult {
  return { ok: false, problem: { offset, message, hint } };
}

function parsePlaceholder(name: string): TemplatePart | string {
  const field = FIELDS.find((known) => known === name);
  if (field !== undefined) return { type: "field", field };
  if (name.startsWith("jwt.")) return parseClaim(name.slice(4));
  if (name.startsWith("request.header.")) {
    const header = name.slice(15).toLowerCase();
    return TOKEN.test(header) ? { type: "header", name: header } : `\`{${name}}\` does not name a header`;
  }
  return `\`{${name}}\` is not a known placeholder`;
}

function parseClaim(path: string): TemplatePart | string {
  const isPath = path !== "" && !/[\s{}\p{Cc}]/u.test(path) && !path.split(".").includes("");
  return isPath ? { type: "claim", path } : "`{jwt.…}` needs the name of a claim, like `{jwt.sub}` or `{jwt.address.country}`";
}

/** For text that a schema has already let through. */
export function compileTemplate(source: string): Template {
  const parsed = parseTemplate(source);
  if (!parsed.ok) throw new Error(`unchecked template: ${parsed.problem.message}`);
  return parsed.template;
}

/** One placeholder without text around it, for settings such as a rate limit's `key: jwt.sub`. */
export function templateOf(part: TemplatePart): Template {
  return { parts: [part], readsPrincipal: part.type === "claim" };
}

/**
 * For a header field: bytes as latin1 characters, without control characters and outer blanks. Missing values are
 * empty; a template that is one placeholder alone gives null when its value is missing, and the field is left out.
 */
export function renderHeader(template: Template, context: TemplateContext): string | null {
  const parts = template.parts;
  if (parts.length === 1) {
    const only = renderHeaderPart(parts[0] as TemplatePart, context);
    return only === null ? null : trimBlanks(only);
  }
  let value = "";
  for (const part of parts) value += renderHeaderPart(part, context) ?? "";
  return trimBlanks(value);
}

/** Only blanks and tabs: `trim()` would also take the last byte of an `à`. */
function trimBlanks(value: string): string {
  return value.replace(/^[ \t]+|[ \t]+$/g, "");
}

function renderHeaderPart(part: TemplatePart, context: TemplateContext): string | null {
  const value = partValue(part, context);
  if (value === null) return null;
  return part.type === "text" || part.type === "claim" ? headerBytes(value) : fieldBytes(value);
}

/** For a text, such as a body: missing values are empty, nothing else is changed. */
export function renderText(template: Template, context: TemplateContext): string {
  let text = "";
  for (const part of template.parts) text += partValue(part, context) ?? "";
  return text;
}

/** For a lookup key: the values as they are; null when any placeholder has none. */
export function renderKey(template: Template, context: TemplateContext): string | null {
  let key = "";
  for (const part of template.parts) {
    const value = partValue(part, context);
    if (value === null) return null;
    key += value;
  }
  return key;
}

function partValue(part: TemplatePart, context: TemplateContext): string | null {
  switch (part.type) {
    case "text":
      return part.value;
    case "claim":
      return context.principal === null ? null : claimText(context.principal.claims, part.path);
    case "header":
      return joinedHeader(context.request.headers, part.name);
    case "field":
      return fieldValue(part.field, context);
  }
}

function fieldValue(field: TemplateField, context: TemplateContext): string | null {
  switch (field) {
    case "client.ip":
      return context.clientAddress;
    case "request.id":
      return context.requestId;
    case "request.method":
      return context.request.method;
    case "request.path":
      return context.request.path;
    case "request.host":
      return context.request.host;
    case "request.query":
      return context.request.query ?? null;
    case "route":
      return context.routeName;
    case "listener":
      return context.listenerName;
  }
}

/** Several fields of one name are one list (RFC 9110 §5.3). */
function joinedHeader(headers: readonly string[], name: string): string | null {
  const first = headerValue(headers, name);
  if (first === undefined) return null;
  let joined = "";
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === name) joined = joined === "" ? (headers[i + 1] as string) : `${joined}, ${headers[i + 1]}`;
  }
  return joined;
}

/**
 * A claim as text: strings, numbers and booleans; a list of them joined with `,`; null for all else. A claim whose own
 * name holds dots (`https://example.com/tenant`) wins over a nested one.
 */
export function claimText(claims: Readonly<Record<string, unknown>>, path: string): string | null {
  return textOf(claimAt(claims, path));
}

function claimAt(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  if (!path.includes(".")) return undefined;
  let value: unknown = claims;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

function textOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (!Array.isArray(value) || value.length === 0) return null;
  return value.every((item) => typeof item === "string" || typeof item === "number") ? value.join(",") : null;
}

/** A claim as the value of a header; null when it has none that may be sent. */
export function claimHeader(claims: Readonly<Record<string, unknown>>, path: string): string | null {
  const text = claimText(claims, path);
  const bytes = text === null ? null : headerBytes(text);
  return bytes === null ? null : trimBlanks(bytes);
}

/** Unicode text as the bytes of its UTF-8 form; null when it may not stand in a header (RFC 9110 §5.5). */
export function headerBytes(text: string): string | null {
  if (/^[\t\x20-\x7e]*$/.test(text)) return text;
  // Lone surrogates have no UTF-8 form.
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(text) || /\p{Cs}/u.test(text)) return null;
  let bytes = "";
  for (const char of text) bytes += utf8(char.codePointAt(0) as number);
  return bytes;
}

/** Text that already is bytes, as parts of a request are. */
function fieldBytes(text: string): string | null {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text) ? text : null;
}

function utf8(codePoint: number): string {
  if (codePoint < 0x80) return String.fromCharCode(codePoint);
  if (codePoint < 0x800) return String.fromCharCode(0xc0 | (codePoint >> 6), tail(codePoint));
  if (codePoint < 0x10000) return String.fromCharCode(0xe0 | (codePoint >> 12), tail(codePoint >> 6), tail(codePoint));
  return String.fromCharCode(0xf0 | (codePoint >> 18), tail(codePoint >> 12), tail(codePoint >> 6), tail(codePoint));
}

function tail(bits: number): number {
  return 0x80 | (bits & 0x3f);
}
