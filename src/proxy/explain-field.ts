/**
 * The response field `x-windrose-explain`, for callers who hold a token: how this very request was decided, as a dictionary of
 * RFC 9651 (structured fields).
 */
import type { ExchangeRecord } from "./ports.js";
import type { RouteRuntime } from "./runtime.js";

export const EXPLAIN_FIELD = "x-windrose-explain";

export function explainField(
  version: string,
  record: ExchangeRecord & { readonly matchedPath: string },
  route: RouteRuntime | null,
): string {
  const filters = route === null ? [] : route.spec.filters.map(({ type }) => type);
  const members: (readonly [name: string, value: string | number])[] = [
    ["version", version],
    ["listener", record.listenerName],
    ["route", record.routeName],
    ["match", record.matchedPath],
    ["filters", filters.join(" ")],
    ["service", record.serviceName],
    ["endpoint", record.endpoint],
    ["attempts", record.attempts],
    ["error", record.errorCode],
    ["detail", record.errorDetail],
    ["request-id", record.requestId],
  ];
  return members
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}=${typeof value === "number" ? value : quoted(value)}`)
    .join(", ");
}

/** A String: printable ASCII only. What is not shows as a question mark. */
function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, "\\$&")}"`;
}
