import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  createRetryBudget,
  noteRequest,
  type RetryBudget,
  type RetryBudgetPolicy,
  tryRetry,
} from "../../../../src/engine/resilience/retry-budget.js";

fc.configureGlobal({ seed: 1_618 });

interface JudgedBudget extends RetryBudget {
  readonly policy: RetryBudgetPolicy;
}

function judged(budgetPercent: number, budgetMinPerSecond: number): JudgedBudget {
  return { ...createRetryBudget(), policy: { budgetPercent, budgetMinPerSecond } };
}

function requests(budget: RetryBudget, count: number, nowMs: number): void {
  for (let i = 0; i < count; i++) noteRequest(budget, nowMs);
}

function grantedRetries(budget: JudgedBudget, asked: number, nowMs: number): number {
  let granted = 0;
  for (let i = 0; i < asked; i++) if (tryRetry(budget, nowMs, budget.policy)) granted++;
  return granted;
}

describe("retry budget", () => {
  it("allows a share of the recent requests", () => {
    const budget = judged(20, 0);
    assert.equal(grantedRetries(budget, 5, 0), 0);
    requests(budget, 100, 1_000);
    assert.equal(grantedRetries(budget, 100, 1_500), 20);
    requests(budget, 100, 5_000);
    assert.equal(grantedRetries(budget, 100, 5_500), 20);
  });

  it("allows the minimum every second whatever the share", () => {
    const budget = judged(20, 10);
    requests(budget, 1, 0);
    for (let second = 0; second < 30; second++) assert.equal(grantedRetries(budget, 50, second * 1_000 + 1), 10);
  });

  it("counts retries of the minimum against the share, not on top of it", () => {
    const budget = judged(20, 10);
    requests(budget, 100, 0);
    assert.equal(grantedRetries(budget, 100, 0), 20);
  });

  it("forgets requests and retries after ten seconds", () => {
    const budget = judged(20, 0);
    requests(budget, 100, 500);
    assert.equal(grantedRetries(budget, 15, 9_999), 15);
    assert.equal(grantedRetries(budget, 15, 10_000), 0, "the requests are gone, the retries are not");
    requests(budget, 100, 19_999);
    assert.equal(grantedRetries(budget, 15, 19_999), 15);
    requests(budget, 10, 1_000_000);
    assert.equal(grantedRetries(budget, 15, 1_000_000), 2);
  });

  it("takes a time before the newest one for the newest", () => {
    const budget = judged(100, 0);
    requests(budget, 1, 60_000);
    requests(budget, 1, 1_000);
    assert.equal(grantedRetries(budget, 5, 1_000), 2);
  });

  it("judges by the policy of a route on the counts of the service", () => {
    const budget = judged(0, 0);
    requests(budget, 10, 0);
    assert.equal(tryRetry(budget, 0, budget.policy), false);
    assert.equal(tryRetry(budget, 0, { budgetPercent: 10, budgetMinPerSecond: 0 }), true);
    assert.equal(tryRetry(budget, 0, { budgetPercent: 10, budgetMinPerSecond: 0 }), false);
    assert.equal(tryRetry(budget, 0, { budgetPercent: 0, budgetMinPerSecond: 2 }), true);
  });

  it("never grants more than the share of what it saw, plus the minimum", () => {
    const step = fc.record({ waitMs: fc.nat(3_000), isRetry: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.nat(100), fc.nat(3), (steps, percent, minimum) => {
        const budget = judged(percent, minimum);
        const granted: number[] = [];
        const seen: number[] = [];
        let now = 0;
        for (const { waitMs, isRetry } of steps) {
          now += waitMs;
          const second = Math.floor(now / 1_000);
          const inWindow = (seconds: readonly number[]) => seconds.filter((each) => each > second - 10).length;
          if (!isRetry) {
            noteRequest(budget, now);
            seen.push(second);
            continue;
          }
          const isShare = (inWindow(granted) + 1) * 100 <= inWindow(seen) * percent;
          const isMinimum = granted.filter((each) => each === second).length < minimum;
          assert.equal(tryRetry(budget, now, budget.policy), isShare || isMinimum);
          if (isShare || isMinimum) granted.push(second);
        }
      }),
    );
  });
});
