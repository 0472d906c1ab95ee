/**
 * The life of one worker: says hello, serves what it is told to serve, and drains when asked. Left alone by its primary, it serves on
 * until the keeper has a new one; without a keeper for a while at most.
 */
import type { Snapshot } from "../engine/model/snapshot.js";
import { createDataPlane, type DataPlane } from "./data-plane.js";
import { isAlive, type ProcessIdentity } from "./process-identity.js";
import type { StartMessage, WorkerChannel } from "./protocol.js";

const EXIT_OK = 0;
const EXIT_FAILURE = 1;
const EXIT_UNAVAILABLE = 69;

export interface WorkerSurroundings {
  /** Descriptor of the standard output that the access log may go to. */
  readonly stdoutFd: number;
  /** Called once, when the worker has drained or cannot serve. */
  readonly ended: (exitCode: number) => void;
}

export interface Worker {
  /** A signal to end: the primary decides for its workers, an orphan drains. */
  stopAsked(): void;
}

/** The signal for an orphan may be noticed before the end of its primary, and one signal may have been for both. */
const ASKED_WITH_PRIMARY_MS = 5_000;
/** An orphan looks so often whether its keeper lives. */
const KEEPER_POLL_MS = 1_000;
/** Without primary and keeper: long enough for somebody to start a gateway beside it, short enough not to be left over. */
const ALONE_MS = 10 * 60_000;

export function startWorker(channel: WorkerChannel, { stdoutFd, ended }: WorkerSurroundings): Worker {
  let keeper: ProcessIdentity | null = null;
  let isOrphan = false;
  let plane: DataPlane | null = null;
  let drainTimeoutMs = 0;
  let isEnding = false;
  let isReplaced = false;
  /** When a signal to end came that was the primary's business. */
  let askedAtMs = Number.NEGATIVE_INFINITY;
  const handles = new Map<string, object>();

  function end(timeoutMs: number): void {
    if (isEnding) return;
    isEnding = true;
    const drained = plane === null ? Promise.resolve() : plane.drain({ timeoutMs, isPatient: () => isReplaced });
    drained.then(
      () => ended(EXIT_OK),
      () => ended(EXIT_FAILURE),
    );
  }

  function fail(error: Error, isUnavailable: boolean): void {
    channel.send({ type: "failed", message: error.message, isUnavailable });
    isEnding = true;
    ended(isUnavailable ? EXIT_UNAVAILABLE : EXIT_FAILURE);
  }

  function start(message: StartMessage): void {
    drainTimeoutMs = message.snapshot.drain.timeoutMs;
    try {
      plane = createDataPlane(channel, message, { stdoutFd, handles });
      plane.listen().catch((error: Error) => fail(error, true));
    } catch (error) {
      fail(error as Error, false);
    }
  }

  /** What cannot be built is said, and the former snapshot stays. */
  function publish(snapshot: Snapshot): void {
    try {
      plane?.receive({ type: "snapshot", snapshot });
      drainTimeoutMs = snapshot.drain.timeoutMs;
    } catch (error) {
      channel.send({ type: "rejected", version: snapshot.version, message: (error as Error).message });
    }
  }

  channel.onMessage((message, handle) => {
    if (message.type === "start") start(message);
    else if (message.type === "listen" && handle !== undefined) handles.set(message.listener, handle);
    else if (message.type === "drain") {
      isReplaced = message.isReplaced;
      end(message.timeoutMs);
    } else if (message.type === "keeper") keeper = message.keeper;
    else if (message.type === "ping") channel.send({ type: "pong", residentBytes: process.memoryUsage.rss() });
    else if (message.type === "snapshot") publish(message.snapshot);
    else plane?.receive(message);
  });
  channel.onClose(() => {
    isOrphan = true;
    if (keeper === null || plane === null || performance.now() - askedAtMs < ASKED_WITH_PRIMARY_MS) end(drainTimeoutMs);
    else untilForsaken(keeper, () => end(drainTimeoutMs));
  });
  channel.send({ type: "hello" });
  return {
    stopAsked() {
      askedAtMs = performance.now();
      if (!isOrphan) return;
      isReplaced = !isEnding;
      end(drainTimeoutMs);
    },
  };
}

/** The keeper starts a new primary, and then asks the orphan to go; when there is no keeper any more, nobody will. */
function untilForsaken(keeper: ProcessIdentity, act: () => void): void {
  const timer = setInterval(() => {
    if (isAlive(keeper)) return;
    clearInterval(timer);
    setTimeout(act, ALONE_MS);
  }, KEEPER_POLL_MS);
}
