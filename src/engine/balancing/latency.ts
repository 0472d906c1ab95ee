/**
 * What is known of how fast endpoints answer: a decaying average of the milliseconds to the head of an answer that jumps up
 * with every slower answer ("peak EWMA", as in Finagle and linkerd) and comes down slowly. Without news an endpoint drifts
 * to the mean of its service: one that was slow is tried again, and one that nobody knows is taken for average.
 */
import type { AttemptFeedback, AttemptResult, Endpoint } from "../model/endpoint.js";
import { ERRORS, type ErrorCode } from "../model/errors.js";

/** After so long about two thirds of what was known are forgotten; linkerd's value. */
export const DECAY_MS = 10_000;
/** Share of one answer in the mean of the service. */
const MEAN_SHARE = 1 / 64;
/** An answer in no time would count as unknown. */
const MIN_LATENCY_MS = 0.01;
const MAX_LATENCY_MS = 60_000;
/** How much slower than it was an endpoint that fails counts: failing fast must not look attractive. */
const FAILURE_FACTOR = 4;
const LOWEST_FAILURE_STATUS = 500;
const TOO_MANY_REQUESTS = 429;

/** Milliseconds; > 0. */
export function estimateLatency(endpoint: Endpoint, now: number): number {
  const mean = endpoint.set.latency;
  if (endpoint.latency === 0) return mean === 0 ? 1 : mean;
  return mean + (endpoint.latency - mean) * Math.exp((endpoint.latencyAt - now) / DECAY_MS);
}

export function observeLatency(endpoint: Endpoint, elapsedMs: number, now: number): void {
  const sample = Math.min(Math.max(elapsedMs, MIN_LATENCY_MS), MAX_LATENCY_MS);
  const { set } = endpoint;
  if (endpoint.latency === 0 || sample >= estimateLatency(endpoint, now)) endpoint.latency = sample;
  else endpoint.latency = sample + (endpoint.latency - sample) * Math.exp((endpoint.latencyAt - now) / DECAY_MS);
  endpoint.latencyAt = now;
  set.latency = set.latency === 0 ? sample : set.latency + (sample - set.latency) * MEAN_SHARE;
}

export class LatencyFeedback implements AttemptFeedback {
  readonly hearsSuccesses = true;
  note({ endpoint, status, code, part, elapsedMs, now }: AttemptResult): void {
    if (endpoint === null || part === "status" || (code !== "" && !isFault(code))) return;
    const isGood = code === "" && status < LOWEST_FAILURE_STATUS && status !== TOO_MANY_REQUESTS;
    if (isGood) observeLatency(endpoint, elapsedMs, now);
    else observeLatency(endpoint, Math.max(elapsedMs, estimateLatency(endpoint, now) * FAILURE_FACTOR), now);
  }
}

/** Codes that say nothing about how fast the endpoint is: others' faults, full queues, connections that were closed in peace. */
function isFault(code: ErrorCode): boolean {
  if (code === "upstream-stale" || code === "upstream-refused" || code === "upstream-overflow") return false;
  return ERRORS[code].origin === "upstream";
}
