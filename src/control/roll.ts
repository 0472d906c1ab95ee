/**
 * Replaces workers one by one, for what cannot change in place: a new one serves before an old one is told to go. The first
 * new one decides: when it cannot serve, nothing has changed. Old ones finish in the background; the next roll waits for them,
 * so that there are never more than two generations of processes.
 */
import type { ListenerSpec, Snapshot } from "../engine/model/snapshot.js";
import { bindKey } from "./bind-key.js";
import type { Generation } from "./generation.js";
import { adviseAboutHandshakes } from "./kernel-settings.js";
import { PortUnavailable, probePort } from "./port-probe.js";
import { resize } from "./publish.js";
import type { WorkerHandle } from "./supervisor.js";
import type { Pool, Started } from "./worker-pool.js";

export type RollOutcome =
  | { readonly result: "rolled"; readonly replaced: number }
  /** All serve what they served before. */
  | { readonly result: "failed"; readonly message: string };

/** For a new worker after the first: what let that one serve may be short for a moment (memory, descriptors). */
const MAX_ATTEMPTS = 3;

export async function roll(pool: Pool, snapshot: Snapshot): Promise<RollOutcome> {
  if (pool.options.isSingle) return failed("a single process cannot replace its worker: restart it");
  await Promise.all(pool.retiring);
  if (pool.isDraining) return failed("the gateway is stopping");
  const former = pool.generation;
  try {
    await probeAddresses(pool, snapshot.listeners);
    const generation = pool.createGeneration(snapshot);
    generation.handles = await pool.handles.open(snapshot.listeners);
    return await rollTo(pool, generation, former);
  } catch (error) {
    if (!(error instanceof PortUnavailable)) throw error;
    return failed(error.message);
  } finally {
    pool.handles.retain(pool.snapshot.listeners);
  }
}

async function rollTo(pool: Pool, generation: Generation, former: Generation): Promise<RollOutcome> {
  const first = await pool.startWorker(generation);
  if (first.failure !== null) {
    void pool.retire(first.worker);
    return failed(first.failure.message);
  }
  adviseAboutHandshakes(former.snapshot.listeners, pool.options.log);
  // From here on, one that crashes is started again with the new snapshot.
  pool.generation = generation;
  pool.tellPorts();
  let started: Started = first;
  let replaced = 0;
  for (;;) {
    pool.supervisor.keep(started.worker);
    const old = oldestOf(pool, generation);
    if (old === null || pool.isDraining) break;
    retireReplaced(pool, old);
    replaced++;
    if (oldestOf(pool, generation) === null) break;
    started = await startSoon(pool, generation);
    if (started.failure !== null) return await rollBack(pool, former, started.failure.message);
  }
  former.addresses.stop();
  if (!pool.isDraining) await resize(pool);
  return { result: "rolled", replaced };
}

function retireReplaced(pool: Pool, worker: WorkerHandle): void {
  pool.options.metrics.recordWorkerReplacement("roll");
  void pool.retire(worker);
}

/** Any that belongs to another generation and has not been told to go. */
function oldestOf(pool: Pool, generation: Generation): WorkerHandle | null {
  return pool.workers.find((worker) => !worker.isDraining && pool.generationOf(worker) !== generation) ?? null;
}

async function startSoon(pool: Pool, generation: Generation): Promise<Started> {
  let started = await pool.startWorker(generation);
  for (let attempt = 1; attempt < MAX_ATTEMPTS && started.failure !== null && !pool.isDraining; attempt++) {
    started = await pool.startWorker(generation);
  }
  return started;
}

/** The same way back. Those of the former generation that were not told to go yet serve on. */
async function rollBack(pool: Pool, former: Generation, message: string): Promise<RollOutcome> {
  if (pool.isDraining) return failed("the gateway is stopping");
  pool.options.log.error(`a worker of the new configuration could not be started, going back: ${message}`);
  const failedGeneration = pool.generation;
  pool.generation = former;
  pool.tellPorts();
  await resizeFormer(pool, failedGeneration);
  return failed(message);
}

async function resizeFormer(pool: Pool, failedGeneration: Generation): Promise<void> {
  const newer = pool.workers.filter((worker) => !worker.isDraining && pool.generationOf(worker) === failedGeneration);
  for (const worker of newer) {
    const { worker: replacement, failure } = await pool.startWorker();
    if (failure === null) pool.supervisor.keep(replacement);
    void pool.retire(worker);
  }
  failedGeneration.addresses.stop();
  await resize(pool);
}

/** A port that our own workers hold is no conflict, if they share ports in the same way. */
async function probeAddresses(pool: Pool, listeners: readonly ListenerSpec[]): Promise<void> {
  const current = pool.snapshot.listeners;
  const known = new Set(current.map(bindKey));
  for (const listener of listeners) {
    const { name, bind, wire } = listener;
    const holder = bind.port === 0 ? undefined : current.find((one) => (pool.ports[one.name] ?? one.bind.port) === bind.port);
    if (holder !== undefined && ((holder.wire === null) !== (wire === null) || (wire !== null && !known.has(bindKey(listener))))) {
      throw new PortUnavailable(
        `listener "${name}": port ${bind.port} is held by listener "${holder.name}" of the running configuration, and cannot pass from a ` +
          `${holder.protocol} listener on ${holder.bind.host} to a ${listener.protocol} listener on ${bind.host} without a restart`,
      );
    }
    if (wire === null && holder === undefined) await probePort(bind.host, bind.port, `listener "${name}"`);
  }
}

function failed(message: string): RollOutcome {
  return { result: "failed", message };
}
