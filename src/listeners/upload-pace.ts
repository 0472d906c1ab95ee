/**
 * Judges whether an upload arrives fast enough. Every byte buys time at the minimum rate; what is left is the client's
 * patience account. It starts with a grace period and holds only so much, so that a fast start does not buy an hour of
 * trickle. Time is passed in.
 */

const GRACE_MS = 5_000;
/** A longer silence ends an upload, however fast it was before. */
const MAX_PATIENCE_MS = 30_000;
/** The gateway looks every few seconds; a longer step means that it was held up itself, for which no client is to blame. */
const MAX_STEP_MS = 5_000;

export class UploadPace {
  readonly #msPerByte: number;
  #patienceMs = GRACE_MS;
  #countedBytes = 0;
  #countedAtMs: number;
  #isPaused = false;

  /** @param minBytesPerSecond > 0 */
  constructor(minBytesPerSecond: number, nowMs: number) {
    this.#msPerByte = 1000 / minBytesPerSecond;
    this.#countedAtMs = nowMs;
  }

  /** From here to `resume`, the client cannot help being slow. */
  pause(nowMs: number): void {
    if (!this.#isPaused) this.#spend(nowMs);
    this.#isPaused = true;
  }

  resume(nowMs: number): void {
    this.#isPaused = false;
    this.#countedAtMs = nowMs;
  }

  /** True when fewer bytes than allowed have come; `receivedBytes` since the start. */
  isTooSlow(nowMs: number, receivedBytes: number): boolean {
    if (!this.#isPaused) this.#spend(nowMs);
    this.#patienceMs = Math.min(MAX_PATIENCE_MS, this.#patienceMs + (receivedBytes - this.#countedBytes) * this.#msPerByte);
    this.#countedBytes = receivedBytes;
    return this.#patienceMs <= 0;
  }

  /** No use in asking earlier. */
  get patienceMs(): number {
    return this.#isPaused ? MAX_PATIENCE_MS : this.#patienceMs;
  }

  #spend(nowMs: number): void {
    this.#patienceMs -= Math.min(MAX_STEP_MS, nowMs - this.#countedAtMs);
    this.#countedAtMs = nowMs;
  }
}
