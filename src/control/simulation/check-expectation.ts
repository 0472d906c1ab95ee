/** Holds what would become of a request against what a route test expects, and says why where they differ. */
import { REDACTED, type RouteTest, SECRET_HEADERS } from "../../config/index.js";
import type { Explanation } from "../../engine/model/explanation.js";
import { splitText } from "./decision.js";
import type { Examination } from "./simulator.js";

type Expectation = RouteTest["expect"];

export interface Mismatch {
  /** As in the test file, for example `requestHeaders.x-user`. */
  readonly what: string;
  readonly expected: string;
  readonly got: string;
  /** Sentences without a full stop. */
  readonly why: readonly string[];
}

/** Shares are compared as people write them. */
const SHARE_TOLERANCE = 0.05;

/** Empty: everything holds. */
export function checkExpectation({ explanation, decision }: Examination, expect: Expectation): Mismatch[] {
  const found: Mismatch[] = [];
  const compare = (what: string, expected: unknown, got: unknown, why: readonly string[]): void => {
    if (expected !== undefined && expected !== got) found.push({ what, expected: shown(expected), got: shown(got), why });
  };
  const verdictReasons = whyVerdict(explanation);
  compare("listener", expect.listener, explanation.listener.name, [explanation.listener.reason]);
  compare("route", expect.route, explanation.route?.name ?? null, whyRoute(explanation, expect.route));
  compare("verdict", expect.verdict, decision.verdict, verdictReasons);
  compare("status", expect.status, decision.status === 0 ? null : decision.status, verdictReasons);
  compare("error", expect.error, decision.error === "" ? null : decision.error, verdictReasons);
  compare("path", expect.path, explanation.upstream?.target ?? null, verdictReasons);
  found.push(...checkHeaders("requestHeaders", expect.requestHeaders, decision.requestHeaders));
  found.push(...checkHeaders("responseHeaders", expect.responseHeaders, decision.responseHeaders));
  const ran = explanation.filters.filter(({ verdict }) => verdict !== "not reached").map(({ type }) => type);
  if (expect.filters !== undefined) compare("filters", expect.filters.join(", "), ran.join(", "), verdictReasons);
  if (expect.backends !== undefined) found.push(...checkBackends(expect.backends, decision.backends, verdictReasons));
  return found;
}

function shown(value: unknown): string {
  if (value === null || value === "") return "none";
  return String(value);
}

/** Why the expected route lost and the other won; without a route, why nobody did. */
function whyRoute({ candidates, verdict }: Explanation, expected: string | null | undefined): string[] {
  const reasons = candidates
    .filter(({ name, outcome }) => name === expected || outcome === "matched")
    .map(({ name, path, outcome, reason }) => `${name} (${path}) ${outcome === "matched" ? "won" : "lost"}: ${reason}`);
  const isUnknown = typeof expected === "string" && !candidates.some(({ name }) => name === expected);
  const missing = isUnknown ? [`${expected} shares neither host nor path with this request, or is no route`] : [];
  const refusal =
    verdict.type === "refused" && candidates.length === 0 ? [`refused before routing: ${verdict.error}: ${verdict.detail}`] : [];
  return [...refusal, ...(refusal.length > 0 ? [] : missing), ...reasons];
}

function whyVerdict({ verdict, filters, route, candidates }: Explanation): string[] {
  const replied = filters.find((filter) => filter.verdict === "reply");
  if (replied !== undefined) return [`filter ${replied.type}: ${replied.detail}`];
  if (verdict.type === "refused") {
    const losers = route === null ? candidates.slice(0, 3).map(({ name, path, reason }) => `${name} (${path}) lost: ${reason}`) : [];
    return [verdict.detail === "" ? verdict.error : `${verdict.error}: ${verdict.detail}`, ...losers];
  }
  return route === null ? [] : [`route ${route.name} asks a service`];
}

function checkHeaders(what: string, expected: Expectation["requestHeaders"], headers: readonly string[]): Mismatch[] {
  return Object.entries(expected ?? {}).flatMap(([name, value]) => {
    const got = joined(headers, name.toLowerCase());
    if (got === value) return [];
    const veil = (text: string | null): string => (text !== null && SECRET_HEADERS.test(name) ? REDACTED : shown(text));
    return [{ what: `${what}.${name}`, expected: veil(value), got: veil(got), why: [] }];
  });
}

function joined(headers: readonly string[], name: string): string | null {
  const values: string[] = [];
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) values.push(headers[i + 1] as string);
  return values.length === 0 ? null : values.join(", ");
}

function checkBackends(
  expected: NonNullable<Expectation["backends"]>,
  backends: Examination["decision"]["backends"],
  why: readonly string[],
): Mismatch[] {
  const got = new Map<string, number>();
  for (const { service, sharePercent } of backends) if (sharePercent > 0) got.set(service, (got.get(service) ?? 0) + sharePercent);
  const wanted = Object.entries(expected).filter(([, share]) => share > 0);
  const isEqual = wanted.length === got.size && wanted.every(([name, share]) => Math.abs((got.get(name) ?? -1) - share) <= SHARE_TOLERANCE);
  if (isEqual) return [];
  const text = wanted
    .map(([name, share]) => `${name} ${share}%`)
    .sort()
    .join(", ");
  return [{ what: "backends", expected: text === "" ? "none" : text, got: splitText(backends) || "none", why }];
}
