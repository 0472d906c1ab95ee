/**
 * How large a window is to be: between what was configured and a limit, by what the path needs. It is renewed in halves. When
 * that takes less than two round trips, the sender waits for us, or soon would: the window is doubled. When it takes many, the
 * sender, or whoever consumes what it sends, is too slow to need so much: it is halved, because what it allows may have to be kept.
 */

const SHORT_TRIPS = 2;
const LONG_TRIPS = 16;

export class GrowingWindow {
  /** What the peer may have under way, counting what the owner has not consumed. */
  bytes: number;
  readonly #leastBytes: number;
  readonly #mostBytes: number;
  #renewedAtMs = Number.NEGATIVE_INFINITY;

  constructor(leastBytes: number, mostBytes: number) {
    this.bytes = leastBytes;
    this.#leastBytes = leastBytes;
    this.#mostBytes = Math.max(leastBytes, mostBytes);
  }

  get mayGrow(): boolean {
    return this.bytes < this.#mostBytes;
  }

  /** Half of it is free again. Returns by how much it changes with that. @param roundTripMs NaN: not known */
  renew(nowMs: number, roundTripMs: number): number {
    const elapsedMs = nowMs - this.#renewedAtMs;
    // Whoever consumes in bursts renews it several times at once, which says nothing.
    if (elapsedMs <= 0) return 0;
    this.#renewedAtMs = nowMs;
    const before = this.bytes;
    if (elapsedMs < SHORT_TRIPS * roundTripMs) this.bytes = Math.min(this.#mostBytes, 2 * before);
    else if (elapsedMs > LONG_TRIPS * roundTripMs) this.bytes = Math.max(this.#leastBytes, (before + 1) >>> 1);
    return this.bytes - before;
  }
}
