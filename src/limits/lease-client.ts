/**
 * The worker's side of a limit: spends tokens that it holds, and asks the store for more before it runs out. The hot
 * path is a subtraction; a request waits only for the first tokens of a window, or when the limit is too small to hold
 * tokens ahead. A count known to be used up is refused without a message until its window ends.
 *
 * Unspent share: a worker holds at most ⌊capacity/32⌋ tokens ahead plus what it has left of the batch before, so W
 * workers may leave at most W × ⌊capacity/32⌋ × 1.5 of a window unused when traffic moves between them. Below a
 * capacity of 64 nothing is held ahead and nothing is lost.
 */
import type { LeaseGrant, LeaseRequest } from "./lease.js";
import { LeasedCount } from "./leased-count.js";

export interface LimitRule {
  readonly id: string;
  /** Tokens per window. */
  readonly capacity: number;
  readonly windowMs: number;
  readonly onStoreFailure: "local" | "open" | "closed";
}

export interface LimitDecision {
  readonly outcome: "allowed" | "limited" | "unavailable";
  /** Exact with one worker, otherwise as of the last grant. -1: not known. */
  readonly remaining: number;
  /** Until the window ends. */
  readonly resetMs: number;
}

export interface Limit {
  take(key: string): LimitDecision | Promise<LimitDecision>;
}

export interface LeaseClient {
  open(rule: LimitRule): Limit;
  /** Counts held over all limits. */
  readonly size: number;
}

export interface LeaseClientOptions {
  /** Milliseconds since the epoch, the same clock as the store's. */
  readonly now: () => number;
  /** Counts held per limit; beyond it the oldest is forgotten, and with it the tokens it held. */
  readonly maxKeys: number;
  /** Workers among which `local` divides a limit while the store is gone. */
  readonly workers: number;
  readonly warn: (message: string) => void;
}

/** Below this capacity no tokens are held ahead: every request asks, and no token is left unspent. */
const MIN_CAPACITY_FOR_AHEAD = 64;
const MAX_AHEAD_DIVISOR = 32;
const FIRST_AHEAD_DIVISOR = 256;
/** After a failure the store is left alone for this long. */
const RETRY_AFTER_MS = 1_000;
/** Grants that one request waits for at most; more only happens when windows end faster than the store answers. */
const MAX_ROUNDS = 5;

/** @param ask must settle: rejects when the store is gone or has not answered in time */
export function createLeaseClient(ask: (request: LeaseRequest) => Promise<LeaseGrant>, options: LeaseClientOptions): LeaseClient {
  const store = new StoreLink(ask, options);
  // A limit lives as long as a filter uses it: over a reload the new filters find it here, a dropped one is collected.
  const limits = new Map<string, WeakRef<LeasedLimit>>();
  return {
    open(rule) {
      for (const [id, limit] of limits) if (limit.deref() === undefined) limits.delete(id);
      const id = `${rule.windowMs} ${rule.capacity} ${rule.onStoreFailure} ${rule.id}`;
      const known = limits.get(id)?.deref();
      if (known !== undefined) return known;
      const limit = new LeasedLimit(rule, store, options);
      limits.set(id, new WeakRef(limit));
      return limit;
    },
    get size() {
      let size = 0;
      for (const limit of limits.values()) size += limit.deref()?.size ?? 0;
      return size;
    },
  };
}

/** Knows whether the store answers, for all limits of the worker. */
class StoreLink {
  readonly #ask: (request: LeaseRequest) => Promise<LeaseGrant>;
  readonly #options: LeaseClientOptions;
  isDown = false;
  #retryAtMs = 0;

  constructor(ask: (request: LeaseRequest) => Promise<LeaseGrant>, options: LeaseClientOptions) {
    this.#ask = ask;
    this.#options = options;
  }

  /** While the store is down, true once per pause: for the one request that tries it again. */
  isRetryDue(nowMs: number): boolean {
    if (nowMs < this.#retryAtMs) return false;
    this.#retryAtMs = nowMs + RETRY_AFTER_MS;
    return true;
  }

  /** Null when the store failed. */
  async lease(request: LeaseRequest): Promise<LeaseGrant | null> {
    try {
      const grant = await this.#ask(request);
      if (this.isDown) this.#options.warn("the rate limit store answers again");
      this.isDown = false;
      return grant;
    } catch {
      if (!this.isDown) this.#options.warn("the rate limit store does not answer: limits follow their onStoreFailure");
      this.isDown = true;
      this.#retryAtMs = this.#options.now() + RETRY_AFTER_MS;
      return null;
    }
  }
}

class LeasedLimit implements Limit {
  readonly #rule: LimitRule;
  readonly #store: StoreLink;
  readonly #options: LeaseClientOptions;
  readonly #firstAhead: number;
  readonly #maxAhead: number;
  /** In the order in which their windows began. */
  readonly #counts = new Map<string, LeasedCount>();

