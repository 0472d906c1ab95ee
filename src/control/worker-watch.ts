/**
 * Pings workers, and replaces those that hang (killed) or have grown too large (drained). The replacement serves first where
 * that is possible. When this process itself was stopped, nobody is blamed for the time.
 */
import type { SupervisionSpec } from "../engine/model/snapshot.js";
import type { WorkerHandle } from "./supervisor.js";
import type { Pool } from "./worker-pool.js";

/** A worker that does not serve by then never will. */
export const START_TIMEOUT_MS = 30_000;
const MAX_PERIOD_MS = 1_000;
/** A tick that comes so much later than it should tells of ourselves. */
const NOTICED_LATENESS_MS = 20;
/** A worker that is too large so soon after its start would be too large again: the limit is too low for the pause to be shorter. */
const FIRST_MEMORY_PAUSE_MS = 10_000;
const MAX_MEMORY_PAUSE_MS = 10 * 60_000;

export class WorkerWatch {
  readonly #pool: Pool;
  readonly #heardAtMs = new Map<number, number>();
  readonly #residentBytes = new Map<number, number>();
  /** Being replaced. */
  readonly #leaving = new Set<number>();
  #timer: NodeJS.Timeout | null = null;
  #lastTickMs = 0;
  #memoryPauseMs = FIRST_MEMORY_PAUSE_MS;
  #nextMemoryAtMs = 0;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  start(): void {
    this.#lastTickMs = performance.now();
    this.#plan();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  heard(worker: WorkerHandle): void {
    this.#heardAtMs.set(worker.id, performance.now());
  }

  answered(worker: WorkerHandle, residentBytes: number): void {
    this.#residentBytes.set(worker.id, residentBytes);
  }

  ended(worker: WorkerHandle): void {
    this.#heardAtMs.delete(worker.id);
    this.#residentBytes.delete(worker.id);
    this.#leaving.delete(worker.id);
  }

  get #spec(): SupervisionSpec {
    return this.#pool.snapshot.supervision;
  }

  get #periodMs(): number {
    return Math.min(MAX_PERIOD_MS, this.#spec.stallTimeoutMs / 4);
  }

  #plan(): void {
    this.#timer = setTimeout(() => this.#tick(), this.#periodMs);
    this.#timer.unref();
  }

  #tick(): void {
    const nowMs = performance.now();
    this.#forgive(nowMs - this.#lastTickMs - this.#periodMs, nowMs);
    this.#lastTickMs = nowMs;
    this.#pool.lookAtCrashes(nowMs);
    for (const worker of this.#pool.workers) this.#look(worker, nowMs);
    this.#plan();
  }

  /** Answers may wait to be read for as long as this process did not run. */
  #forgive(lateMs: number, nowMs: number): void {
    if (lateMs < NOTICED_LATENESS_MS) return;
    for (const [id, heardAtMs] of this.#heardAtMs) this.#heardAtMs.set(id, Math.min(nowMs, heardAtMs + lateMs));
  }

  #look(worker: WorkerHandle, nowMs: number): void {
    if (this.#leaving.has(worker.id)) return;
    if (!worker.isReady) return this.#lookAtStart(worker);
    worker.channel.send({ type: "ping" });
    const silentMs = nowMs - (this.#heardAtMs.get(worker.id) ?? nowMs);
    if (silentMs > this.#spec.stallTimeoutMs) return this.#replaceStalled(worker, silentMs);
    const bytes = this.#residentBytes.get(worker.id) ?? 0;
    const { maxWorkerMemoryBytes: max } = this.#spec;
    if (max > 0 && bytes > max && !worker.isDraining && nowMs >= this.#nextMemoryAtMs) this.#replaceLarge(worker, bytes);
  }

  #lookAtStart(worker: WorkerHandle): void {
    if (Date.now() - worker.startedAtMs < START_TIMEOUT_MS) return;
    this.#leaving.add(worker.id);
    this.#pool.options.log.error({ worker: worker.id, workerPid: worker.pid }, "worker does not get to serve: killed");
    this.#pool.supervisor.kill(worker);
  }

  #replaceStalled(worker: WorkerHandle, silentMs: number): void {
    const { log, metrics } = this.#pool.options;
    this.#leaving.add(worker.id);
    log.error({ worker: worker.id, workerPid: worker.pid, silentMs: Math.round(silentMs) }, "worker hangs: replaced and killed");
    metrics.recordWorkerReplacement("stalled");
    if (worker.isDraining) return this.#pool.supervisor.kill(worker);
    // Not in turn: what is under way may wait for this very worker.
    void this.#startSuccessor(worker).finally(() => this.#pool.supervisor.kill(worker));
  }

  #replaceLarge(worker: WorkerHandle, residentBytes: number): void {
    const { log, metrics } = this.#pool.options;
    const { maxWorkerMemoryBytes } = this.#spec;
    this.#leaving.add(worker.id);
    this.#slowDown(Date.now() - worker.startedAtMs);
    log.warn(
      { worker: worker.id, workerPid: worker.pid, residentBytes, maxWorkerMemoryBytes, notAgainForMs: this.#memoryPauseMs },
      "worker is larger than supervision.maxWorkerMemory: replaced",
    );
    metrics.recordWorkerReplacement("memory");
    void this.#pool.inTurn(async () => {
      if (await this.#startSuccessor(worker)) void this.#pool.retire(worker);
      else this.#leaving.delete(worker.id);
    });
  }

  /** Workers that are too large again and again are replaced ever more seldom. */
  #slowDown(ageMs: number): void {
    const wasSoon = ageMs < 2 * this.#memoryPauseMs;
    this.#memoryPauseMs = wasSoon ? Math.min(MAX_MEMORY_PAUSE_MS, 2 * this.#memoryPauseMs) : FIRST_MEMORY_PAUSE_MS;
    this.#nextMemoryAtMs = performance.now() + this.#memoryPauseMs;
  }

  /** Takes over its place: the one that leaves is not replaced a second time. */
  async #startSuccessor(worker: WorkerHandle): Promise<boolean> {
    if (!this.#pool.workers.includes(worker)) return false; // it has ended meanwhile, and has been replaced
    const { worker: successor, failure } = await this.#pool.startWorker();
    if (failure !== null || !this.#pool.workers.includes(worker)) {
      void this.#pool.retire(successor);
      return false;
    }
    this.#pool.supervisor.keep(successor);
    this.#pool.supervisor.release(worker);
    return true;
  }
}
