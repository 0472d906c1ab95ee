/** The rules of Consul's blocking queries, as functions: which index to ask with next, and how long to wait before. */

/** Asks for what there is, now. */
export const FIRST_INDEX = 0n;

const MAX_INDEX = 2n ** 64n - 1n;

/** Null when it is none. */
export function readIndex(field: string | string[] | undefined): bigint | null {
  if (typeof field !== "string" || !/^\d{1,20}$/.test(field)) return null;
  const index = BigInt(field);
  return index > MAX_INDEX ? null : index;
}

/**
 * An index that goes backwards (servers were restored, or another one answers) is worth nothing: all is asked anew. One of 0,
 * which must not be, would be answered at once for ever.
 */
export function nextIndex(asked: bigint, answered: bigint): bigint {
  if (answered < asked) return FIRST_INDEX;
  return answered === 0n ? 1n : answered;
}

export const SHORTEST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;

/**
 * Pauses grow while answers come at once, because of many changes or because the server does not hold them back, and are short
 * again after the first that was waited for.
 */
export function nextPauseMs(pauseMs: number, answeredAfterMs: number): number {
  return answeredAfterMs >= LONGEST_PAUSE_MS ? SHORTEST_PAUSE_MS : Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
}
