/**
 * Calls wait and slow clients hold the places: what is done about it, in a later turn, because it moves other exchanges than the one
 * that asks for it, and again after a while for as long as somebody waits.
 */
import type { Timer, Timers } from "../proxy/ports.js";

/** How often to look again for clients that have become too slow. */
const RELIEF_MS = 100;

export class Relief {
  readonly #timers: Timers;
  readonly #act: () => boolean;
  #timer: Timer | null = null;
  #isDue = false;

  /** @param act returns whether somebody waits still */
  constructor(timers: Timers, act: () => boolean) {
    this.#timers = timers;
    this.#act = act;
  }

  soon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(run, this);
  }

  /** Until `soon`. */
  stop(): void {
    this.#timer?.cancel();
  }

  /** @internal */
  run(): void {
    this.#isDue = false;
    if (!this.#act()) return;
    this.#timer ??= this.#timers.create(() => this.run());
    this.#timer.arm(RELIEF_MS);
  }
}

function run(relief: Relief): void {
  relief.run();
}
