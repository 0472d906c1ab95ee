/** What a service's balancing learns from attempts; nothing, for most. */
import type { AttemptFeedback, AttemptResult } from "../model/endpoint.js";
import type { BalanceSpec } from "../model/snapshot.js";
import { LatencyFeedback } from "./latency.js";
import { RetryAfterFeedback } from "./retry-after.js";

export function createBalanceFeedback({ algorithm, retryAfter }: BalanceSpec): AttemptFeedback | null {
  return combineFeedback([
    algorithm === "ewma" ? new LatencyFeedback() : null,
    retryAfter.maxMs > 0 && retryAfter.on.length > 0 ? new RetryAfterFeedback(retryAfter) : null,
  ]);
}

/** Null when nobody listens. */
export function combineFeedback(parts: readonly (AttemptFeedback | null)[]): AttemptFeedback | null {
  const listeners = parts.filter((part) => part !== null);
  return listeners.length > 1 ? new FeedbackToAll(listeners) : (listeners[0] ?? null);
}

class FeedbackToAll implements AttemptFeedback {
  readonly hearsSuccesses: boolean;
  readonly #listeners: readonly AttemptFeedback[];

  constructor(listeners: readonly AttemptFeedback[]) {
    this.#listeners = listeners;
    this.hearsSuccesses = listeners.some((listener) => listener.hearsSuccesses);
  }

  note(result: AttemptResult): void {
    for (const listener of this.#listeners) listener.note(result);
  }
}
