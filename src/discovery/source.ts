/** What a kind of source is to the rest: it pushes complete sets, or says why it cannot. Keeping the last set is not its business. */
import type { EndpointSpec } from "../engine/model/snapshot.js";

export interface Source {
  start(): void;
  /** Nothing is pushed afterwards. */
  stop(): void;
}

export interface SourceSink {
  /**
   * All endpoints of the service as of now; the same set again says that it still holds.
   * @param isPartial there may be more: what was known before stays beside it. Default: false
   * @param remarks default: none
   */
  found(endpoints: readonly EndpointSpec[], isPartial?: boolean, remarks?: SourceRemarks): void;
  /** What was found before stays. One line, without secrets. */
  failed(message: string): void;
  /** When it looks again by itself; milliseconds since the epoch, 0: it waits to be told. */
  planned(nextTryAtMs: number): void;
}

/** What there is to say about a set that is good all the same. One line each, without secrets; "": nothing. */
export interface SourceRemarks {
  /** Part of it could not be confirmed, so the source counts as failing. */
  readonly failure: string;
  /** What was left out of it, for the log. */
  readonly note: string;
}

export function joinNotes(...notes: readonly string[]): string {
  return notes.filter((note) => note !== "").join("; ");
}

/** More than this is another list than one of endpoints. */
export const MAX_ENDPOINTS = 10_000;
