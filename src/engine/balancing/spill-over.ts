/**
 * How traffic is divided among priorities and zones when not all endpoints are healthy. A part keeps all of its traffic
 * until it has lost more than it can make up for, as in Envoy: with a factor of 1.4 that is at 71 % healthy.
 */

/** How much more than its part the healthy rest of a group is trusted to carry. */
export const OVERPROVISIONING = 1.4;

/**
 * @param healthy healthy share of each priority, 0…1, first priority first
 * @returns the share of traffic of each; their sum is 1, or 0 when nothing is healthy
 */
export function sharePriorities(healthy: readonly number[]): number[] {
  const capacities = healthy.map((share) => Math.min(1, share * OVERPROVISIONING));
  const total = capacities.reduce((sum, capacity) => sum + capacity, 0);
  if (total === 0) return healthy.map(() => 0);
  if (total < 1) return capacities.map((capacity) => capacity / total);
  let left = 1;
  return capacities.map((capacity) => {
    const share = Math.min(left, capacity);
    left -= share;
    return share;
  });
}

/** True: what is healthy cannot take all traffic, so a priority may have to use its unhealthy endpoints. */
export function isOverwhelmed(healthy: readonly number[]): boolean {
  // A single priority has nobody to take over: its threshold alone decides.
  if (healthy.length === 1) return true;
  return healthy.reduce((sum, share) => sum + Math.min(1, share * OVERPROVISIONING), 0) < 1;
}

/** @returns the local zone's share of traffic, when both it and others have healthy endpoints */
export function shareOfLocalZone(healthyLocal: number): number {
  return Math.min(1, healthyLocal * OVERPROVISIONING);
}
