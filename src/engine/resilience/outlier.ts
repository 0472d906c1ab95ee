/**
 * Outlier ejection: an endpoint whose answers fail while others' do not is left alone for a while, longer each time. The
 * rules are Envoy's (ejection by consecutive failures at once, by success rate with every sweep; time out = base × n, at
 * most `maxEjectionMs`; n falls by one with every interval without ejection; at least one endpoint may be ejected whatever
 * the percentage says, but for 0). One thing differs: an ejection ends when its time is over, not with the sweep after.
 * Times come from the caller; what only the gateway or the client did never gets here (see outcome.ts).
 */
import type { OutlierSpec } from "../model/snapshot.js";
import type { Outcome } from "./outcome.js";

export type OutlierReason =
  | { readonly type: "consecutive5xx"; readonly count: number }
  | { readonly type: "consecutiveGatewayErrors"; readonly count: number }
  | { readonly type: "successRate"; readonly percent: number; readonly belowPercent: number };

/** One per endpoint and worker; a state that its functions change in place, since every attempt touches it. */
export interface OutlierState {
  consecutive5xx: number;
  consecutiveGatewayErrors: number;
  /** Since the last sweep. */
  requests: number;
  successes: number;
  /** Factor of the next ejection but one; see `decayed`. */
  ejections: number;
  /** 0: never ejected. */
  ejectedUntil: number;
  /** Of the last ejection. */
  reason: OutlierReason | null;
}

export function createOutlierState(): OutlierState {
  return { consecutive5xx: 0, consecutiveGatewayErrors: 0, requests: 0, successes: 0, ejections: 0, ejectedUntil: 0, reason: null };
}

export function isEjected(state: OutlierState, now: number): boolean {
  return state.ejectedUntil > now;
}

/** Counts an outcome. Not null: the endpoint has failed so often in a row that it should be ejected. */
export function noteOutcome(state: OutlierState, policy: OutlierSpec, outcome: Outcome): OutlierReason | null {
  state.requests++;
  if (outcome === "success") {
    state.successes++;
    state.consecutive5xx = 0;
    state.consecutiveGatewayErrors = 0;
    return null;
  }
  state.consecutive5xx++;
  state.consecutiveGatewayErrors = outcome === "gatewayError" ? state.consecutiveGatewayErrors + 1 : 0;
  return consecutiveReason(state, policy);
}

function consecutiveReason({ consecutive5xx, consecutiveGatewayErrors }: OutlierState, policy: OutlierSpec): OutlierReason | null {
  if (isReached(consecutiveGatewayErrors, policy.consecutiveGatewayErrors)) {
    return { type: "consecutiveGatewayErrors", count: consecutiveGatewayErrors };
  }
  return isReached(consecutive5xx, policy.consecutive5xx) ? { type: "consecutive5xx", count: consecutive5xx } : null;
}

function isReached(count: number, threshold: number): boolean {
  return threshold > 0 && count >= threshold;
}

/** Whether one more of `total` endpoints may be ejected while `ejected` are. */
export function mayEject({ maxEjectionPercent }: OutlierSpec, ejected: number, total: number): boolean {
  if (maxEjectionPercent === 0) return false;
  return ejected === 0 || (ejected + 1) * 100 <= total * maxEjectionPercent;
}

/** Counters begin anew, so that few errors after the return do not eject again at once. */
export function eject(state: OutlierState, policy: OutlierSpec, occasion: { readonly reason: OutlierReason; readonly now: number }): void {
  const { reason, now } = occasion;
  state.ejections = decayed(state, policy, now) + 1;
  state.ejectedUntil = now + ejectionMs(state.ejections, policy);
  state.reason = reason;
  state.consecutive5xx = 0;
  state.consecutiveGatewayErrors = 0;
}

/** Ends an ejection before its time. How often there was one is not forgotten: it may fail again at once. */
export function acquit(state: OutlierState, now: number): void {
  state.ejectedUntil = Math.min(state.ejectedUntil, now);
  state.consecutive5xx = 0;
  state.consecutiveGatewayErrors = 0;
}

function ejectionMs(ejections: number, { baseEjectionMs, maxEjectionMs }: OutlierSpec): number {
  return Math.min(baseEjectionMs * ejections, Math.max(maxEjectionMs, baseEjectionMs));
}

/** Beyond the cap further ejections count no more: the way down would take as long. */
function decayed(
  { ejections, ejectedUntil }: OutlierState,
  { intervalMs, baseEjectionMs, maxEjectionMs }: OutlierSpec,
  now: number,
): number {
  const quietIntervals = Math.max(0, Math.floor((now - ejectedUntil) / intervalMs));
  return Math.min(Math.max(0, ejections - quietIntervals), Math.ceil(maxEjectionMs / baseEjectionMs));
}

/** What an endpoint did in one interval. */
export interface IntervalCount {
  readonly requests: number;
  readonly successes: number;
}

/** Success rates below the result (0 to 100) are outliers; null: there are too few endpoints with enough requests to tell. */
export function successRateThreshold(counts: readonly IntervalCount[], { successRate }: OutlierSpec): number | null {
  if (successRate === null) return null;
  const rates = counts.filter(({ requests }) => requests >= successRate.requestVolume).map(ratePercent);
  if (rates.length < successRate.minimumHosts) return null;
  const mean = average(rates);
  const deviation = Math.sqrt(average(rates.map((rate) => (rate - mean) ** 2)));
  return mean - deviation * successRate.stdevFactor;
}

/** @param belowPercent as `successRateThreshold` says */
export function successRateReason(count: IntervalCount, belowPercent: number, { successRate }: OutlierSpec): OutlierReason | null {
  if (successRate === null || count.requests < successRate.requestVolume) return null;
  const percent = ratePercent(count);
  return percent < belowPercent ? { type: "successRate", percent, belowPercent } : null;
}

function ratePercent({ requests, successes }: IntervalCount): number {
  return (successes * 100) / requests;
}

function average(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

/** For people. */
export function describeReason(reason: OutlierReason): string {
  switch (reason.type) {
    case "consecutive5xx":
      return `${reason.count} failures in a row`;
    case "consecutiveGatewayErrors":
      return `${reason.count} gateway errors in a row`;
    case "successRate":
      return `success rate of ${reason.percent.toFixed(1)} %, below ${reason.belowPercent.toFixed(1)} %`;
  }
}
