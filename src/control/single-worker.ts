/** The supervisor of `--single`: one worker in this very process, which cannot crash alone and cannot be replaced. */
import { localChannels } from "./channels.js";
import type { Supervisor, SupervisorEvents, WorkerHandle } from "./supervisor.js";
import { startWorker } from "./worker.js";

export function createSingleSupervisor(events: SupervisorEvents): Supervisor {
  const workers: WorkerHandle[] = [];
  let ended: Promise<void> = Promise.resolve();

  function spawn(): WorkerHandle {
    const [forPrimary, forWorker] = localChannels();
    const worker: WorkerHandle = {
      id: 1,
      pid: process.pid,
      identity: null,
      channel: forPrimary,
      isReady: false,
      isDraining: false,
      snapshotVersion: "",
      startedAtMs: Date.now(),
    };
    workers.push(worker);
    events.onSpawn(worker);
    ended = new Promise((resolve) => startWorker(forWorker, { stdoutFd: 1, ended: () => resolve() }));
    return worker;
  }

  async function retire(worker: WorkerHandle, timeoutMs: number): Promise<void> {
    worker.isDraining = true;
    worker.channel.send({ type: "drain", timeoutMs, isReplaced: false });
    await ended;
  }

  return {
    workers,
    restarts: 0,
    get keptCount() {
      return workers.length;
    },
    spawn,
    keep() {},
    release() {},
    retire,
    kill() {},
    killAll() {},
    async stop(drainTimeoutMs) {
      await Promise.all(workers.map((worker) => retire(worker, drainTimeoutMs)));
    },
  };
}
