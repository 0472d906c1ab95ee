/** How long a request body may take: as a whole, and at which rate (../upload-pace.ts). */
import type { ListenerSpec } from "../../engine/model/snapshot.js";
import { UploadPace } from "../upload-pace.js";

/** The pace takes longer steps for our own delay. */
const MAX_LOOK_MS = 4_000;
/** An upload that is always on the brink of being too slow is not looked at more often. */
const MIN_LOOK_MS = 500;

export class UploadClock {
  readonly #startedAtMs = performance.now();
  readonly #requestMs: number;
  readonly #minBytesPerSecond: number;
  readonly #pace: UploadPace | null;

  constructor({ limits, timeouts }: ListenerSpec, isPaused: boolean) {
    this.#requestMs = timeouts.requestMs;
    this.#minBytesPerSecond = limits.minBodyBytesPerSecond;
    this.#pace = this.#minBytesPerSecond === 0 ? null : new UploadPace(this.#minBytesPerSecond, this.#startedAtMs);
    if (isPaused) this.pause();
  }

  /** From here to `resume`, the client cannot help being slow. */
  pause(): void {
    this.#pace?.pause(performance.now());
  }

  resume(): void {
    this.#pace?.resume(performance.now());
  }

  /** 0: there is nothing to look at. */
  get nextLookMs(): number {
    if (this.#pace === null && this.#requestMs === 0) return 0;
    const leftMs = this.#requestMs === 0 ? MAX_LOOK_MS : this.#requestMs - (performance.now() - this.#startedAtMs);
    const paceMs = this.#pace === null ? MAX_LOOK_MS : Math.max(MIN_LOOK_MS, this.#pace.patienceMs);
    return Math.max(1, Math.min(MAX_LOOK_MS, leftMs, paceMs));
  }

  /** What is wrong with the upload; null when it may go on. */
  look(receivedBytes: number): string | null {
    const nowMs = performance.now();
    if (this.#requestMs > 0 && nowMs - this.#startedAtMs >= this.#requestMs) return `the body did not arrive within ${this.#requestMs} ms`;
    if (this.#pace?.isTooSlow(nowMs, receivedBytes) === true) {
      return `the body arrives at less than ${this.#minBytesPerSecond} bytes per second`;
    }
    return null;
  }
}
