import assert from "node:assert/strict";
import { test } from "node:test";
import { createRateLimitFilter, type LimitDecision, type LimitRule } from "../../../../src/filters/rate-limit/filter.js";
import { schema } from "../../../../src/filters/rate-limit/schema.js";
import type { Verdict } from "../../../../src/proxy/ports.js";
import { createContext, type TestContext } from "../filter-context.js";

interface Run {
  readonly rule: LimitRule;
  readonly keys: string[];
  readonly context: TestContext;
  readonly verdict: Verdict | Promise<Verdict>;
  readonly dryRuns: number;
}

function run(config: Record<string, unknown>, decision: LimitDecision | Promise<LimitDecision>): Run {
  const rules: LimitRule[] = [];
  const keys: string[] = [];
  let dryRuns = 0;
  const limits = {
    open(rule: LimitRule) {
      rules.push(rule);
      const take = (key: string) => {
        keys.push(key);
        return decision;
      };
      return { take };
    },
  };
  const services = { limits, ownId: "orders#0", ownName: "default", onDryRunLimited: () => void dryRuns++ };
  const filter = createRateLimitFilter(schema.parse({ limit: 10, per: "1m", ...config }), services);
  const context = createContext();
  const verdict = filter.onRequest?.(context) ?? null;
  return { rule: rules[0] as LimitRule, keys, context, verdict, dryRuns };
}

const ALLOWED: LimitDecision = { outcome: "allowed", remaining: 7, resetMs: 1_200 };
const LIMITED: LimitDecision = { outcome: "limited", remaining: 0, resetMs: 1_200 };

test("an allowed request goes on, with the limit and the rest in the response's headers", () => {
  const { verdict, context, rule, keys } = run({ burst: 5, key: "route" }, ALLOWED);
  assert.equal(verdict, null);
  assert.deepEqual(context.responseHeaders, ["ratelimit-policy", '"default";q=15;w=60', "ratelimit", '"default";r=7;t=2']);
  assert.deepEqual(rule, { id: "route orders#0", capacity: 15, windowMs: 60_000, onStoreFailure: "local" });
  assert.deepEqual(keys, ["=orders"]);
});

test("a request over the limit is refused with Retry-After", () => {
  const { verdict, context } = run({ name: "per-user" }, LIMITED);
  assert.ok(verdict && !(verdict instanceof Promise));
  assert.equal(verdict.code, "rate-limited");
  assert.deepEqual(verdict.headers, ["retry-after", "2"]);
  assert.deepEqual(context.responseHeaders, ["ratelimit-policy", '"per-user";q=10;w=60', "ratelimit", '"per-user";r=0;t=2']);
});

test("a decision that comes later gives the same verdict", async () => {
  const { verdict } = run({}, Promise.resolve(LIMITED));
  assert.equal((await verdict)?.code, "rate-limited");
});

test("a store that is gone and closed is 503", () => {
  const { verdict, context } = run({ onStoreFailure: "closed" }, { outcome: "unavailable", remaining: -1, resetMs: 1_000 });
  assert.ok(verdict && !(verdict instanceof Promise));
  assert.equal(verdict.code, "limit-store-unavailable");
  assert.deepEqual(context.responseHeaders, []);
});

test("what is not known is not stated", () => {
  const { context } = run({ onStoreFailure: "open" }, { outcome: "allowed", remaining: -1, resetMs: 60_000 });
  assert.deepEqual(context.responseHeaders, ["ratelimit-policy", '"default";q=10;w=60']);
});

test("a dry run refuses nothing, says nothing and is counted", () => {
  const limited = run({ dryRun: true }, LIMITED);
  assert.equal(limited.verdict, null);
  assert.deepEqual(limited.context.responseHeaders, []);
  assert.equal(limited.dryRuns, 1);
  assert.equal(run({ dryRun: true }, ALLOWED).dryRuns, 0);
});

test("limits with the same name are one count, wherever they stand", () => {
  assert.equal(run({ name: "shared" }, ALLOWED).rule.id, "name shared");
});