  constructor(rule: LimitRule, store: StoreLink, options: LeaseClientOptions) {
    this.#rule = rule;
    this.#store = store;
    this.#options = options;
    const canHold = rule.capacity >= MIN_CAPACITY_FOR_AHEAD;
    this.#firstAhead = canHold ? Math.ceil(rule.capacity / FIRST_AHEAD_DIVISOR) : 0;
    this.#maxAhead = canHold ? Math.floor(rule.capacity / MAX_AHEAD_DIVISOR) : 0;
  }

  get size(): number {
    return this.#counts.size;
  }

  take(key: string): LimitDecision | Promise<LimitDecision> {
    const nowMs = this.#options.now();
    const count = this.#countOf(key, nowMs);
    const decision = this.#decide(count, key, nowMs);
    if (decision !== null) return decision;
    if (!this.#store.isDown) return this.#wait(count, key);
    if (this.#store.isRetryDue(nowMs)) void this.#lease(count, key);
    return this.#withoutStore(count, nowMs);
  }

  #countOf(key: string, nowMs: number): LeasedCount {
    let count = this.#counts.get(key);
    if (count === undefined) {
      this.#makeRoom(nowMs);
      count = new LeasedCount(this.#firstAhead);
      this.#counts.set(key, count);
    } else if (count.expiresAtMs > 0 && count.isOver(nowMs, this.#rule.windowMs)) {
      count.forgetWindow(this.#firstAhead);
      this.#counts.delete(key);
      this.#counts.set(key, count);
    }
    return count;
  }

  /** Two steps forward for each step in: what is over goes sooner than new keys come. */
  #makeRoom(nowMs: number): void {
    let steps = 2;
    for (const [key, count] of this.#counts) {
      const isOver = count.pending === null && count.isOver(nowMs, this.#rule.windowMs) && count.localEndsAtMs <= nowMs;
      if (steps-- === 0 || (!isOver && this.#counts.size < this.#options.maxKeys)) return;
      this.#counts.delete(key);
    }
  }

  /** From what this worker knows; null when only the store can tell. */
  #decide(count: LeasedCount, key: string, nowMs: number): LimitDecision | null {
    if (count.tokens > 0) {
      count.tokens--;
      count.spent++;
      // `ahead` is the next size, up to twice the last one: a quarter of it is half of what came last.
      if (count.tokens * 4 <= count.ahead && count.ahead > 0 && count.storeRemaining > 0 && count.pending === null && !this.#store.isDown) {
        void this.#lease(count, key);
      }
      return { outcome: "allowed", remaining: count.remaining, resetMs: count.expiresAtMs - nowMs };
    }
    return count.isExhausted ? { outcome: "limited", remaining: 0, resetMs: count.expiresAtMs - nowMs } : null;
  }

  async #wait(count: LeasedCount, key: string): Promise<LimitDecision> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      count.waiting++;
      await this.#lease(count, key);
      count.waiting--;
      const nowMs = this.#options.now();
      if (count.expiresAtMs > 0 && count.isOver(nowMs, this.#rule.windowMs)) count.forgetWindow(this.#firstAhead);
      const decision = this.#decide(count, key, nowMs);
      if (decision !== null) return decision;
      if (this.#store.isDown) break;
    }
    return this.#withoutStore(count, this.#options.now());
  }

  /** One at a time per count; whoever comes in between shares the grant. */
  #lease(count: LeasedCount, key: string): Promise<void> {
    count.pending ??= this.#leaseOnce(count, key);
    return count.pending;
  }

  async #leaseOnce(count: LeasedCount, key: string): Promise<void> {
    const { id, capacity, windowMs } = this.#rule;
    const { waiting, ahead } = count;
    const grant = await this.#store.lease({ limitId: id, key, capacity, windowMs, needed: waiting, ahead });
    count.pending = null;
    if (grant === null) return;
    const isAheadRefused = grant.tokens <= waiting;
    count.add(grant);
    count.ahead = isAheadRefused ? 0 : Math.min(ahead * 2, this.#maxAhead);
  }

  #withoutStore(count: LeasedCount, nowMs: number): LimitDecision {
    const { capacity, windowMs, onStoreFailure } = this.#rule;
    if (onStoreFailure === "open") return { outcome: "allowed", remaining: -1, resetMs: windowMs };
    if (onStoreFailure === "closed") return { outcome: "unavailable", remaining: -1, resetMs: RETRY_AFTER_MS };
    if (count.localEndsAtMs <= nowMs || count.localEndsAtMs - nowMs > windowMs) {
      // What was leased and spent in a window that still runs counts, so that a failure gives nobody a second helping.
      const isRunning = !count.isOver(nowMs, windowMs);
      count.localEndsAtMs = isRunning ? count.expiresAtMs : nowMs + windowMs;
      count.localSpent = isRunning ? count.spent : 0;
    }
    const share = Math.max(1, Math.floor(capacity / this.#options.workers));
    const resetMs = count.localEndsAtMs - nowMs;
    if (count.localSpent >= share) return { outcome: "limited", remaining: 0, resetMs };
    count.localSpent++;
    return { outcome: "allowed", remaining: share - count.localSpent, resetMs };
  }
}
