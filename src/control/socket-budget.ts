/** A worker's sockets, counted in both directions against what its limit of open files allows (see open-files.ts). */
import type { SocketBudget } from "../proxy/ports.js";

/** The rest is kept for connections to services: who has been let in must be served. */
export const DOWNSTREAM_SHARE = 0.75;

/** @param maxSockets 0: unlimited */
export function downstreamShare(maxSockets: number): number {
  return maxSockets === 0 ? Number.POSITIVE_INFINITY : Math.floor(maxSockets * DOWNSTREAM_SHARE);
}

/** @param maxSockets 0: unlimited */
export function createSocketBudget(maxSockets: number): SocketBudget {
  const maxTotal = maxSockets === 0 ? Number.POSITIVE_INFINITY : maxSockets;
  const maxDownstream = downstreamShare(maxSockets);
  let downstream = 0;
  let upstream = 0;
  return {
    openedDownstream() {
      downstream++;
      return downstream <= maxDownstream && downstream + upstream <= maxTotal;
    },
    closedDownstream: () => void downstream--,
    get hasUpstreamRoom() {
      return downstream + upstream < maxTotal;
    },
    openedUpstream: () => void upstream++,
    closedUpstream: () => void upstream--,
  };
}
