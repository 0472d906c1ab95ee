/**
 * The clocks of one exchange: the route's deadline, and a second alarm that is the attempt's deadline until the
 * response head and watches for silence in both directions after it.
 */
import type { ErrorCode } from "../engine/model/errors.js";
import type { Timer, Timers } from "./ports.js";

export interface TimedOut {
  fail(code: ErrorCode, detail: string): void;
  /** No byte has moved, in either direction. */
  fellSilent(detail: string): void;
  /** The attempt under way took too long to answer; another one may still be in time. */
  attemptTimedOut(detail: string): void;
}

export class ExchangeTimers {
  /** Set by whoever moves a byte; an alarm that finds it set waits for another period. */
  hasMoved = false;
  readonly #timers: Timers;
  readonly #owner: TimedOut;
  #deadline: Timer | null = null;
  #alarm: Timer | null = null;
  /** Length of the period of silence; 0 before the response head. */
  #idleMs = 0;
  #isWatching = false;

  constructor(timers: Timers, owner: TimedOut) {
    this.#timers = timers;
    this.#owner = owner;
  }

  /** @param timeoutMs 0: none */
  startRoute(timeoutMs: number): void {
    if (timeoutMs === 0) return;
    this.#deadline = this.#timers.create(() => this.#owner.fail("upstream-timeout", "the route's request timeout passed"));
    this.#deadline.arm(timeoutMs);
  }

  /** @param timeoutMs 0: none */
  startAttempt(timeoutMs: number): void {
    if (timeoutMs > 0) this.#arm(timeoutMs);
  }

  /** The head has been sent and the answer goes on: from here on silence is what matters. Called once or often. */
  watchSilence(idleMs: number): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#idleMs = idleMs;
    if (idleMs === 0) this.#alarm?.cancel();
    else this.#arm(idleMs);
  }

  stop(): void {
    this.#deadline?.cancel();
    this.#alarm?.cancel();
  }

  #arm(delayMs: number): void {
    this.hasMoved = false;
    this.#alarm ??= this.#timers.create(() => this.#onAlarm());
    this.#alarm.arm(delayMs);
  }

  #onAlarm(): void {
    if (!this.#isWatching) this.#owner.attemptTimedOut("the attempt's backendRequest timeout passed");
    else if (this.hasMoved) this.#arm(this.#idleMs);
    else this.#owner.fellSilent("no byte moved for the listener's streamIdle timeout");
  }
}
