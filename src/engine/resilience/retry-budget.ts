/**
 * Keeps retries from multiplying an outage: they may be a share of the recent requests, or a few per second, whichever
 * is more. Counts live in a ring of ten one-second buckets; time comes from the caller.
 */

const BUCKET_COUNT = 10;
const BUCKET_MS = 1_000;

export interface RetryBudgetPolicy {
  /** Retries per 100 requests within the window of 10 s. */
  readonly budgetPercent: number;
  /** Retries allowed within one bucket of a second whatever the share. */
  readonly budgetMinPerSecond: number;
}

/** One per service and worker; a state that its functions change in place, since every request touches it. */
export interface RetryBudget {
  readonly requests: Float64Array;
  readonly retries: Float64Array;
  requestsInWindow: number;
  retriesInWindow: number;
  /** Retries that were not granted, since it exists. */
  refused: number;
  /** Number of the newest second seen; it lies in bucket `second % 10`. */
  second: number;
}

export function createRetryBudget(): RetryBudget {
  const requests = new Float64Array(BUCKET_COUNT);
  const retries = new Float64Array(BUCKET_COUNT);
  return {
    requests,
    retries,
    requestsInWindow: 0,
    retriesInWindow: 0,
    refused: 0,
    second: Number.NEGATIVE_INFINITY,
  };
}

/** Counts a first attempt. */
export function noteRequest(budget: RetryBudget, nowMs: number): void {
  const bucket = advance(budget, nowMs);
  budget.requests[bucket] = (budget.requests[bucket] as number) + 1;
  budget.requestsInWindow++;
}

/**
 * Asks for one retry and, when it is granted, counts it.
 * @param policy the route's; the counts are the service's
 */
export function tryRetry(budget: RetryBudget, nowMs: number, policy: RetryBudgetPolicy): boolean {
  const bucket = advance(budget, nowMs);
  const isWithinMinimum = (budget.retries[bucket] as number) < policy.budgetMinPerSecond;
  const isWithinShare = (budget.retriesInWindow + 1) * 100 <= budget.requestsInWindow * policy.budgetPercent;
  if (!isWithinMinimum && !isWithinShare) {
    budget.refused++;
    return false;
  }
  budget.retries[bucket] = (budget.retries[bucket] as number) + 1;
  budget.retriesInWindow++;
  return true;
}

/** Empties the buckets that have left the window. A time before the newest one seen counts as that one. */
function advance(budget: RetryBudget, nowMs: number): number {
  const second = Math.max(Math.floor(nowMs / BUCKET_MS), budget.second);
  const steps = Math.min(second - budget.second, BUCKET_COUNT);
  for (let step = 0; step < steps; step++) forget(budget, positiveModulo(second - step));
  budget.second = second;
  return positiveModulo(second);
}

function forget(budget: RetryBudget, bucket: number): void {
  budget.requestsInWindow -= budget.requests[bucket] as number;
  budget.retriesInWindow -= budget.retries[bucket] as number;
  budget.requests[bucket] = 0;
  budget.retries[bucket] = 0;
}

function positiveModulo(second: number): number {
  return ((second % BUCKET_COUNT) + BUCKET_COUNT) % BUCKET_COUNT;
}
