/**
 * Worker processes: forks them, starts those that are kept again with growing back-off when they die, and ends them in
 * order. What they say, and which should be there, is the pool's matter.
 */
import { type ChildProcess, fork, type StdioOptions } from "node:child_process";
import { childChannel } from "./channels.js";
import { identify, type ProcessIdentity } from "./process-identity.js";
import type { Channel, PrimaryMessage, WorkerMessage } from "./protocol.js";

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;
/** A worker that lived this long starts again without delay. */
const HEALTHY_AFTER_MS = 60_000;
/** After the drain timeout, a worker gets this long to end by itself. */
export const KILL_GRACE_MS = 2_000;

/** Where a worker finds the family's standard output, for its access log. */
export const WORKER_STDOUT_FD = 4;
/**
 * A worker's own descriptor 1 is our standard error: uWebSockets.js prints to it (a line per certificate name), and
 * that must not get between the lines of the access log.
 */
const WORKER_STDIO: StdioOptions = ["ignore", 2, 2, "ipc", 1];

export interface WorkerHandle {
  readonly id: number;
  readonly pid: number;
  /** Null where processes cannot be told apart. */
  readonly identity: ProcessIdentity | null;
  readonly channel: Channel<PrimaryMessage, WorkerMessage>;
  /** Set by the pool when the worker serves. */
  isReady: boolean;
  /** It has been told to go. */
  isDraining: boolean;
  /** The version it has acknowledged, or "". */
  snapshotVersion: string;
  readonly startedAtMs: number;
}

export interface SupervisorEvents {
  onSpawn(worker: WorkerHandle): void;
  /** `willRestartInMs` is -1 when no other takes its place. */
  onExit(worker: WorkerHandle, reason: string, willRestartInMs: number): void;
}

export interface Supervisor {
  /** All that run, draining ones included. */
  readonly workers: readonly WorkerHandle[];
  readonly restarts: number;
  /** Kept workers, and those that will be started again after a pause. */
  readonly keptCount: number;
  /** Starts one more worker. When it dies, it is not replaced unless it is kept. */
  spawn(): WorkerHandle;
  /** From now on it is replaced when it dies. */
  keep(worker: WorkerHandle): void;
  /** From now on it is not. */
  release(worker: WorkerHandle): void;
  /** It is to go, because others serve instead: asks it to drain, waits, and kills it when it does not end. */
  retire(worker: WorkerHandle, drainTimeoutMs: number): Promise<void>;
  /** Ends it at once; replaced if it is kept. */
  kill(worker: WorkerHandle): void;
  /** Ends all at once. */
  killAll(): void;
  /** All are to go; nothing is started any more. @param isReplaced by the workers of another primary */
  stop(drainTimeoutMs: number, isReplaced: boolean): Promise<void>;
}

interface Slot {
  readonly worker: WorkerHandle;
  readonly child: ChildProcess;
  readonly failures: number;
  isKept: boolean;
}

/** @param entry file that a worker process runs */
export function createSupervisor(entry: URL, events: SupervisorEvents): Supervisor {
  const slots = new Map<number, Slot>();
  const pendingRestarts = new Set<NodeJS.Timeout>();
  let nextId = 1;
  let restarts = 0;
  let isStopping = false;

  function start(failures: number, isKept: boolean): WorkerHandle {
    const child = fork(entry, [], { stdio: WORKER_STDIO });
    const worker = createHandle(nextId++, child);
    const slot: Slot = { worker, child, failures, isKept };
    slots.set(worker.id, slot);
    // A failed fork reports `error` and no `exit`.
    child.once("error", (error) => ended(slot, error.message));
    child.once("exit", (code, signal) => ended(slot, signal ?? `exit code ${code}`));
    events.onSpawn(worker);
    return worker;
  }

  function ended(slot: Slot, reason: string): void {
    if (!slots.delete(slot.worker.id)) return;
    slot.worker.isReady = false;
    if (isStopping || !slot.isKept) return events.onExit(slot.worker, reason, -1);
    const failures = Date.now() - slot.worker.startedAtMs > HEALTHY_AFTER_MS ? 0 : slot.failures + 1;
    const delayMs = failures === 0 ? 0 : Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failures - 1));
    restarts++;
    const timer = setTimeout(() => {
      pendingRestarts.delete(timer);
      if (!isStopping) start(failures, true);
    }, delayMs);
    pendingRestarts.add(timer);
    events.onExit(slot.worker, reason, delayMs);
  }

  function setKept(worker: WorkerHandle, isKept: boolean): void {
    const slot = slots.get(worker.id);
    if (slot !== undefined) slot.isKept = isKept;
  }

  function retire(worker: WorkerHandle, timeoutMs: number, isReplaced = true): Promise<void> {
    const slot = slots.get(worker.id);
    if (slot === undefined) return Promise.resolve();
    slot.isKept = false;
    return endWorker(slot, { timeoutMs, isReplaced });
  }

  return {
    get workers() {
      return [...slots.values()].map((slot) => slot.worker);
    },
    get restarts() {
      return restarts;
    },
    get keptCount() {
      return [...slots.values()].filter((slot) => slot.isKept).length + pendingRestarts.size;
    },
    spawn: () => start(0, false),
    keep: (worker) => setKept(worker, true),
    release: (worker) => setKept(worker, false),
    retire,
    kill: (worker) => void slots.get(worker.id)?.child.kill("SIGKILL"),
    killAll() {
      isStopping = true;
      for (const { child } of slots.values()) child.kill("SIGKILL");
    },
    async stop(drainTimeoutMs, isReplaced) {
      isStopping = true;
      for (const timer of pendingRestarts) clearTimeout(timer);
      await Promise.all([...slots.values()].map(({ worker }) => retire(worker, drainTimeoutMs, isReplaced)));
    },
  };
}

function createHandle(id: number, child: ChildProcess): WorkerHandle {
  const pid = child.pid ?? 0;
  return {
    id,
    pid,
    identity: pid === 0 ? null : identify(pid),
    channel: childChannel(child),
    isReady: false,
    isDraining: false,
    snapshotVersion: "",
    startedAtMs: Date.now(),
  };
}

function endWorker({ worker, child }: Slot, drain: { readonly timeoutMs: number; readonly isReplaced: boolean }): Promise<void> {
  return new Promise((resolve) => {
    const killer = setTimeout(() => child.kill("SIGKILL"), drain.timeoutMs + KILL_GRACE_MS);
    const done = (): void => {
      clearTimeout(killer);
      resolve();
    };
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return done();
    child.once("exit", done);
    worker.isDraining = true;
    worker.channel.send({ type: "drain", ...drain });
  });
}
