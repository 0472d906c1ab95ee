/**
 * Keeps the wanted number of worker processes alive: forks them, restarts what dies with growing back-off, and ends
 * them in order. What they say is the primary's matter.
 */
import { type ChildProcess, fork, type StdioOptions } from "node:child_process";
import { childChannel } from "./channels.js";
import type { Channel, PrimaryMessage, WorkerMessage } from "./protocol.js";

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;
/** A worker that lived this long starts again without delay. */
const HEALTHY_AFTER_MS = 60_000;
/** After the drain timeout, a worker gets this long to end by itself. */
const KILL_GRACE_MS = 2_000;

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
  readonly channel: Channel<PrimaryMessage, WorkerMessage>;
  /** Set by the primary when the worker serves. */
  isReady: boolean;
  /** The version it has acknowledged, or "". */
  snapshotVersion: string;
  readonly startedAtMs: number;
}

export interface SupervisorEvents {
  onSpawn(worker: WorkerHandle): void;
  /** `willRestartInMs` is -1 when the end was wanted. */
  onExit(worker: WorkerHandle, reason: string, willRestartInMs: number): void;
}

export interface Supervisor {
  readonly workers: readonly WorkerHandle[];
  readonly restarts: number;
  /** Starts one more worker and keeps it alive from then on. */
  spawn(): void;
  /** Ends all at once. */
  kill(): void;
  /** Asks all to drain, waits, and kills what is left. */
  stop(drainTimeoutMs: number): Promise<void>;
}

interface Slot {
  worker: WorkerHandle;
  child: ChildProcess;
  failures: number;
}

/** @param entry file that a worker process runs */
export function createSupervisor(entry: URL, events: SupervisorEvents): Supervisor {
  const slots = new Map<number, Slot>();
  const pendingRestarts = new Set<NodeJS.Timeout>();
  let nextId = 1;
  let restarts = 0;
  let isStopping = false;

  function start(failures: number): void {
    const child = fork(entry, [], { stdio: WORKER_STDIO });
    const worker: WorkerHandle = {
      id: nextId++,
      pid: child.pid ?? 0,
      channel: childChannel(child),
      isReady: false,
      snapshotVersion: "",
      startedAtMs: Date.now(),
    };
    const slot: Slot = { worker, child, failures };
    slots.set(worker.id, slot);
    // A failed fork reports `error` and no `exit`.
    child.once("error", (error) => ended(slot, error.message));
    child.once("exit", (code, signal) => ended(slot, signal ?? `exit code ${code}`));
    events.onSpawn(worker);
  }

  function ended(slot: Slot, reason: string): void {
    if (!slots.delete(slot.worker.id)) return;
    if (isStopping) return events.onExit(slot.worker, reason, -1);
    const failures = Date.now() - slot.worker.startedAtMs > HEALTHY_AFTER_MS ? 0 : slot.failures + 1;
    const delayMs = failures === 0 ? 0 : Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failures - 1));
    restarts++;
    events.onExit(slot.worker, reason, delayMs);
    const timer = setTimeout(() => {
      pendingRestarts.delete(timer);
      if (!isStopping) start(failures);
    }, delayMs);
    pendingRestarts.add(timer);
  }

  return {
    get workers() {
      return [...slots.values()].map((slot) => slot.worker);
    },
    get restarts() {
      return restarts;
    },
    spawn: () => start(0),
    kill() {
      isStopping = true;
      for (const { child } of slots.values()) child.kill("SIGKILL");
    },
    async stop(drainTimeoutMs) {
      isStopping = true;
      for (const timer of pendingRestarts) clearTimeout(timer);
      await Promise.all([...slots.values()].map((slot) => endWorker(slot, drainTimeoutMs)));
    },
  };
}

function endWorker(slot: Slot, drainTimeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const killer = setTimeout(() => slot.child.kill("SIGKILL"), drainTimeoutMs + KILL_GRACE_MS);
    const done = (): void => {
      clearTimeout(killer);
      resolve();
    };
    if (slot.child.exitCode !== null || slot.child.signalCode !== null) return done();
    slot.child.once("exit", done);
    slot.worker.channel.send({ type: "drain", timeoutMs: drainTimeoutMs });
  });
}
