/**
 * Starts, watches and always ends the processes of a benchmark: each is known by its pid, pinned to a core and killed
 * with its whole tree when the benchmark ends, however it ends. CPU time and memory are read from /proc.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import type { Readable } from "node:stream";

export interface StartOptions {
  /** One, or several as taskset lists them. */
  readonly core: number | string;
  /** stdout and stderr are appended to it. */
  readonly logPath: string;
  /** stdout alone goes here instead. */
  readonly stdoutPath?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface Started {
  readonly pid: number;
  /** File descriptor 3 of the process. */
  readonly channel: Readable;
  readonly child: ChildProcess;
}

const running = new Map<number, ChildProcess>();
/** Linux's USER_HZ, in which /proc counts CPU time. */
const TICKS_PER_SECOND = Number(spawnSync("getconf", ["CLK_TCK"], { encoding: "utf8" }).stdout.trim()) || 100;
const STOP_DEADLINE_MS = 3000;

export function startPinned(command: string, args: readonly string[], options: StartOptions): Started {
  const log = openSync(options.logPath, "a");
  const out = options.stdoutPath === undefined ? log : openSync(options.stdoutPath, "a");
  // `ulimit` in a shell that replaces itself: the hard limit holds for whatever comes, no extra process remains.
  const script = `ulimit -n $(ulimit -Hn); exec taskset -c "$0" "$@"`;
  const child = spawn("sh", ["-c", script, String(options.core), command, ...args], {
    stdio: ["ignore", out, log, "pipe"],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  closeSync(log);
  if (out !== log) closeSync(out);
  const { pid } = child;
  if (pid === undefined) throw new Error(`could not start ${command}`);
  running.set(pid, child);
  child.once("exit", () => running.delete(pid));
  return { pid, child, channel: child.stdio[3] as Readable };
}

/** Open files that a process may have at most. */
export function hardFileLimit(): number {
  const text = spawnSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).stdout.trim();
  return text === "unlimited" ? 1_000_000 : Number(text);
}

/** SIGTERM, and SIGKILL for the whole tree when that does not help. */
export async function stop(pid: number): Promise<void> {
  const child = running.get(pid);
  if (child === undefined) return;
  const tree = processTree(pid);
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const deadline = setTimeout(() => killAll(tree), STOP_DEADLINE_MS);
  await exited;
  clearTimeout(deadline);
  killAll(tree.filter((member) => member !== pid));
}

/** For every way out of the benchmark: synchronous, by pid, and sure. */
export function killEverything(): void {
  for (const pid of [...running.keys()]) killAll(processTree(pid));
}

function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Already gone.
    }
  }
}

export function isRunning(pid: number): boolean {
  return running.has(pid);
}

/** A process and all its descendants. */
export function processTree(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return [
      pid,
      ...children
        .split(" ")
        .filter(Boolean)
        .flatMap((child) => processTree(Number(child))),
    ];
  } catch {
    return [pid];
  }
}

/** CPU time used so far by all threads of these processes, in seconds. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    // The command name may hold blanks and parentheses; the fields after the last ")" are plain. utime and stime are 14 and 15.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return sum + (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }, 0);
}

/** How long the main thread of a process has been ready to run so far while its core was busy with others, in seconds. */
export function deniedSeconds(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[1]) / 1e9;
}

export function residentBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return sum + Number(match?.[1] ?? 0) * 1024;
  }, 0);
}

/** Runs a short-lived tool to its end and returns what it printed. Throws when it fails. */
export async function runTool(command: string, args: readonly string[], core: number): Promise<string> {
  const script = `ulimit -n $(ulimit -Hn); exec taskset -c "$0" "$@"`;
  const child = spawn("sh", ["-c", script, String(core), command, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const pid = child.pid as number;
  running.set(pid, child);
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  running.delete(pid);
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${output.slice(0, 2000)}`);
  return output;
}
