/** Whether a request meets the conditions of one match beyond host and path: method, headers, query. */
import type { RequestFacts } from "../model/request.js";
import type { NameValue } from "../model/snapshot.js";
import { queryHas } from "./query-condition.js";
import type { Candidate, QueryCondition } from "./route-table.js";

export function meetsConditions(candidate: Candidate, facts: RequestFacts): boolean {
  return (
    meetsMethods(candidate.methods, facts.method) &&
    meetsHeaders(candidate.headers, facts.headers) &&
    meetsQuery(candidate.query, facts.query)
  );
}

export function meetsMethods(methods: readonly string[], method: string): boolean {
  return methods.length === 0 || methods.includes(method);
}

function meetsHeaders(conditions: readonly NameValue[], headers: readonly string[]): boolean {
  for (const condition of conditions) if (!meetsHeader(condition, headers)) return false;
  return true;
}

function meetsQuery(conditions: readonly QueryCondition[], query: string | undefined): boolean {
  for (const condition of conditions) if (query === undefined || !queryHas(query, condition)) return false;
  return true;
}

/** Exact value; fields that occur more than once count as one, joined with `, ` (RFC 9110 §5.3). */
export function meetsHeader(condition: NameValue, headers: readonly string[]): boolean {
  let value: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== condition.name) continue;
    value = value === undefined ? headers[i + 1] : `${value}, ${headers[i + 1]}`;
  }
  return value === condition.value;
}
