/**
 * A snapshot for all workers in place, or for none: as soon as one cannot build it, the others are put back on the one before.
 * A worker that does not answer is killed; its successor starts with what the others have.
 */
import type { Snapshot } from "../engine/model/snapshot.js";
import type { WorkerHandle } from "./supervisor.js";
import type { Pool } from "./worker-pool.js";
import type { SnapshotReply } from "./worker-replies.js";

export type PublishOutcome =
  /** All workers serve it. `stalled` did not answer and have been replaced. */
  | { readonly result: "published"; readonly stalled: readonly number[] }
  /** This worker could not build it; all serve what they served before. */
  | { readonly result: "rejected"; readonly workerId: number; readonly message: string };

interface WorkerReply {
  readonly worker: WorkerHandle;
  readonly reply: SnapshotReply;
}

export async function publish(pool: Pool, snapshot: Snapshot): Promise<PublishOutcome> {
  const { generation } = pool;
  const former = generation.snapshot;
  generation.snapshot = snapshot;
  const replies = await sendToAll(pool, snapshot);
  for (const { worker, reply } of replies) {
    if (reply.result !== "rejected") continue;
    generation.snapshot = former;
    await sendToAll(pool, former);
    return { result: "rejected", workerId: worker.id, message: reply.message };
  }
  await resize(pool);
  return { result: "published", stalled: replies.filter(({ reply }) => reply.result === "stalled").map(({ worker }) => worker.id) };
}

/** Also to those that finish what they have: it may be long. */
async function sendToAll(pool: Pool, snapshot: Snapshot): Promise<WorkerReply[]> {
  const { log } = pool.options;
  const timeoutMs = snapshot.supervision.stallTimeoutMs;
  const asked = pool.workers.filter((worker) => worker.isReady && pool.generationOf(worker) === pool.generation);
  const replies = asked.map(async (worker): Promise<WorkerReply> => {
    const send = (): void => worker.channel.send({ type: "snapshot", snapshot });
    const reply = await pool.replies.ask(worker, snapshot.version, { send, timeoutMs });
    if (reply.result === "rejected") log.error({ worker: worker.id, version: snapshot.version }, `snapshot rejected: ${reply.message}`);
    if (reply.result !== "stalled") return { worker, reply };
    log.error({ worker: worker.id, workerPid: worker.pid, timeoutMs }, "worker does not take the snapshot: killed");
    pool.options.metrics.recordWorkerReplacement("stalled");
    pool.supervisor.kill(worker);
    return { worker, reply };
  });
  // One that is being started has the snapshot of the moment when it said hello.
  for (const worker of pool.workers) {
    if (!worker.isReady && pool.generationOf(worker) === pool.generation) worker.channel.send({ type: "snapshot", snapshot });
  }
  return await Promise.all(replies);
}

/** To the number of workers that the snapshot asks for. */
export async function resize(pool: Pool): Promise<void> {
  const { supervisor, options } = pool;
  const wanted = pool.workerCount(pool.snapshot);
  for (let missing = wanted - supervisor.keptCount; missing > 0 && !pool.isDraining; missing--) {
    const { worker, failure } = await pool.startWorker();
    if (failure === null) supervisor.keep(worker);
    else return void options.log.error(`a further worker could not be started: ${failure.message}`);
  }
  const surplus = pool.workers
    .filter((worker) => worker.isReady && !worker.isDraining)
    .slice(0, Math.max(0, supervisor.keptCount - wanted));
  for (const worker of surplus) void pool.retire(worker);
}
