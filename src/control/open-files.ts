/**
 * How many sockets a worker may hold. Running out of descriptors must never happen: uWebSockets.js does not wait when
 * `accept` fails for that reason, it spins. So workers stop well before the process's limit of open files.
 */
import { readFileSync } from "node:fs";
import type { ListenerSpec, Snapshot } from "../engine/model/snapshot.js";
import type { ProcessLog } from "../telemetry/process-log.js";
import { DOWNSTREAM_SHARE, downstreamShare } from "./socket-budget.js";
import { socketTableProblem } from "./socket-table.js";

/** For everything that is no connection: the event loop, pipes, logs, name lookups, sockets that are being closed. */
const RESERVED_FILES = 128;
/**
 * An `http` or `https` listener with `connectionAge` takes all that waits to be accepted before it looks at the first: the addon hands
 * connections to child apps in a later turn. This is the length of its accept queue.
 */
const ACCEPT_BURST_FILES = 512;
/** Of a small limit, half is for connections all the same. */
const MAX_RESERVED_SHARE = 0.5;

/**
 * The limit of this process, which the workers inherit; 0 when it cannot be told. Node.js has raised it to the hard
 * limit when it started.
 */
export function readOpenFileLimit(): number {
  try {
    return parseOpenFileLimit(readFileSync("/proc/self/limits", "latin1"));
  } catch {
    return 0; // not Linux
  }
}

/** @param limits content of /proc/PID/limits */
export function parseOpenFileLimit(limits: string): number {
  return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? 0);
}

/** @param isSingle the primary lives in the same process */
export function reservedFiles(listeners: readonly ListenerSpec[], isSingle: boolean): number {
  const bursts = listeners.filter(({ timeouts, wire }) => wire === null && timeouts.connectionAgeMs > 0).length;
  return RESERVED_FILES * (isSingle ? 2 : 1) + ACCEPT_BURST_FILES * bursts;
}

/**
 * @param openFiles limit of a process, 0: unknown
 * @returns 0: unlimited
 */
export function socketsWithin(openFiles: number, reserved: number): number {
  if (openFiles === 0) return 0;
  return openFiles - Math.min(reserved, Math.floor(openFiles * MAX_RESERVED_SHARE));
}

/**
 * What to tell the operator when a listener promises more connections than can be held; null when none does. Listeners are
 * not added up: each has a ceiling that it is not meant to reach, and the defaults of two would warn on ordinary machines.
 */
export function openFilesWarning(listeners: readonly ListenerSpec[], openFiles: number, maxSockets: number): string | null {
  const promised = Math.max(0, ...listeners.map(({ limits }) => limits.maxConnections));
  const possible = downstreamShare(maxSockets);
  if (promised <= possible) return null;
  const needed = Math.ceil(promised / DOWNSTREAM_SHARE) + (openFiles - maxSockets);
  return (
    `limits.maxConnections promises ${promised} per worker, but at most ${openFiles} open files leave room for ${possible}: ` +
    `raise the limit to ${needed} (ulimit -n, LimitNOFILE of systemd) or lower maxConnections`
  );
}

/** Per worker, with a warning when a listener promises more. */
export function maxSockets({ listeners }: Snapshot, isSingle: boolean, log: ProcessLog): number {
  const openFiles = readOpenFileLimit();
  const sockets = socketsWithin(openFiles, reservedFiles(listeners, isSingle));
  const warning = openFilesWarning(listeners, openFiles, sockets);
  if (warning !== null) log.warn({ openFiles, maxSockets: sockets }, warning);
  return sockets;
}

/** Null when every listener can keep its limits. */
export function addressLimitProblem(listeners: readonly ListenerSpec[]): string | null {
  const limited = listeners.find(({ limits }) => limits.maxConnectionsPerAddress > 0);
  const problem = limited === undefined ? null : socketTableProblem();
  return problem === null ? null : `listener "${limited?.name}": maxConnectionsPerAddress is not possible here: ${problem}`;
}
