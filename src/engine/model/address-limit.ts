/**
 * How `maxConnectionsPerAddress` is divided: a worker must decide about a connection at once, so each may let in a share
 * of its own before it has to hear how many there are in all.
 */

export interface AddressPlan {
  /** Connections of one address, in all workers together. */
  readonly limit: number;
  /** With up to so many open, an address needs no attention: every worker has its full share. */
  readonly quietAt: number;
  /** What a worker may let in of an address that it has not heard about. `quietAt` and all shares make up the limit. */
  readonly share: number;
}

/** A browser opens six connections at once, and they fall on workers at random. */
const MIN_SHARE = 4;
const QUIET_PART = 4;

/** @param limit ≥ 1; below what the workers' shares need, the smallest possible one holds */
export function addressPlan(limit: number, workers: number): AddressPlan {
  const held = Math.max(limit, smallestAddressLimit(workers));
  const quietAt = Math.floor(held / QUIET_PART);
  return { limit: held, quietAt, share: Math.floor((held - quietAt) / workers) };
}

export function smallestAddressLimit(workers: number): number {
  // The least whole number of which three quarters, rounded up, give every worker its share.
  return Math.floor((QUIET_PART * (MIN_SHARE * workers - 1)) / (QUIET_PART - 1)) + 1;
}
