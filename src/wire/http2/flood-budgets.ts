/**
 * Counts frames that cost us more than the peer, or that nobody needs many of. Each kind has a bucket that refills with
 * time; what it lacks is drawn from credit earned by real work, so an honest connection is never cut, however long it lives.
 */

export type FloodKind =
  /** RST_STREAM for a stream whose response was not complete (CVE-2023-44487). */
  | "rapid-reset"
  /** Streams that we had to reset because the peer broke their rules (CVE-2025-8671). */
  | "provoked-reset"
  /** Streams over the announced limit. */
  | "refused-streams"
  | "settings-flood"
  | "ping-flood"
  | "window-update-flood"
  | "priority-flood"
  /** DATA without a byte of data and without an end, HEADERS and CONTINUATIONs without a fragment. */
  | "empty-frames"
  /** Frames of unknown types. */
  | "unknown-frames"
  /** Frames for streams that are over. Honest peers send them, too: what was under way when we reset a stream. */
  | "late-frames"
  /** Heads over the limit of the list. */
  | "oversized-heads";

/** What pays for more than the refill: exchanges that we completed, frames of DATA that were worth their header, or nothing. */
export type FloodCredit = "exchanges" | "frames" | "nothing";

export interface FloodLimit {
  /** How many may come at once. */
  readonly burst: number;
  readonly perSecond: number;
  readonly credit: FloodCredit;
}

export type FloodLimits = Readonly<Record<FloodKind, FloodLimit>>;

export const DEFAULT_FLOOD_LIMITS: FloodLimits = Object.freeze({
  "rapid-reset": { burst: 200, perSecond: 20, credit: "exchanges" },
  "provoked-reset": { burst: 100, perSecond: 5, credit: "nothing" },
  "refused-streams": { burst: 500, perSecond: 50, credit: "exchanges" },
  "settings-flood": { burst: 50, perSecond: 5, credit: "nothing" },
  "ping-flood": { burst: 200, perSecond: 20, credit: "frames" },
  "window-update-flood": { burst: 1000, perSecond: 200, credit: "frames" },
  "priority-flood": { burst: 500, perSecond: 50, credit: "exchanges" },
  "empty-frames": { burst: 100, perSecond: 10, credit: "nothing" },
  "unknown-frames": { burst: 500, perSecond: 50, credit: "exchanges" },
  "late-frames": { burst: 10_000, perSecond: 2000, credit: "frames" },
  "oversized-heads": { burst: 50, perSecond: 5, credit: "nothing" },
});

/** Credit is for what may follow soon: it does not pile up. */
const MAX_EXCHANGE_CREDIT = 1000;
const MAX_FRAME_CREDIT = 10_000;
/** A peer that acknowledges every frame on its stream and on the connection, and asks for a round trip, needs three answers. */
const CREDIT_PER_FRAME = 3;
const REFILL_INTERVAL_MS = 250;

const KINDS = Object.keys(DEFAULT_FLOOD_LIMITS) as readonly FloodKind[];

export class FloodBudgets {
  readonly #limits: FloodLimits;
  /** Spent and not yet refilled. */
  readonly #spent: Record<FloodKind, number>;
  #refilledAtMs = Number.NEGATIVE_INFINITY;
  #exchangeCredit = 0;
  #frameCredit = 0;

  constructor(limits: FloodLimits) {
    this.#limits = limits;
    this.#spent = createCounters();
  }

  /** False: the budget is spent, the connection has to end. */
  spend(kind: FloodKind): boolean {
    const limit = this.#limits[kind];
    if (this.#spent[kind] < limit.burst) {
      this.#spent[kind]++;
      return true;
    }
    return this.#draw(limit.credit);
  }

  exchangeDone(): void {
    if (this.#exchangeCredit < MAX_EXCHANGE_CREDIT) this.#exchangeCredit++;
    this.frameMoved();
  }

  frameMoved(): void {
    if (this.#frameCredit < MAX_FRAME_CREDIT) this.#frameCredit += CREDIT_PER_FRAME;
  }

  refill(nowMs: number): void {
    const elapsedMs = nowMs - this.#refilledAtMs;
    if (elapsedMs < REFILL_INTERVAL_MS) return;
    this.#refilledAtMs = nowMs;
    for (const kind of KINDS) {
      const spent = this.#spent[kind];
      if (spent > 0) this.#spent[kind] = Math.max(0, spent - (this.#limits[kind].perSecond * elapsedMs) / 1000);
    }
  }

  #draw(credit: FloodCredit): boolean {
    if (credit === "exchanges" && this.#exchangeCredit > 0) this.#exchangeCredit--;
    else if (credit === "frames" && this.#frameCredit > 0) this.#frameCredit--;
    else return false;
    return true;
  }
}

function createCounters(): Record<FloodKind, number> {
  return {
    "rapid-reset": 0,
    "provoked-reset": 0,
    "refused-streams": 0,
    "settings-flood": 0,
    "ping-flood": 0,
    "window-update-flood": 0,
    "priority-flood": 0,
    "empty-frames": 0,
    "unknown-frames": 0,
    "late-frames": 0,
    "oversized-heads": 0,
  };
}
