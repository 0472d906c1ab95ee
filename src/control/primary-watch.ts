/**
 * The keeper's eye on a primary: one that has said that it is alive and then says so no more hangs. One that never said it (of an
 * older version) is let be. When this process itself was stopped, nobody is blamed for the time.
 */

const PERIOD_MS = 1_000;

export class PrimaryWatch {
  readonly #onHung: (silentMs: number) => void;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | null = null;
  #heardAtMs = 0;
  #lastTickMs = 0;
  #maxSilenceMs = 0;

  /** @param now milliseconds that never run backwards */
  constructor(onHung: (silentMs: number) => void, now: () => number = () => performance.now()) {
    this.#onHung = onHung;
    this.#now = now;
  }

  heard(maxSilenceMs: number): void {
    this.#heardAtMs = this.#now();
    this.#maxSilenceMs = maxSilenceMs;
    if (this.#timer !== null) return;
    this.#lastTickMs = this.#heardAtMs;
    this.#plan();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #plan(): void {
    this.#timer = setTimeout(() => this.#tick(), PERIOD_MS);
    this.#timer.unref();
  }

  #tick(): void {
    const nowMs = this.#now();
    // What it said meanwhile may wait to be read.
    if (nowMs - this.#lastTickMs > 2 * PERIOD_MS) this.#heardAtMs = nowMs;
    this.#lastTickMs = nowMs;
    const silentMs = nowMs - this.#heardAtMs;
    if (silentMs <= this.#maxSilenceMs) return this.#plan();
    this.#onHung(silentMs);
  }
}
