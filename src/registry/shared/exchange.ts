/** What a gateway says to the store in one call, and what it hears. */
import { type Instance, type LifeTimes, type Step, timeInState } from "../instance.js";
import { MAX_INSTANCES } from "../registry.js";
import { keyOf, writeRecord } from "./record.js";
import { StoreFailure } from "./redis-link.js";

export type WantResult = "done" | "stale" | "early" | "full";

/** A change that the store is to make, if its record is still the one that was known. */
export interface Want {
  /** The same when it is asked for again; "": again does no harm. */
  readonly order: string;
  readonly key: string;
  /** 0: there must be none. */
  readonly over: number;
  /** "": it goes. */
  readonly record: string;
  /** Until time changes its state; null: as before. */
  readonly delayMs: number | null;
  readonly event: string;
  readonly isIfDue: boolean;
  /** "failed": it cannot be told whether it was made. */
  readonly settle: (result: WantResult | "failed") => void;
}

export interface Beat {
  readonly key: string;
  readonly revision: number;
  readonly leaseMs: number;
}

export interface Said {
  readonly epoch: string;
  readonly gateway: string;
  readonly revision: number;
  readonly beats: readonly Beat[];
  readonly wants: readonly Want[];
}

export interface Heard {
  /** Milliseconds since the epoch, as the store's machine has it. */
  readonly timeMs: number;
  /** Since the store is empty, not counting the time in which nobody asked it. */
  readonly clockMs: number;
  readonly hasMore: boolean;
  readonly entries: readonly string[];
  readonly records: readonly string[];
  readonly results: readonly WantResult[];
  readonly due: readonly string[];
  readonly stale: readonly string[];
}

export function argumentsOf({ epoch, gateway, revision, beats, wants }: Said): (string | number)[] {
  const said: (string | number)[] = [epoch, gateway, revision, MAX_INSTANCES, beats.length];
  for (const beat of beats) said.push(beat.key, beat.revision, beat.leaseMs);
  for (const { order, key, over, record, delayMs, event, isIfDue } of wants) {
    said.push(order, key, over, record, delayMs ?? "", event, isIfDue ? "1" : "");
  }
  return said;
}

/** Null: the store is another one than before, or its log no longer reaches back so far. */
export function readHeard(answer: readonly unknown[]): Heard | null {
  const [word, timeMs, clockMs, more, ...lists] = answer;
  if (word === "lost" || word === "behind") return null;
  const isSound = Number.isSafeInteger(timeMs) && Number.isSafeInteger(clockMs) && lists.length === 5 && lists.every(areTexts);
  if (word !== "ok" || !isSound) throw new StoreFailure("answers with something else than was asked");
  const [entries, records, results, due, stale] = lists as [string[], string[], WantResult[], string[], string[]];
  return { timeMs: timeMs as number, clockMs: clockMs as number, hasMore: more === 1, entries, records, results, due, stale };
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

/** @param known null: there must be none */
export function wantOf(
  service: string,
  known: Instance | null,
  { next, event }: Step,
  times: LifeTimes,
): Omit<Want, "order" | "isIfDue" | "settle"> {
  const id = next?.id ?? known?.id ?? "";
  const isNewState = next !== null && (next.state !== known?.state || next.state === "up");
  return {
    key: keyOf(service, id),
    over: known?.revision ?? 0,
    record: next === null ? "" : writeRecord(next),
    delayMs: isNewState ? timeInState(next, times) : null,
    event: event ?? "changed",
  };
}
