/** What a rate limit counts by: the words and templates of `key`, and the string they give for one exchange. */
import { createHash } from "node:crypto";
import { parseTemplate, renderKey, type Template, type TemplateContext, templateOf } from "../../engine/model/template.js";

export type KeyResult =
  | { readonly ok: true; readonly isAddress: boolean; readonly template: Template }
  | { readonly ok: false; readonly message: string };

const KNOWN = "`ip`, `route`, `jwt.<claim>`, `header.<name>` or a template with `{…}`";
/** Longer keys are stored as their digest, so that long values cannot fill the memory. */
const MAX_KEY_CHARS = 128;

export function parseKey(text: string): KeyResult {
  if (text === "ip") return { ok: true, isAddress: true, template: templateOf({ type: "field", field: "client.ip" }) };
  const source = keyTemplate(text);
  if (source === null) return { ok: false, message: `\`${text}\` is not a rate limit key (known are ${KNOWN})` };
  const parsed = parseTemplate(source);
  if (!parsed.ok) return { ok: false, message: `${parsed.problem.message} (${parsed.problem.hint})` };
  const isFixed = parsed.template.parts.every((part) => part.type === "text");
  return isFixed
    ? { ok: false, message: `\`${text}\` is the same for every request (use \`route\`)` }
    : { ok: true, isAddress: false, template: parsed.template };
}

function keyTemplate(text: string): string | null {
  if (text.includes("{")) return text;
  if (text === "route") return "{route}";
  if (text.startsWith("jwt.")) return `{${text}}`;
  return text.startsWith("header.") ? `{request.${text}}` : null;
}

/**
 * Builds the function that names an exchange's count. Different values never give the same key: parts carry their
 * length, and a value is marked apart from the client address that stands in for a missing one.
 */
export function createKeyOf(keys: readonly string[]): (context: TemplateContext) => string {
  const parts = keys.map(partOf);
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return (context) => bounded(only(context));
  return (context) => {
    let key = "";
    for (const part of parts) {
      const value = part(context);
      key += `${value.length}:${value}`;
    }
    return bounded(key);
  };
}

function partOf(text: string): (context: TemplateContext) => string {
  const parsed = parseKey(text);
  if (!parsed.ok) throw new Error(`rate limit key was not checked: ${parsed.message}`);
  if (parsed.isAddress) return (context) => addressKey(context.clientAddress);
  const { template } = parsed;
  return (context) => {
    const value = renderKey(template, context);
    return value === null ? `?${addressKey(context.clientAddress)}` : `=${value}`;
  };
}

function bounded(key: string): string {
  return key.length <= MAX_KEY_CHARS ? key : `#${createHash("sha256").update(key).digest("base64url")}`;
}

/** An IPv6 customer has a /64 at least: its first four groups are the key. */
export function addressKey(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::", 2) as [string, string | undefined];
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const last = tail === "" ? [] : tail.split(":");
    const dotted = tail.includes(".") ? 1 : 0;
    while (groups.length + last.length + dotted < 8) groups.push("0");
    groups.push(...last);
  }
  return groups
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""))
    .join(":");
}
