/**
 * Tells a process from a later one with the same number: by when it was started. Read from /proc, so only on Linux; elsewhere
 * nobody is sent a signal that was not started by the sender itself.
 */
import { readFileSync } from "node:fs";

export interface ProcessIdentity {
  readonly pid: number;
  /** In ticks since the machine booted, as the kernel writes it. */
  readonly startTime: string;
}

/** Null when there is no such process any more, or it has ended and is only still listed. */
export function identify(pid: number): ProcessIdentity | null {
  try {
    return parseStat(pid, readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return null;
  }
}

/** @param stat content of /proc/PID/stat; the name in it may hold anything, parentheses included */
export function parseStat(pid: number, stat: string): ProcessIdentity | null {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  const startTime = fields[19];
  return startTime === undefined || state === "Z" || state === "X" ? null : { pid, startTime };
}

export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  return identify(pid)?.startTime === startTime;
}

/** False when the process has gone. */
export function signalProcess(process_: ProcessIdentity, signal: NodeJS.Signals): boolean {
  try {
    return isAlive(process_) && process.kill(process_.pid, signal);
  } catch {
    return false;
  }
}
