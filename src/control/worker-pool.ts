/**
 * The workers as the primary sees them: brings the first one up (it settles the ports), then the rest, gives every new
 * one the current state, and tells all of them what changes.
 */
import type { Snapshot } from "../engine/model/snapshot.js";
import type { MetricsAggregator } from "../telemetry/metrics-aggregator.js";
import type { ProcessLog } from "../telemetry/process-log.js";
import { type AddressRounds, createAddressRounds } from "./address-rounds.js";
import { localChannels } from "./channels.js";
import type { KeySetMessage, PrimaryMessage, StartMessage, WorkerMessage } from "./protocol.js";
import { countConnections } from "./socket-table.js";
import { createSupervisor, type Supervisor, type WorkerHandle } from "./supervisor.js";
import { startWorker } from "./worker.js";
import { createWorkerDesk, type DeskServices, type WorkerDesk } from "./worker-desk.js";

export interface WorkerPoolOptions {
  readonly snapshot: Snapshot;
  readonly isSingle: boolean;
  readonly instance: string;
  /** Per worker; 0: unlimited. */
  readonly maxSockets: number;
  readonly currentKeys: () => readonly KeySetMessage[];
  /** By listener name. */
  readonly handles: ReadonlyMap<string, object>;
  /** Base64. */
  readonly ticketKeys: () => string;
  readonly services: Omit<DeskServices, "log">;
  readonly metrics: MetricsAggregator;
  readonly log: ProcessLog;
}

export interface WorkerFailure {
  /** One line. */
  readonly message: string;
  /** An address could not be bound, as opposed to everything else. */
  readonly isUnavailable: boolean;
}

export interface WorkerPool {
  /** Real ports by listener name, once started. */
  readonly ports: Readonly<Record<string, number>>;
  readonly workers: readonly WorkerHandle[];
  readonly restarts: number;
  readonly isDraining: boolean;
  /** Resolves when all workers serve: null, or why they cannot. */
  start(): Promise<WorkerFailure | null>;
  broadcast(message: PrimaryMessage): void;
  /** Ends all workers at once. */
  kill(): void;
  /** Brings the aggregated metrics up to date. */
  collect(): Promise<void>;
  stop(drainTimeoutMs: number): Promise<void>;
}

const WORKER_ENTRY = new URL("./worker-main.js", import.meta.url);

export function createWorkerPool(options: WorkerPoolOptions): WorkerPool {
  return new Pool(options);
}

