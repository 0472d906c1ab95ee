/** Short ways to write routes and requests in the tests of routing. */
import type { RequestFacts } from "../../../../src/engine/model/request.js";
import type { MatchSpec, NameValue, RouteSpec } from "../../../../src/engine/model/snapshot.js";

export function prefix(value: string, conditions: Partial<MatchSpec> = {}): MatchSpec {
  return { path: { type: "PathPrefix", value }, methods: [], headers: [], query: [], ...conditions };
}

export function exact(value: string, conditions: Partial<MatchSpec> = {}): MatchSpec {
  return { ...prefix(value, conditions), path: { type: "Exact", value } };
}

export function pairs(values: Readonly<Record<string, string>>): NameValue[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}

export function route(name: string, match: readonly MatchSpec[], hostnames: readonly string[] = [], listeners = ["public"]): RouteSpec {
  return {
    name,
    listeners,
    hostnames,
    match,
    filters: [],
    backends: [],
    timeouts: { requestMs: 0, backendRequestMs: 0 },
    retry: {
      attempts: 0,
      on: { connectFailure: false, reset: false, timeout: false, malformed: false, statuses: [] },
      maxReplayBytes: 0,
      budgetPercent: 0,
      budgetMinPerSecond: 0,
    },
  };
}

/** `GET api.example.com/orders?a=1` with optional headers. */
export function request(line: string, headers: readonly string[] = []): RequestFacts {
  const [, method, host, path, query] = /^([A-Z]+) ([^/]*)(\/[^?]*)(?:\?(.*))?$/.exec(line) as RegExpExecArray;
  return { method: method as string, host: host as string, path: path as string, query, headers };
}
