/** One line per filter of a route: whether it was reached, what it said, what it changed. */
import { REDACTED, SECRET_HEADERS } from "../../config/index.js";
import { ERRORS } from "../../engine/model/errors.js";
import type { ExplainedFilter } from "../../engine/model/explanation.js";
import type { FilterSpec, RouteSpec } from "../../engine/model/snapshot.js";
import { formatDuration } from "../../engine/model/units.js";
import type { JwtConfig } from "../../filters/jwt/schema.js";
import type { RateLimitConfig } from "../../filters/rate-limit/schema.js";
import type { Reply } from "../../proxy/ports.js";
import { changesBetween, type Veil } from "./header-changes.js";
import type { Outcome } from "./simulated-exchange.js";
import type { FilterStep } from "./trace.js";

const NO_CHANGES = { set: [], removed: [] } as const;
/** Has no part in the request. */
const ON_RESPONSE = "responseHeaders";

export function describeFilters(route: RouteSpec, outcome: Outcome, veil: Veil): ExplainedFilter[] {
  const steps = new Map(outcome.trace.steps.map((step) => [step.index, step]));
  return route.filters.map((filter, index) => {
    if (filter.type === ON_RESPONSE) return onResponse(filter);
    const step = steps.get(index);
    if (step === undefined) return { type: filter.type, verdict: "not reached", detail: "", changes: NO_CHANGES };
    return {
      type: filter.type,
      verdict: step.reply === null ? "continue" : "reply",
      detail: detailOf(filter, step, outcome),
      changes: changesBetween(step.before, step.after, veil),
    };
  });
}

function onResponse({ type, config }: FilterSpec): ExplainedFilter {
  const { set, add, remove } = config as { set: object; add: object; remove: readonly string[] };
  const names = [...Object.keys(set), ...Object.keys(add)];
  const parts = [
    ...(names.length === 0 ? [] : [`sets ${names.join(", ")}`]),
    ...(remove.length === 0 ? [] : [`removes ${remove.join(", ")}`]),
  ];
  return { type, verdict: "response", detail: parts.join("; "), changes: NO_CHANGES };
}

function detailOf({ type, config }: FilterSpec, step: FilterStep, outcome: Outcome): string {
  if (type === "jwt") return describeToken(config as JwtConfig, step, outcome);
  if (type === "rateLimit") return describeLimit(config as RateLimitConfig, outcome.trace.limitKeys.get(step.index));
  return step.reply === null ? "" : replyText(step.reply);
}

function replyText({ code, status, headers, logDetail }: Reply): string {
  if (code !== null) return `${ERRORS[code].status} ${code}${logDetail === "" ? "" : `: ${logDetail}`}`;
  const at = headers.indexOf("location");
  return at < 0 ? `${status}` : `${status} to ${headers[at + 1]}`;
}

function describeToken(config: JwtConfig, { reply }: FilterStep, { trace, record }: Outcome): string {
  const { provider } = config;
  if (reply !== null) {
    const isMissing = reply.logDetail === "a token is required";
    return isMissing ? `${replyText(reply)}; it would need a token of ${provider}` : replyText(reply);
  }
  const { principal } = record;
  if (principal === null) return `no token, and none of ${provider} is required`;
  const subject = principal.subject === "" ? "without a subject" : `of ${principal.subject}`;
  if (trace.claims !== null) return `a token ${subject} from ${provider}, taken for verified`;
  if (trace.unchecked.includes(provider)) return `a token ${subject} from ${provider} if its signature is good`;
  return `verified: a token ${subject} from ${provider}`;
}

function describeLimit(config: RateLimitConfig, key: string | undefined): string {
  const { limit, burst, per, name, dryRun } = config;
  const amount = `${limit}${burst > 0 ? ` + ${burst}` : ""} per ${formatDuration(per)}`;
  const shared = name === undefined ? "" : ` (shared as ${name})`;
  return `would count ${describeKey(config.key, key ?? "")} against ${amount}${shared}${dryRun ? "; dry run, refuses nothing" : ""}`;
}

/** As key.ts builds it: `=` before a value, `?` before the address that stands in for a missing one. */
function describeKey(sources: readonly string[], key: string): string {
  const by = sources.join(" + ");
  if (sources.some(isSecretSource)) return `${by} ${REDACTED}`;
  if (sources.length > 1) return `${by} ${JSON.stringify(key)}`;
  if (key.startsWith("?")) return `address ${key.slice(1)}, because ${by} has no value,`;
  if (key.startsWith("=")) return `${by} ${JSON.stringify(key.slice(1))}`;
  return `${by} ${key}`;
}

function isSecretSource(source: string): boolean {
  const headers = [...source.matchAll(/(?:^|request\.)header\.([^}]+)/g)];
  return headers.some(([, name = ""]) => SECRET_HEADERS.test(name));
}
