/**
 * One gateway writes to a state directory at a time. The lock is a file that names its holder; one whose holder is gone is
 * taken over. It is looked at before every write, since two that take over the same one at once may both believe to have it.
 * Holders on other machines (a shared disk) cannot be asked, and pass for gone.
 */
import { linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface StoreLock {
  /** 0: it is ours. Otherwise the process that has it. Throws when the directory cannot be written to. */
  acquire(): number;
  release(): void;
}

const NAME = "lock";
/** Bytes; more is no lock of ours. */
const MAX_LENGTH = 200;

export function createStoreLock(directory: string): StoreLock {
  const path = join(directory, NAME);
  const identity = describeProcess(process.pid);
  let isHeld = false;
  return {
    acquire() {
      if (isHeld && readLock(path) === identity) return 0;
      isHeld = false;
      const draft = join(directory, `.tmp-${process.pid}-${NAME}`);
      writeFileSync(draft, identity, { mode: 0o600, flush: true });
      try {
        const holder = claim(draft, path);
        isHeld = holder === 0 && readLock(path) === identity;
        return isHeld ? 0 : holder || pidOf(readLock(path));
      } finally {
        rmSync(draft, { force: true });
      }
    },
    release() {
      if (isHeld && readLock(path) === identity) rmSync(path, { force: true });
      isHeld = false;
    },
  };
}

/** A link appears with its content or not at all. */
function claim(draft: string, path: string): number {
  try {
    linkSync(draft, path);
    return 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw error;
    const holder = readLock(path);
    if (holder !== "" && isRunning(holder)) return pidOf(holder);
    renameSync(draft, path);
    return 0;
  }
}

/** "" when there is none, or nothing readable. */
function readLock(path: string): string {
  try {
    return statSync(path).isFile() ? readFileSync(path, "utf8").slice(0, MAX_LENGTH) : "";
  } catch {
    return "";
  }
}

function pidOf(identity: string): number {
  return Number(/^[1-9]\d{0,9}(?= )/.exec(identity)?.[0] ?? 0);
}

function isRunning(identity: string): boolean {
  const pid = pidOf(identity);
  if (pid === 0 || describeProcess(pid) !== identity) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Process ids are used again, after a restart of a container even at once: when it started tells them apart. */
function describeProcess(pid: number): string {
  return `${pid} ${startOf(pid)} ${bootId()}\n`;
}

/** In ticks since the machine started (proc(5), `stat`, field 22); "-" where the system does not tell. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "-";
  } catch {
    return "-";
  }
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "-";
  }
}
