/** Recorded requests that differ in the same way, and what is remembered of them. */
import { type Decision, type Difference, splitText } from "./decision.js";

export interface ReplayGroup {
  readonly count: number;
  readonly differences: readonly Difference[];
  /** Names of headers that differ, by direction. */
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  readonly before: DecisionSummary;
  readonly after: DecisionSummary;
  readonly examples: readonly ReplayExample[];
}

export interface DecisionSummary {
  readonly listener: string;
  readonly route: string | null;
  readonly verdict: Decision["verdict"];
  readonly status: number | null;
  readonly error: string | null;
  /** Taken for granted, such as a token; "" for nothing. */
  readonly assumptions: string;
  readonly backends: string;
}

export interface ReplayExample {
  /** From 1. */
  readonly line: number;
  readonly request: string;
  /** What a service gets, or where a redirect leads; "" for neither. */
  readonly before: string;
  readonly after: string;
}

export interface Group {
  /** What is remembered of requests that fall into it, by how they were asked about. */
  readonly known: readonly Known[];
  readonly differences: readonly Difference[];
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  readonly before: DecisionSummary;
  readonly after: DecisionSummary;
  readonly examples: ReplayExample[];
  count: number;
}

/** What is remembered of requests that say the same: the group they fall into, null for no difference, or why they do not count. */
export interface Known {
  readonly group: Group | null;
  readonly skipped: string | null;
  readonly isInferred: boolean;
  readonly isRecordedOtherwise: boolean;
}

/** What a client meets whose listener has been taken away. */
export const GONE: Decision = {
  listener: "",
  route: "",
  verdict: "refused",
  status: 0,
  error: "no-listener",
  assumptions: "",
  target: "",
  location: "",
  body: "",
  requestHeaders: [],
  responseHeaders: [],
  backends: [],
};

export const PLAINLY = 0;
export const INFERRED = 1;
export const OTHERWISE = 2;

/** One object per kind and not per request: the cache holds many. */
function knownOf(group: Group | null): readonly Known[] {
  return [PLAINLY, INFERRED, OTHERWISE].map((how) => ({
    group,
    skipped: null,
    isInferred: how === INFERRED,
    isRecordedOtherwise: how === OTHERWISE,
  }));
}

export const SAME = knownOf(null);

export function createGroup(facts: Omit<ReplayGroup, "count" | "examples">): Group {
  const known: Known[] = [];
  const group: Group = { ...facts, examples: [], count: 0, known };
  known.push(...knownOf(group));
  return group;
}

export function skipped(reason: string): Known {
  return { group: null, skipped: reason, isInferred: false, isRecordedOtherwise: false };
}

/** As `summaryOf`, faster. */
export function keyOf({ listener, route, verdict, status, error, assumptions, backends }: Decision): string {
  return `${listener} ${route} ${verdict} ${status} ${error} ${assumptions} ${splitText(backends)}`;
}

export function summaryOf({ listener, route, verdict, status, error, assumptions, backends }: Decision): DecisionSummary {
  return {
    listener,
    route: route === "" ? null : route,
    verdict,
    status: status === 0 ? null : status,
    error: error === "" ? null : error,
    assumptions,
    backends: splitText(backends),
  };
}

export function clipped(text: string, maxChars: number): string {
  return text.length <= maxChars ? text : `${text.slice(0, maxChars - 1)}…`;
}
