/**
 * The part of a request that consistent hashing goes by, as 32 bits. Values are taken as the route's filters leave them; an
 * empty one counts as missing, or all requests with an empty cookie would go to one endpoint.
 */
import { hashRange, hashText } from "../engine/balancing/hash.js";
import type { HashOnSpec } from "../engine/model/snapshot.js";
import { renderKey, type Template, type TemplateContext, type TemplatePart, templateOf } from "../engine/model/template.js";

export interface HashKey {
  /** @param random 0 ≤ random < 1: decides when the request has no key, and nothing else is to */
  of(context: TemplateContext, random: number): number;
}

export function createHashKey(spec: HashOnSpec): HashKey {
  const fallback = spec.fallback === "random" ? null : templateOf(partOf(spec.fallback, ""));
  if (spec.type === "cookie") return new CookieKey(spec.name, fallback);
  return new TemplateKey(templateOf(partOf(spec.type, spec.name)), fallback);
}

function partOf(type: Exclude<HashOnSpec["type"], "cookie">, name: string): TemplatePart {
  switch (type) {
    case "header":
      return { type, name };
    case "claim":
      return { type, path: name };
    case "address":
      return { type: "field", field: "client.ip" };
    case "path":
      return { type: "field", field: "request.path" };
  }
}

function fallBack(template: Template | null, context: TemplateContext, random: number): number {
  if (template === null) return Math.floor(random * 2 ** 32);
  return hashText(renderKey(template, context) ?? "");
}

class TemplateKey implements HashKey {
  readonly #template: Template;
  readonly #fallback: Template | null;

  constructor(template: Template, fallback: Template | null) {
    this.#template = template;
    this.#fallback = fallback;
  }

  of(context: TemplateContext, random: number): number {
    const key = renderKey(this.#template, context);
    return key === null || key === "" ? fallBack(this.#fallback, context, random) : hashText(key);
  }
}

/** RFC 6265 §5.4: `a=1; b=2`; over HTTP/2 perhaps in several fields (RFC 9113 §8.2.3). The first one of its name counts. */
class CookieKey implements HashKey {
  readonly #prefix: string;
  readonly #fallback: Template | null;

  constructor(name: string, fallback: Template | null) {
    this.#prefix = `${name}=`;
    this.#fallback = fallback;
  }

  of(context: TemplateContext, random: number): number {
    const { headers } = context.request;
    for (let i = 0; i < headers.length; i += 2) {
      if (headers[i] !== "cookie") continue;
      const cookies = headers[i + 1] as string;
      const start = valueStart(cookies, this.#prefix);
      if (start < 0) continue;
      const end = valueEnd(cookies, start);
      if (end > start) return hashRange(cookies, start, end);
    }
    return fallBack(this.#fallback, context, random);
  }
}

function valueStart(cookies: string, prefix: string): number {
  for (let at = cookies.indexOf(prefix); at >= 0; at = cookies.indexOf(prefix, at + 1)) {
    if (at === 0 || cookies[at - 1] === ";" || (cookies[at - 1] === " " && isAfterSemicolon(cookies, at - 1))) return at + prefix.length;
  }
  return -1;
}

/** Blanks between two cookies, and not within a value. */
function isAfterSemicolon(cookies: string, at: number): boolean {
  let before = at;
  while (before >= 0 && (cookies[before] === " " || cookies[before] === "\t")) before--;
  return before < 0 || cookies[before] === ";";
}

function valueEnd(cookies: string, start: number): number {
  let end = cookies.indexOf(";", start);
  if (end < 0) end = cookies.length;
  while (end > start && (cookies[end - 1] === " " || cookies[end - 1] === "\t")) end--;
  return end;
}
