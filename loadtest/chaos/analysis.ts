/**
 * What the records of one run say. Pure: times are milliseconds of one clock. Healthy are requests that ended before the fault began, of
 * the fault those under way or due in it, after it the rest.
 */
import type { EndpointRecord } from "./endpoints.js";
import type { Outcome } from "./load.js";

export interface RunRecords {
  /** When request 0 was due, and how far apart they are. */
  readonly startedAtMs: number;
  readonly periodMs: number;
  readonly outcomes: readonly Outcome[];
  /** Number of attempts of the requests that needed more than one, as the gateway has logged it. */
  readonly attempts: ReadonlyMap<number, number>;
  /** What the endpoints saw that the fault is about. */
  readonly victims: readonly EndpointRecord[];
  /** Of all requests, that these get when all is well; 0: there are none. */
  readonly fairShare: number;
  /** There are others to go to. */
  readonly canStop: boolean;
  readonly healthyFromMs: number;
  readonly faultFromMs: number;
  readonly faultUntilMs: number;
}

export interface WindowFigures {
  readonly requests: number;
  readonly errors: number;
  /** How often which. */
  readonly results: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface RunFigures {
  readonly healthy: WindowFigures;
  readonly fault: WindowFigures;
  readonly after: WindowFigures;
  /** Requests of the fault that needed more than one attempt. */
  readonly retried: number;
  /** From the beginning of the fault until hardly anything is sent to the victims; null: it never ends, or there is nobody else. */
  readonly stoppedMs: number | null;
  /** What was sent to them during the fault all the same: to find out, or for want of others. */
  readonly sentLater: number;
  /** From the end of the fault to the first request that a victim served; null: not seen. */
  readonly firstBackMs: number | null;
  /** From the end of the fault to a second in which they had their share; null: not seen. */
  readonly fullShareMs: number | null;
}

export const GOOD = "200";
/** Of their share: so much is left of it when an endpoint is only asked now and then. */
const HARDLY_ANYTHING = 0.04;
const NEARLY_ALL = 0.8;
const SECOND_MS = 1_000;

export function analyse(run: RunRecords): RunFigures {
  const { healthyFromMs, faultFromMs, faultUntilMs } = run;
  const during = run.outcomes.filter((outcome) => isOfFault(run, outcome));
  const sends = sendsOf(run);
  const stoppedAtMs = stopOf(run, sends);
  return {
    healthy: figuresOf(run.outcomes.filter(([number, ms]) => dueMs(run, number) >= healthyFromMs && dueMs(run, number) + ms < faultFromMs)),
    fault: figuresOf(during),
    after: figuresOf(run.outcomes.filter(([number]) => dueMs(run, number) >= faultUntilMs)),
    retried: during.filter(([number]) => (run.attempts.get(number) ?? 1) > 1).length,
    stoppedMs: stoppedAtMs === null ? null : stoppedAtMs - faultFromMs,
    sentLater: stoppedAtMs === null ? 0 : sends.filter((atMs) => atMs > stoppedAtMs).length,
    ...recoveryOf(run),
  };
}

function dueMs({ startedAtMs, periodMs }: RunRecords, number: number): number {
  return startedAtMs + number * periodMs;
}

function isOfFault(run: RunRecords, [number, elapsedMs]: Outcome): boolean {
  const due = dueMs(run, number);
  return due + elapsedMs >= run.faultFromMs && due < run.faultUntilMs;
}

function figuresOf(outcomes: readonly Outcome[]): WindowFigures {
  const results: Record<string, number> = {};
  for (const [, , result] of outcomes) results[result] = (results[result] ?? 0) + 1;
  const elapsed = outcomes.map(([, elapsedMs]) => elapsedMs).sort((a, b) => a - b);
  const percentile = (share: number): number => elapsed[Math.min(elapsed.length - 1, Math.floor(share * elapsed.length))] ?? 0;
  const errors = outcomes.length - (results[GOOD] ?? 0);
  return { requests: outcomes.length, errors, results, p50Ms: percentile(0.5), p99Ms: percentile(0.99), maxMs: percentile(1) };
}

/**
 * When something was sent to the victims during the fault: what they say themselves, and, since the dead say nothing, every
 * request that failed or was tried again. What they read only after the fault was sent when it was due.
 */
function sendsOf(run: RunRecords): number[] {
  const { faultFromMs, faultUntilMs, victims, outcomes, attempts } = run;
  const seen = new Set<number>();
  const sends: number[] = [];
  for (const { atMs, number } of victims) {
    const sentMs = atMs >= faultUntilMs ? dueMs(run, number) : atMs;
    if (sentMs < faultFromMs || sentMs >= faultUntilMs) continue;
    seen.add(number);
    sends.push(sentMs);
  }
  for (const outcome of outcomes) {
    const [number, , result] = outcome;
    const isTelling = result !== GOOD || (attempts.get(number) ?? 1) > 1;
    if (isTelling && !seen.has(number) && isOfFault(run, outcome)) sends.push(Math.max(faultFromMs, dueMs(run, number)));
  }
  return sends.sort((a, b) => a - b);
}

/** The end of the first second's worth of silence, or nearly so. */
function stopOf({ faultFromMs, faultUntilMs, fairShare, periodMs, canStop }: RunRecords, sends: readonly number[]): number | null {
  if (!canStop) return null;
  const few = Math.max(1, (HARDLY_ANYTHING * fairShare * SECOND_MS) / periodMs);
  for (const fromMs of [faultFromMs, ...sends]) {
    if (fromMs + SECOND_MS > faultUntilMs) return null;
    if (sends.filter((atMs) => atMs > fromMs && atMs <= fromMs + SECOND_MS).length <= few) return fromMs;
  }
  return null;
}

/** @internal What a run waits for as well: whether the victims have their share again. */
export function recoveryOf(
  run: Pick<RunRecords, "startedAtMs" | "periodMs" | "victims" | "fairShare" | "faultUntilMs">,
): Pick<RunFigures, "firstBackMs" | "fullShareMs"> {
  const { startedAtMs, periodMs, victims, fairShare, faultUntilMs } = run;
  const isNew = ({ number, atMs }: EndpointRecord): boolean => startedAtMs + number * periodMs >= faultUntilMs && atMs >= faultUntilMs;
  const back = victims
    .filter(isNew)
    .map(({ atMs }) => atMs - faultUntilMs)
    .sort((a, b) => a - b);
  const enough = (NEARLY_ALL * fairShare * SECOND_MS) / periodMs;
  const full = back.find((fromMs, i) => back.slice(i).filter((atMs) => atMs < fromMs + SECOND_MS).length >= enough);
  return { firstBackMs: back[0] ?? null, fullShareMs: full ?? null };
}
