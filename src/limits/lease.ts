/** What a worker asks of the store and what it gets: plain data, so that it can cross a process or a network. */

export interface LeaseRequest {
  /** Which limit; equal ids with equal windows share their counts. */
  readonly limitId: string;
  /** Which count of it. */
  readonly key: string;
  /** Tokens per window. */
  readonly capacity: number;
  readonly windowMs: number;
  /** Tokens that requests wait for now, ≥ 0. */
  readonly needed: number;
  /** Tokens wished for on top, ≥ 0, so that the next requests need not wait. */
  readonly ahead: number;
}

export interface LeaseGrant {
  /** Tokens the worker may now spend, ≤ `needed` + `ahead`. */
  readonly tokens: number;
  /** Left in the store afterwards; 0 means that this window has no more to give. */
  readonly remaining: number;
  /** End of the window, milliseconds since the epoch. Unspent tokens are void from then on. */
  readonly expiresAtMs: number;
}
