/** Counts each request against a limit and refuses those over it; states the limit in the response's headers. */
import { type Filter, type FilterContext, refuse, type Verdict } from "../../proxy/ports.js";
import { createKeyOf } from "./key.js";
import type { RateLimitConfig } from "./schema.js";

/** Where limits are counted; implemented in limits/. */
export interface LimitPort {
  /** The count of one rule. Rules with equal ids and windows share their counts. */
  open(rule: LimitRule): Limit;
}

export interface LimitRule {
  readonly id: string;
  /** Requests per window and key. */
  readonly capacity: number;
  readonly windowMs: number;
  readonly onStoreFailure: "local" | "open" | "closed";
}

export interface Limit {
  /** Takes one request. A promise only when the answer is not known in this process. */
  take(key: string): LimitDecision | Promise<LimitDecision>;
}

export interface LimitDecision {
  /** `unavailable`: the store is gone and the rule says to let nothing through. */
  readonly outcome: "allowed" | "limited" | "unavailable";
  /** Requests left in this window; over several workers a little out of date. -1: not known. */
  readonly remaining: number;
  /** Until the window ends. */
  readonly resetMs: number;
}

export interface RateLimitServices {
  readonly limits: LimitPort;
  /** Identifies the count of a rule without a name. */
  readonly ownId: string;
  /** Shown in the RateLimit headers of a rule without a name. */
  readonly ownName: string;
  /** A request that a dry run would have refused. */
  readonly onDryRunLimited: () => void;
}

export function createRateLimitFilter(config: RateLimitConfig, services: RateLimitServices): Filter {
  const capacity = config.limit + config.burst;
  const id = config.name === undefined ? `route ${services.ownId}` : `name ${config.name}`;
  const limit = services.limits.open({ id, capacity, windowMs: config.per, onStoreFailure: config.onStoreFailure });
  const keyOf = createKeyOf(config.key);
  const conclude = config.dryRun
    ? (_context: FilterContext, decision: LimitDecision) => concludeDryRun(decision, services.onDryRunLimited)
    : createConclusion(config.name ?? services.ownName, capacity, config.per);
  return {
    type: "rateLimit",
    onRequest(context) {
      const decision = limit.take(keyOf(context));
      return decision instanceof Promise ? decision.then((later) => conclude(context, later)) : conclude(context, decision);
    },
  };
}

function concludeDryRun(decision: LimitDecision, onLimited: () => void): Verdict {
  if (decision.outcome !== "allowed") onLimited();
  return null;
}

/** Headers as in draft-ietf-httpapi-ratelimit-headers: the policy, and what is left of it. */
function createConclusion(name: string, capacity: number, windowMs: number): (context: FilterContext, decision: LimitDecision) => Verdict {
  const policy = `"${name}";q=${capacity};w=${wholeSeconds(windowMs)}`;
  return (context, decision) => {
    if (decision.outcome === "unavailable") return refuse("limit-store-unavailable", "");
    const resetSeconds = wholeSeconds(decision.resetMs);
    context.addResponseHeader("ratelimit-policy", policy);
    if (decision.remaining >= 0) context.addResponseHeader("ratelimit", `"${name}";r=${decision.remaining};t=${resetSeconds}`);
    if (decision.outcome === "allowed") return null;
    return refuse("rate-limited", `try again in ${resetSeconds} s`, ["retry-after", String(resetSeconds)]);
  };
}

function wholeSeconds(durationMs: number): number {
  return Math.max(1, Math.ceil(durationMs / 1000));
}
