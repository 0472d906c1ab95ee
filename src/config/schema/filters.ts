/**
 * The filters that a route may name. Each filter's folder brings its own schema and the facts that route checks need;
 * this file only lists them.
 */
import { z } from "zod";
import type { FilterFacts } from "../../engine/model/filter-facts.js";
import * as grpcWeb from "../../filters/grpc-web/schema.js";
import * as jwt from "../../filters/jwt/schema.js";
import * as rateLimit from "../../filters/rate-limit/schema.js";
import * as redirect from "../../filters/redirect/schema.js";
import * as requestHeaders from "../../filters/request-headers/schema.js";
import * as respond from "../../filters/respond/schema.js";
import * as responseHeaders from "../../filters/response-headers/schema.js";

/** `config` is what the filter's own schema made; the type is known to the filter alone. */
type FactsOf = (config: never) => FilterFacts;

const FACTS: Readonly<Record<string, FactsOf>> = {
  jwt: jwt.facts,
  rateLimit: rateLimit.facts,
  grpcWeb: grpcWeb.facts,
  requestHeaders: requestHeaders.facts,
  responseHeaders: responseHeaders.facts,
  redirect: redirect.facts,
  respond: respond.facts,
};

/** One step: a map with the filter's name as its only key. */
export const filterEntrySchema = z
  .strictObject({
    jwt: jwt.schema.optional(),
    rateLimit: rateLimit.schema.optional(),
    grpcWeb: grpcWeb.schema.optional(),
    requestHeaders: requestHeaders.schema.optional(),
    responseHeaders: responseHeaders.schema.optional(),
    redirect: redirect.schema.optional(),
    respond: respond.schema.optional(),
  })
  .meta({ minProperties: 1, maxProperties: 1 });

export type FilterEntry = z.output<typeof filterEntrySchema>;

export const FILTER_NAMES: readonly string[] = Object.keys(FACTS);

/** The one filter of an entry, or null when it has none or several (a check reports that). */
export function filterOf(entry: object): { readonly type: string; readonly config: unknown } | null {
  const written = Object.entries(entry).filter(([, config]) => config !== undefined);
  const only = written[0];
  return only === undefined || written.length > 1 ? null : { type: only[0], config: only[1] };
}

export function factsOf(filter: { readonly type: string; readonly config: unknown }): FilterFacts {
  const facts = FACTS[filter.type] as FactsOf;
  return facts(filter.config as never);
}

/** Default values of a filter's own fields, as they would be written; for showing the effective configuration. */
export function defaultsOf(filterType: string): Record<string, unknown> {
  const schema = unwrapped(filterEntrySchema.shape[filterType as keyof FilterEntry]);
  if (!(schema instanceof z.ZodObject)) return {};
  const fields = Object.entries(schema.shape).filter(([, field]) => field instanceof z.ZodDefault || field instanceof z.ZodPrefault);
  return Object.fromEntries(fields.map(([name, field]) => [name, (field as z.ZodDefault).def.defaultValue]));
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional) return unwrapped(schema.def.innerType);
  return schema instanceof z.ZodPipe ? unwrapped(schema.def.in) : schema;
}
