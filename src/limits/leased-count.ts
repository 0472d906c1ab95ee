/** What one worker holds of one count: its tokens, and what it knows of the window they belong to. */
import type { LeaseGrant } from "./lease.js";

export class LeasedCount {
  /** Held and unspent. */
  tokens = 0;
  /** Spent by this worker in the current window. */
  spent = 0;
  /** Left in the store as of the last grant. */
  storeRemaining = 0;
  /** End of the window; 0 before the first grant. */
  expiresAtMs = 0;
  /** Size of the next lease ahead of need; 0 once the store gives none. */
  ahead: number;
  /** Requests that wait for a grant. */
  waiting = 0;
  pending: Promise<void> | null = null;
  /** Spent without the store, while it is gone, and until when that counts. */
  localSpent = 0;
  localEndsAtMs = 0;

  constructor(ahead: number) {
    this.ahead = ahead;
  }

  /** A window further away than its own length only exists when the clock was set back: it is taken as over. */
  isOver(nowMs: number, windowMs: number): boolean {
    return this.expiresAtMs <= nowMs || this.expiresAtMs - nowMs > windowMs;
  }

  forgetWindow(ahead: number): void {
    this.tokens = 0;
    this.spent = 0;
    this.storeRemaining = 0;
    this.expiresAtMs = 0;
    this.ahead = ahead;
  }

  /** Adds a grant; tokens of an earlier window are void. */
  add(grant: LeaseGrant): void {
    if (grant.expiresAtMs !== this.expiresAtMs) {
      this.tokens = 0;
      this.spent = 0;
      this.expiresAtMs = grant.expiresAtMs;
    }
    this.tokens += grant.tokens;
    this.storeRemaining = grant.remaining;
  }

  /** The window is known to have nothing left for this worker. */
  get isExhausted(): boolean {
    return this.tokens === 0 && this.storeRemaining === 0 && this.expiresAtMs > 0;
  }

  get remaining(): number {
    return this.tokens + this.storeRemaining;
  }
}
