/**
 * Who may take traffic now. Unhealthy and ejected endpoints are out, unless too few of a priority are left (panic: then all
 * are in, because most of them cannot be as bad as they look); draining ones are out while anyone else can take traffic;
 * those that asked for a pause are out unless all of their priority did.
 */
import type { Endpoint } from "../model/endpoint.js";
import type { Level } from "./layout.js";
import { isOverwhelmed, sharePriorities } from "./spill-over.js";

export interface EligibilityRules {
  /** Below this share of healthy endpoints, by number, all are used; 0: never. */
  readonly panicThresholdPercent: number;
}

export interface EligibleLevel {
  readonly level: Level;
  /** Of all traffic; above 0. */
  readonly share: number;
  /** All of its endpoints that may take part of it; not empty. */
  readonly active: readonly Endpoint[];
  /** Unhealthy ones are among them. */
  readonly isPanicking: boolean;
  /** Of its endpoints that belong to the gateway's zone, by weight. */
  readonly healthyLocalShare: number;
}

export function isHealthy(endpoint: Endpoint, now: number): boolean {
  return endpoint.isHealthy && endpoint.ejectedUntil <= now;
}

/** Levels without a share of traffic are left out. Allocates: for changes, not for picks. */
export function findEligible(levels: readonly Level[], { panicThresholdPercent }: EligibilityRules, now: number): EligibleLevel[] {
  const isCounted = whoCounts(levels, now);
  const counted = levels.map(({ members }) => members.filter(isCounted));
  const healthy = counted.map((members) => members.filter((endpoint) => isHealthy(endpoint, now)));
  const healthyShares = counted.map((members, index) => part(weightOf(healthy[index] as Endpoint[]), weightOf(members)));
  const shares = sharePriorities(healthyShares);
  const mayPanic = panicThresholdPercent > 0 && isOverwhelmed(healthyShares);
  // Nothing at all is healthy: the first priority that has anyone is asked.
  if (mayPanic && Math.max(0, ...shares) === 0) {
    const first = counted.findIndex((members) => members.length > 0);
    if (first >= 0) shares[first] = 1;
  }
  return levels.flatMap((level, index): EligibleLevel[] => {
    const share = shares[index] as number;
    if (share === 0) return [];
    const all = counted[index] as Endpoint[];
    const good = healthy[index] as Endpoint[];
    const isPanicking = mayPanic && part(good.length, all.length) * 100 < panicThresholdPercent;
    const local = level.local.members.filter(isCounted);
    const healthyLocalShare = part(weightOf(local.filter((endpoint) => isHealthy(endpoint, now))), weightOf(local));
    return [{ level, share, active: withoutPaused(isPanicking ? all : good, now), isPanicking, healthyLocalShare }];
  });
}

/** Draining endpoints are asked only when nobody else is healthy and they are. */
function whoCounts(levels: readonly Level[], now: number): (endpoint: Endpoint) => boolean {
  const members = levels.flatMap((level) => level.members);
  const stays = members.some((endpoint) => !endpoint.isDraining && isHealthy(endpoint, now));
  const leaves = members.some((endpoint) => endpoint.isDraining && isHealthy(endpoint, now));
  const areAllDraining = members.every((endpoint) => endpoint.isDraining);
  return (endpoint) => !endpoint.isDraining || areAllDraining || (leaves && !stays);
}

function withoutPaused(endpoints: readonly Endpoint[], now: number): readonly Endpoint[] {
  const free = endpoints.filter(({ pausedUntil }) => pausedUntil <= now);
  return free.length > 0 ? free : endpoints;
}

function weightOf(endpoints: readonly Endpoint[]): number {
  return endpoints.reduce((sum, { weight }) => sum + weight, 0);
}

function part(some: number, all: number): number {
  return all === 0 ? 0 : some / all;
}

/** When what was found must be looked at again though nobody says so: an ejection or a pause is over. */
export function nextExpiry(levels: readonly Level[], now: number): number {
  let next = Number.POSITIVE_INFINITY;
  for (const { members } of levels) {
    for (const { ejectedUntil, pausedUntil } of members) {
      if (ejectedUntil > now && ejectedUntil < next) next = ejectedUntil;
      if (pausedUntil > now && pausedUntil < next) next = pausedUntil;
    }
  }
  return next;
}
