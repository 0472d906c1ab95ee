/**
 * The requests that wait for a connection or a stream to one target, in order of arrival in each of three classes. Whoever
 * waits for the service alone goes first; then uploads of which as much is here as is kept; then those that trickle in.
 */
import type { Timer } from "../proxy/ports.js";

/** How much of a request's body is here: some or nothing yet, as much as is kept before the service takes it, all. */
export type BodyState = "partial" | "full" | "whole";

/** So long may a body take to arrive whose request waits; the listener has its own rules for that as well. */
export const GATHERING_MS = 30_000;

export interface WaitingCall {
  bodyState: BodyState;
  /** Bounds the time in the queue. */
  waitTimer: Timer | null;
}

export class WaitingCalls<Call extends WaitingCall> {
  readonly #whole = new Set<Call>();
  readonly #full = new Set<Call>();
  readonly #partial = new Set<Call>();

  get size(): number {
    return this.#whole.size + this.#full.size + this.#partial.size;
  }

  get wholeCount(): number {
    return this.#whole.size;
  }

  get fullCount(): number {
    return this.#full.size;
  }

  get uploadCount(): number {
    return this.#full.size + this.#partial.size;
  }

  has(call: Call): boolean {
    return this.#of(call.bodyState).has(call);
  }

  add(call: Call): void {
    this.#of(call.bodyState).add(call);
  }

  /** More of its body is here: it goes to the end of a better class. */
  promote(call: Call): void {
    this.#forget(call);
    this.add(call);
  }

  leave(call: Call): void {
    call.waitTimer?.cancel();
    this.#forget(call);
  }

  /** @param admitsUpload a body that is not whole may have a place */
  next(admitsUpload: boolean): Call | undefined {
    const whole = first(this.#whole);
    if (whole !== undefined || !admitsUpload) return whole;
    return first(this.#full) ?? first(this.#partial);
  }

  /** The one that has waited longest for its client. */
  get oldestPartial(): Call | undefined {
    return first(this.#partial);
  }

  all(): Call[] {
    return [...this.#whole, ...this.#full, ...this.#partial];
  }

  #forget(call: Call): void {
    this.#whole.delete(call);
    this.#full.delete(call);
    this.#partial.delete(call);
  }

  #of(state: BodyState): Set<Call> {
    return state === "whole" ? this.#whole : state === "full" ? this.#full : this.#partial;
  }
}

function first<Call>(calls: Set<Call>): Call | undefined {
  return calls.size === 0 ? undefined : calls.values().next().value;
}
