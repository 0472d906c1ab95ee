/**
 * The sockets that lead to services, of all pools together: a new one may need the place of one that is idle elsewhere.
 */
import type { SocketBudget } from "../proxy/ports.js";

/** A group of connections to one target. */
export interface IdleHolder {
  /** False when none is idle. */
  closeOldestIdle(): boolean;
}

export class UpstreamSockets {
  /** Since the start. */
  openedCount = 0;
  readonly #budget: SocketBudget | null;
  readonly #holders = new Set<IdleHolder>();

  /** @param budget shared with everything else that holds sockets; null: unlimited */
  constructor(budget: SocketBudget | null) {
    this.#budget = budget;
  }

  add(holder: IdleHolder): void {
    this.#holders.add(holder);
  }

  remove(holder: IdleHolder): void {
    this.#holders.delete(holder);
  }

  /** Another connection may be opened without closing one elsewhere. */
  get hasSpareRoom(): boolean {
    return this.#budget === null || this.#budget.hasUpstreamRoom;
  }

  /** Another connection may be opened; for that, another holder may have to close one that is idle. */
  hasRoom(asker: IdleHolder): boolean {
    if (this.hasSpareRoom) return true;
    for (const holder of this.#holders) if (holder !== asker && holder.closeOldestIdle()) return true;
    return false;
  }

  /** Counts a new connection. */
  opened(): void {
    this.openedCount++;
    this.#budget?.openedUpstream();
  }

  /** Counts it off. */
  closed(): void {
    this.#budget?.closedUpstream();
  }
}
