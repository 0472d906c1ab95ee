/** The processes of a gateway, read from /proc: keeper, primary, workers. */
import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

interface Started {
  readonly process: ChildProcess;
}

export const NEEDS_PROC = process.platform === "linux" ? false : "reads /proc";

export function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => parentOf(child) === pid && isRunning(child));
}

/** 0 when there is no such process. */
export function parentOf(pid: number): number {
  return Number(/\) \S (\d+)/.exec(statOf(pid))?.[1] ?? 0);
}

/** A process that nobody has reaped yet does not run. */
export function isRunning(pid: number): boolean {
  return !/^(|.*\) [ZX] .*)$/s.test(statOf(pid));
}

function statOf(pid: number): string {
  return readText(`/proc/${pid}/stat`);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** Also those whose parents have gone: all that inherited this text in their environment. */
export function processesWith(environmentText: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && readText(`/proc/${pid}/environ`).includes(environmentText));
}

export function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

/** The process under the keeper that serves; the first one while another is being started. */
export function primaryOf(gateway: Started): number {
  const [primary] = childrenOf(gateway.process.pid ?? 0);
  if (primary === undefined) throw new Error("the gateway has no primary");
  return primary;
}

export function workersOf(gateway: Started): number[] {
  return childrenOf(gateway.process.pid ?? 0).flatMap(childrenOf);
}

/** The only worker of a gateway started with `workers: 1`. */
export function workerPid(gateway: Started): number {
  const [worker] = workersOf(gateway);
  if (worker === undefined) throw new Error("the gateway has no worker");
  return worker;
}

export function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // already gone
    }
  }
}