class Pool implements WorkerPool {
  ports: Readonly<Record<string, number>> = {};
  isDraining = false;
  readonly #options: WorkerPoolOptions;
  readonly #desk: WorkerDesk;
  readonly #supervisor: Supervisor;
  readonly #addresses: AddressRounds;
  /** Who waits for the next worker to say that it serves, or why it does not. */
  readonly #waitingForReady: ((failure: WorkerFailure | null) => void)[] = [];
  #isStarted = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#desk = createWorkerDesk({ ...options.services, log: (message, error) => options.log.warn({ err: error }, message) });
    this.#addresses = createAddressRounds({
      listeners: options.snapshot.listeners,
      workerCount: this.#workerCount,
      workers: () => this.workers,
      ports: () => this.ports,
      count: countConnections,
      log: (message, error) => options.log.warn({ err: error }, message),
    });
    this.#supervisor = createProcesses(
      options,
      (worker) => this.#greet(worker),
      (message) => this.#settle({ message, isUnavailable: false }),
    );
  }

  get workers(): readonly WorkerHandle[] {
    return this.#supervisor.workers;
  }

  get restarts(): number {
    return this.#supervisor.restarts;
  }

  async start(): Promise<WorkerFailure | null> {
    const count = this.#workerCount;
    const first = await this.#bringUp();
    if (first !== null) return first;
    const others = await Promise.all(Array.from({ length: count - 1 }, () => this.#bringUp()));
    this.#isStarted = true;
    return others.find((failure) => failure !== null) ?? null;
  }

  broadcast(message: PrimaryMessage): void {
    for (const worker of this.workers) worker.channel.send(message);
  }

  kill(): void {
    this.#supervisor.kill();
  }

  collect(): Promise<void> {
    return this.#desk.collect(this.workers);
  }

  async stop(drainTimeoutMs: number): Promise<void> {
    this.isDraining = true;
    this.#addresses.stop();
    await this.#supervisor.stop(drainTimeoutMs);
  }

  get #workerCount(): number {
    return this.#options.isSingle ? 1 : this.#options.snapshot.workers;
  }

  #bringUp(): Promise<WorkerFailure | null> {
    return new Promise((resolve) => {
      this.#waitingForReady.push(resolve);
      this.#supervisor.spawn();
    });
  }

  #settle(failure: WorkerFailure | null): void {
    this.#waitingForReady.shift()?.(failure);
  }

  #greet(worker: WorkerHandle): void {
    worker.channel.onMessage((message) => {
      if (!this.#desk.receive(worker, message)) this.#receive(worker, message);
    });
  }

  #receive(worker: WorkerHandle, message: WorkerMessage): void {
    const { log } = this.#options;
    switch (message.type) {
      case "hello":
        return this.#startServing(worker);
      case "ready":
        worker.isReady = true;
        this.ports = message.ports;
        if (this.#isStarted) log.info({ worker: worker.id, workerPid: worker.pid }, "worker ready");
        return this.#settle(null);
      case "ack":
        worker.snapshotVersion = message.version;
        return;
      case "countAddresses":
        return this.#addresses.want();
      case "addressesYielded":
        return this.#addresses.answer(message.id, message.credits);
      case "failed":
        if (this.#isStarted) log.error({ worker: worker.id }, message.message);
        return this.#settle(message);
      default:
        return;
    }
  }

  #startServing({ id, channel }: WorkerHandle): void {
    for (const [listener, handle] of this.#options.handles) channel.send({ type: "listen", listener }, handle);
    channel.send(this.#startMessage(id));
  }

  #startMessage(workerId: number): StartMessage {
    const { snapshot, instance, maxSockets, currentKeys, ticketKeys } = this.#options;
    const addresses = this.#addresses.starts();
    const state = { keys: currentKeys(), ports: this.ports, ticketKeys: ticketKeys() };
    return { type: "start", workerId, instance, snapshot, maxSockets, addresses, ...state };
  }
}

function createProcesses(options: WorkerPoolOptions, greet: (worker: WorkerHandle) => void, failed: (failure: string) => void): Supervisor {
  if (options.isSingle) return createSingle(greet);
  const { log, metrics } = options;
  return createSupervisor(WORKER_ENTRY, {
    onSpawn: greet,
    onExit(worker, reason, willRestartInMs) {
      metrics.retire(worker.id);
      if (willRestartInMs < 0) return;
      metrics.recordWorkerRestart();
      log.error({ worker: worker.id, workerPid: worker.pid, reason, willRestartInMs }, "worker ended unexpectedly");
      failed(`a worker ended while starting (${reason})`);
    },
  });
}

/** The same life in this process: one worker, which cannot crash alone. */
function createSingle(greet: (worker: WorkerHandle) => void): Supervisor {
  const workers: WorkerHandle[] = [];
  let ended: Promise<void> = Promise.resolve();
  return {
    workers,
    restarts: 0,
    spawn() {
      const [forPrimary, forWorker] = localChannels();
      const worker = { id: 1, pid: process.pid, channel: forPrimary, isReady: false, snapshotVersion: "", startedAtMs: Date.now() };
      workers.push(worker);
      greet(worker);
      ended = new Promise((resolve) => startWorker(forWorker, { stdoutFd: 1, ended: () => resolve() }));
    },
    kill() {},
    async stop(drainTimeoutMs) {
      for (const worker of workers) worker.channel.send({ type: "drain", timeoutMs: drainTimeoutMs });
      if (workers.length > 0) await ended;
    },
  };
}
