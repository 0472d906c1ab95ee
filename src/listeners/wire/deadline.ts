/**
 * One timer for the many short waits of a connection. Moving a deadline away costs nothing: the alarm that rings too early
 * is set anew.
 */
import type { Timer, Timers } from "../../proxy/ports.js";

const NEVER = Number.POSITIVE_INFINITY;

export class Deadline {
  readonly #timer: Timer;
  readonly #onPassed: () => void;
  #atMs = NEVER;
  #alarmAtMs = NEVER;

  constructor(timers: Timers, onPassed: () => void) {
    this.#onPassed = onPassed;
    this.#timer = timers.create(() => this.#onAlarm());
  }

  /** @param delayMs 0: none */
  set(delayMs: number): void {
    if (delayMs === 0) return this.clear();
    this.#atMs = performance.now() + delayMs;
    if (this.#atMs < this.#alarmAtMs) this.#arm(delayMs);
  }

  get isSet(): boolean {
    return this.#atMs !== NEVER;
  }

  clear(): void {
    this.#atMs = NEVER;
  }

  /** For good. */
  stop(): void {
    this.clear();
    this.#timer.cancel();
  }

  #arm(delayMs: number): void {
    this.#alarmAtMs = performance.now() + delayMs;
    this.#timer.arm(delayMs);
  }

  #onAlarm(): void {
    this.#alarmAtMs = NEVER;
    if (this.#atMs === NEVER) return;
    const leftMs = this.#atMs - performance.now();
    if (leftMs > 0) return this.#arm(leftMs);
    this.#atMs = NEVER;
    this.#onPassed();
  }
}
