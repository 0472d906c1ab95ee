/** What became of a header list, and which of its values may be shown. */
import { REDACTED, SECRET_HEADERS } from "../../config/index.js";
import type { HeaderChanges, NamedValue } from "../../engine/model/explanation.js";
import type { RouteSpec } from "../../engine/model/snapshot.js";
import { compileTemplate } from "../../engine/model/template.js";
import type { JwtConfig } from "../../filters/jwt/schema.js";
import type { RequestHeadersConfig } from "../../filters/request-headers/schema.js";

/** Gives the value as it may be shown. */
export type Veil = (name: string, value: string) => string;

/** @param hidesFixed values that the configuration writes into requests: they may come from a secret variable */
export function createVeil(route: RouteSpec | null, hidesFixed: boolean): Veil {
  const hidden = new Set<string>();
  for (const { type, config } of route?.filters ?? []) {
    if (type === "jwt") hidden.add((config as JwtConfig).tokenFrom.header);
    if (type === "requestHeaders" && hidesFixed) for (const name of fixedHeaders(config as RequestHeadersConfig)) hidden.add(name);
  }
  return (name, value) => (hidden.has(name) || SECRET_HEADERS.test(name) ? REDACTED : value);
}

function fixedHeaders({ set, add }: RequestHeadersConfig): string[] {
  const isFixed = (source: string): boolean => compileTemplate(source).parts.some(({ type }) => type === "text");
  return [...Object.entries(set), ...Object.entries(add)].filter(([, source]) => isFixed(source)).map(([name]) => name);
}

export function changesBetween(before: readonly string[], after: readonly string[], veil: Veil): HeaderChanges {
  const [old, now] = [byName(before), byName(after)];
  const set: NamedValue[] = [];
  for (const [name, values] of now) {
    if (old.get(name)?.join("\n") === values.join("\n")) continue;
    for (const value of values) set.push({ name, value: veil(name, value) });
  }
  return { set, removed: [...old.keys()].filter((name) => !now.has(name)) };
}

function byName(headers: readonly string[]): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const known = values.get(name);
    if (known === undefined) values.set(name, [headers[i + 1] as string]);
    else known.push(headers[i + 1] as string);
  }
  return values;
}
