/**
 * What the keeper and the primaries under it say to each other. A keeper may be older than the primary it starts (it outlives
 * upgrades): change this only together with the number.
 */
import type { ProcessIdentity } from "./process-identity.js";

export const KEEPER_PROTOCOL = 1;
/** Environment of a primary: a `Welcome` as JSON. */
export const KEEPER_VARIABLE = "WINDROSE_KEEPER";

export function isStartedByKeeper(): boolean {
  return process.env[KEEPER_VARIABLE] !== undefined && process.send !== undefined;
}

export interface Welcome {
  readonly protocol: number;
  /** Null where processes cannot be told apart. */
  readonly keeper: ProcessIdentity | null;
  /** Of the primary whose place this one takes, while its workers serve on; null for the first. */
  readonly predecessor: Predecessor | null;
}

export interface Predecessor {
  /** See KnownPorts (generation.ts). */
  readonly ports: Readonly<Record<string, number>>;
  /** What it said when it served; holds the port of its admin listener. */
  readonly readyLine: string;
  /** Version of the snapshot that it served last, "" when it never told. */
  readonly version: string;
}

export type UpgradeOutcome =
  | { readonly result: "upgraded"; readonly pid: number }
  | { readonly result: "failed"; readonly message: string };

export type FromPrimary =
  /** Answered by `bound`, with a socket. The keeper keeps a copy until `unbind`. */
  | { readonly type: "bind"; readonly id: number; readonly key: string; readonly address: string; readonly port: number }
  | { readonly type: "unbind"; readonly key: string }
  /** All workers that run now, and how long they may drain. */
  | { readonly type: "workers"; readonly workers: readonly ProcessIdentity[]; readonly drainTimeoutMs: number }
  | { readonly type: "ports"; readonly ports: Readonly<Record<string, number>> }
  /** Said every second: one that says it no more for so long hangs. A keeper that is older than this message ignores it. */
  | { readonly type: "alive"; readonly maxSilenceMs: number }
  /** The version of the snapshot that all its workers serve. */
  | { readonly type: "serving"; readonly version: string }
  /** Its workers serve; now it wants what only one primary can hold. Answered by `takeOver`. */
  | { readonly type: "prepared" }
  /** It serves; the line goes to whoever started us. */
  | { readonly type: "ready"; readonly line: string }
  /** Answers `release`. */
  | { readonly type: "released" }
  /** It was told to stop by somebody else; its end is no crash. */
  | { readonly type: "stopping" }
  /** Answered by `upgraded`. */
  | { readonly type: "upgrade" };

export type ToPrimary =
  | { readonly type: "bound"; readonly id: number; readonly isBound: boolean }
  | { readonly type: "takeOver" }
  /** Another primary is about to take its place: let go of what only one can hold. */
  | { readonly type: "release" }
  /** It did not come to that: take it back. */
  | { readonly type: "resume" }
  /** The other one serves: drain and end. */
  | { readonly type: "retire" }
  | { readonly type: "upgraded"; readonly outcome: UpgradeOutcome };
