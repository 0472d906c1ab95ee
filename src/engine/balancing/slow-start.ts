/** Slow start: the weight of a new endpoint rises in a straight line, so that caches and just-in-time compilers can warm up. */
import type { Endpoint } from "../model/endpoint.js";

/** It has to get some traffic to warm up at all. */
const MIN_SHARE = 0.1;
/** The line is followed in so many steps, but not more often than this. */
const STEPS = 60;
const MIN_STEP_MS = 100;

export function isStarting({ startedAt }: Endpoint, slowStartMs: number, now: number): boolean {
  return startedAt > 0 && now - startedAt < slowStartMs;
}

export function presentWeight(endpoint: Endpoint, slowStartMs: number, now: number): number {
  if (!isStarting(endpoint, slowStartMs, now)) return endpoint.weight;
  return endpoint.weight * Math.max(MIN_SHARE, (now - endpoint.startedAt) / slowStartMs);
}

/** When weights have to be looked at again. */
export function nextStep({ startedAt }: Endpoint, slowStartMs: number, now: number): number {
  return Math.min(now + Math.max(MIN_STEP_MS, slowStartMs / STEPS), startedAt + slowStartMs);
}
