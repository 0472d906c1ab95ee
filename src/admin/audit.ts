/**
 * Who tried to change what. Every attempt at an endpoint of role write makes an entry, refused ones too; entries are kept by whoever
 * implements `AuditTrail`. Callers without a valid token could push out the history with refusals, so only some of those per minute
 * are recorded one by one and the others as a number.
 */

export interface AuditEntry {
  /** ISO 8601. */
  readonly at: string;
  /** A token's name, `socket`, or `anonymous`; "" when the token was none of ours. */
  readonly caller: string;
  /** Address of the other end; "" for the socket. */
  readonly remote: string;
  readonly method: string;
  readonly path: string;
  /** Id of the endpoint. */
  readonly operation: string;
  /** Of the caller, "" for none. */
  readonly note: string;
  /** `applied`, `rejected`, `busy`…; `refused` when it did not come to that. */
  readonly outcome: string;
  readonly status: number;
  /** Served before and after. */
  readonly versionBefore: string;
  readonly versionAfter: string;
  readonly durationMs: number;
}

export interface AuditTrail {
  /** Must not throw. */
  record(entry: AuditEntry): void;
  /** Newest first. */
  recent(limit: number): readonly AuditEntry[];
}

const WINDOW_MS = 60_000;
const MAX_STRANGERS_PER_WINDOW = 20;

export interface LimitedAudit extends AuditTrail {
  /** Tells of what was left out so far. */
  flush(): void;
}

/** Entries of callers that are none of ours pass up to a number per minute; the rest is told of when the minute is over. */
export function limitStrangers(trail: AuditTrail, nowMs: () => number = Date.now): LimitedAudit {
  let [windowEndMs, recorded, suppressed] = [0, 0, 0];
  let last: AuditEntry | null = null;
  const flush = (): void => {
    if (last !== null) trail.record({ ...last, outcome: "refused", note: `${suppressed} more were refused and are not listed` });
    [last, recorded, suppressed] = [null, 0, 0];
  };
  return {
    recent: (limit) => trail.recent(limit),
    flush,
    record(entry) {
      if (nowMs() >= windowEndMs) {
        flush();
        windowEndMs = nowMs() + WINDOW_MS;
      }
      if (entry.caller !== "" && entry.caller !== "anonymous") return trail.record(entry);
      if (recorded++ < MAX_STRANGERS_PER_WINDOW) return trail.record(entry);
      suppressed++;
      last = entry;
    },
  };
}
