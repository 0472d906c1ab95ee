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
  /** DATA of a few bytes. */
  | "tiny-data"
  /** Frames of unknown types. */
  | "unknown-frames"
  /** Frames for streams that are over. */
  | "late-frames"
  /** Heads over the limit of the list. */
  | "oversized-heads";

export interface FloodLimit {
  /** How many may come at once. */
  readonly burst: number;
  readonly perSecond: number;
  /** Whether real work (a response sent, DATA moved) pays for more. */
  readonly isEarned: boolean;
}

export type FloodLimits = Readonly<Record<FloodKind, FloodLimit>>;

export const DEFAULT_FLOOD_LIMITS: FloodLimits = Object.freeze({
  "rapid-reset": { burst: 200, perSecond: 20, isEarned: true },
  "provoked-reset": { burst: 100, perSecond: 5, isEarned: false },
  "refused-streams": { burst: 500, perSecond: 50, isEarned: true },
  "settings-flood": { burst: 50, perSecond: 5, isEarned: false },
  "ping-flood": { burst: 200, perSecond: 20, isEarned: true },
  "window-update-flood": { burst: 1000, perSecond: 200, isEarned: true },
  "priority-flood": { burst: 500, perSecond: 50, isEarned: true },
  "empty-frames": { burst: 100, perSecond: 10, isEarned: false },
  "tiny-data": { burst: 20_000, perSecond: 10_000, isEarned: true },
  "unknown-frames": { burst: 500, perSecond: 50, isEarned: true },
  "late-frames": { burst: 2000, perSecond: 200, isEarned: true },
  "oversized-heads": { burst: 50, perSecond: 5, isEarned: false },
});
