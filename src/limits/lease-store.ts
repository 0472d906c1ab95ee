/**
 * The primary's store of counts: fixed windows in rate-limiter-flexible's memory limiter, handed out as leases.
 * A token is deducted before its worker learns of it, so all workers together cannot spend more than there are.
 */
import { RateLimiterMemory } from "rate-limiter-flexible";
import type { LeaseGrant, LeaseRequest } from "./lease.js";

export interface LimitStore {
  /** Never rejects. */
  lease(request: LeaseRequest): Promise<LeaseGrant>;
  /** For keys that come from now on; those that are counted stay. */
  setMaxKeys(maxKeys: number): void;
  /** Live counts over all limits, for metrics. */
  readonly size: number;
}

/** Beyond `maxKeys` live counts of a limit, new keys share this many. */
export const OVERFLOW_BUCKETS = 256;
/** What is given ahead of need is at most this part of the rest, so that the last tokens go to whoever needs them. */
const AHEAD_DIVISOR = 8;

export function createMemoryLimitStore(options: { readonly maxKeys: number }): LimitStore {
  let { maxKeys } = options;
  const limits = new Map<string, WindowedLimit>();
  return {
    lease(request) {
      sweepOldest(limits);
      const id = `${request.windowMs} ${request.limitId}`;
      let limit = limits.get(id);
      if (limit === undefined) {
        limit = new WindowedLimit(request.windowMs, maxKeys);
        limits.set(id, limit);
      }
      return limit.lease(request);
    },
    setMaxKeys(next) {
      maxKeys = next;
      for (const limit of limits.values()) limit.maxKeys = next;
    },
    get size() {
      let size = 0;
      for (const limit of limits.values()) size += limit.size;
      return size;
    },
  };
}

/** One limit per call, in rotation: those of a configuration that is gone disappear once their windows have ended. */
function sweepOldest(limits: Map<string, WindowedLimit>): void {
  for (const [id, limit] of limits) {
    limit.sweep(Date.now());
    limits.delete(id);
    if (!limit.isIdle) limits.set(id, limit);
    return;
  }
}

/** All counts of one limit. Their windows are equally long, so the order of their start is the order of their end. */
class WindowedLimit {
  readonly #windowMs: number;
  maxKeys: number;
  readonly #limiter: RateLimiterMemory;
  /** Bucket → end of its window; a bucket is a key, or an overflow bucket that many keys share. */
  readonly #endsAtMs = new Map<string, number>();
  /** Nobody outside can choose keys that meet in one overflow bucket. */
  readonly #seed = Math.floor(Math.random() * 2 ** 32);
  #tail: Promise<unknown> = Promise.resolve();
  #inFlight = 0;

  constructor(windowMs: number, maxKeys: number) {
    this.#windowMs = windowMs;
    this.maxKeys = maxKeys;
    // The capacity comes with each request (a reload may change it); the limiter keeps the counts and their windows.
    this.#limiter = new RateLimiterMemory({ keyPrefix: "", points: Number.MAX_SAFE_INTEGER, duration: windowMs / 1000 });
  }

  get size(): number {
    return this.#endsAtMs.size;
  }

  /** Nothing is counted or about to be: forgetting it now cannot give anybody a second window. */
  get isIdle(): boolean {
    return this.#endsAtMs.size === 0 && this.#inFlight === 0;
  }

  /** One after the other, because a grant reads the count before it adds to it. */
  lease(request: LeaseRequest): Promise<LeaseGrant> {
    this.#inFlight++;
    const grant = this.#tail.then(() => this.#lease(request)).finally(() => this.#inFlight--);
    this.#tail = grant;
    return grant;
  }

  async #lease(request: LeaseRequest): Promise<LeaseGrant> {
    const nowMs = Date.now();
    this.sweep(nowMs);
    const bucket = this.#bucketOf(request.key);
    const endsAtMs = this.#endsAtMs.get(bucket);
    if (endsAtMs === undefined) return this.#startWindow(bucket, request, nowMs + this.#windowMs);
    const count = await this.#limiter.get(bucket);
    // The limiter's timer may run a little ahead of the clock: the window is then over, but for us not yet.
    const left = count === null ? 0 : Math.max(0, request.capacity - count.consumedPoints);
    const tokens = share(request, left);
    const isCounted = tokens === 0 || !(await this.#limiter.penalty(bucket, tokens)).isFirstInDuration;
    return isCounted ? { tokens, remaining: left - tokens, expiresAtMs: endsAtMs } : { tokens: 0, remaining: 0, expiresAtMs: endsAtMs };
  }

  /** `set` and not a first `penalty`: the limiter's window must not begin, and so not end, before ours. */
  async #startWindow(bucket: string, request: LeaseRequest, endsAtMs: number): Promise<LeaseGrant> {
    const tokens = share(request, request.capacity);
    this.#endsAtMs.set(bucket, endsAtMs);
    await this.#limiter.set(bucket, tokens, this.#windowMs / 1000);
    return { tokens, remaining: request.capacity - tokens, expiresAtMs: endsAtMs };
  }

  /**
   * A key that met a full table stays in its overflow bucket until that bucket's window ends: getting a count of its
   * own earlier would give it its capacity twice.
   */
  #bucketOf(key: string): string {
    if (this.#endsAtMs.has(key)) return key;
    const overflow = `\u0000${hash(key, this.#seed) % OVERFLOW_BUCKETS}`;
    return this.#endsAtMs.has(overflow) || this.#endsAtMs.size >= this.maxKeys ? overflow : key;
  }

  /** Forgets the windows that have ended, and those that a clock set back would let last too long. */
  sweep(nowMs: number): void {
    for (const [bucket, endsAtMs] of this.#endsAtMs) {
      if (endsAtMs > nowMs && endsAtMs <= nowMs + this.#windowMs) return;
      this.#endsAtMs.delete(bucket);
    }
  }
}

function share(request: LeaseRequest, left: number): number {
  const needed = Math.min(request.needed, left);
  return needed + Math.min(request.ahead, Math.floor((left - needed) / AHEAD_DIVISOR));
}

/** FNV-1a with murmur's finish. */
function hash(text: string, seed: number): number {
  let value = seed;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return (value ^ (value >>> 13)) >>> 0;
}
