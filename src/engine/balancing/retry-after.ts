/** Leaves an endpoint alone that has asked for it, for as long as it asked, within bounds. */
import type { AttemptFeedback, AttemptResult } from "../model/endpoint.js";
import type { RetryAfterSpec } from "../model/snapshot.js";

export class RetryAfterFeedback implements AttemptFeedback {
  readonly hearsSuccesses = false;
  readonly #spec: RetryAfterSpec;

  constructor(spec: RetryAfterSpec) {
    this.#spec = spec;
  }

  note({ endpoint, status, retryAfterMs, now }: AttemptResult): void {
    if (endpoint === null || retryAfterMs <= 0 || !(this.#spec.on as readonly number[]).includes(status)) return;
    const until = now + Math.min(retryAfterMs, this.#spec.maxMs);
    // A pause that is under way is not announced anew with every answer that was already on its way.
    if (until <= endpoint.pausedUntil) return;
    const isNew = endpoint.pausedUntil <= now;
    endpoint.pausedUntil = until;
    if (isNew) endpoint.set.touch();
  }
}
