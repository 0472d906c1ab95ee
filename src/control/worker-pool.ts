/**
 * The workers as the primary sees them: brings the first one up (it settles the ports), then the rest, gives every new
 * one the current state, and tells all of them what changes.
 */
import type { Snapshot } from "../engine/model/snapshot.js";
import type { MetricsAggregator } from "../telemetry/metrics-aggregator.js";
import type { ProcessLog } from "../telemetry/process-log.js";
import { localChannels } from "./channels.js";
import { findFreePort } from "./port-probe.js";
import type { KeySetMessage, PrimaryMessage, WorkerMessage } from "./protocol.js";
import { createSupervisor, type Supervisor, type WorkerHandle } from "./supervisor.js";
import { startWorker } from "./worker.js";
import { createWorkerDesk, type DeskServices } from "./worker-desk.js";

export interface WorkerPoolOptions {
  readonly snapshot: Snapshot;
  readonly isSingle: boolean;
  readonly instance: string;
  readonly currentKeys: () => readonly KeySetMessage[];
  readonly services: Omit<DeskServices, "log">;
  readonly metrics: MetricsAggregator;
  readonly log: ProcessLog;
}

export interface WorkerPool {
  /** Real ports by listener name, once started. */
  readonly ports: Readonly<Record<string, number>>;
  readonly workers: readonly WorkerHandle[];
  readonly restarts: number;
  readonly isDraining: boolean;
  /** Resolves when all workers serve: null, or the line that says why they cannot. */
  start(): Promise<string | null>;
  broadcast(message: PrimaryMessage): void;
  /** Brings the aggregated metrics up to date. */
  collect(): Promise<void>;
  stop(drainTimeoutMs: number): Promise<void>;
}

const WORKER_ENTRY = new URL("./worker-main.js", import.meta.url);

export function createWorkerPool(options: WorkerPoolOptions): WorkerPool {
  const { snapshot, log } = options;
  const desk = createWorkerDesk({ ...options.services, log: (message, error) => log.warn({ err: error }, message) });
  const waitingForReady: ((failure: string | null) => void)[] = [];
  let ports: Readonly<Record<string, number>> = {};
  let isDraining = false;
  let isStarted = false;

  function greet(worker: WorkerHandle): void {
    worker.channel.onMessage((message) => {
      if (!desk.receive(worker, message)) receive(worker, message);
    });
  }

  function receive(worker: WorkerHandle, message: WorkerMessage): void {
    switch (message.type) {
      case "hello":
        worker.channel.send({ type: "start", workerId: worker.id, instance: options.instance, snapshot, keys: options.currentKeys(), ports });
        return;
      case "ready":
        worker.isReady = true;
        ports = message.ports;
        if (isStarted) log.info({ worker: worker.id, pid: worker.pid }, "worker ready");
        waitingForReady.shift()?.(null);
        return;
      case "ack":
        worker.snapshotVersion = message.version;
        return;
      case "failed":
        if (isStarted) log.error({ worker: worker.id }, message.message);
        waitingForReady.shift()?.(message.message);
        return;
      default:
        return;
    }
  }

  const supervisor = createProcesses(options, greet, (failure) => waitingForReady.shift()?.(failure));

  function bringUp(): Promise<string | null> {
    return new Promise((resolve) => {
      waitingForReady.push(resolve);
      supervisor.spawn();
    });
  }

  return {
    get ports() {
      return ports;
    },
    get workers() {
      return supervisor.workers;
    },
    get restarts() {
      return supervisor.restarts;
    },
    get isDraining() {
      return isDraining;
    },
    async start() {
      const count = options.isSingle ? 1 : snapshot.workers;
      if (count > 1) ports = await choosePorts(snapshot);
      const first = await bringUp();
      if (first !== null) return first;
      const others = await Promise.all(Array.from({ length: count - 1 }, bringUp));
      isStarted = true;
      return others.find((failure) => failure !== null) ?? null;
    },
    broadcast(message) {
      for (const worker of supervisor.workers) worker.channel.send(message);
    },
    collect: () => desk.collect(supervisor.workers),
    async stop(drainTimeoutMs) {
      isDraining = true;
      await supervisor.stop(drainTimeoutMs);
    },
  };
}

async function choosePorts(snapshot: Snapshot): Promise<Record<string, number>> {
  const ports: Record<string, number> = {};
  for (const { name, bind } of snapshot.listeners) if (bind.port === 0) ports[name] = await findFreePort(bind.host);
  return ports;
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
      log.error({ worker: worker.id, pid: worker.pid, reason, willRestartInMs }, "worker ended unexpectedly");
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
      ended = new Promise((resolve) => startWorker(forWorker, () => resolve()));
    },
    async stop(drainTimeoutMs) {
      for (const worker of workers) worker.channel.send({ type: "drain", timeoutMs: drainTimeoutMs });
      if (workers.length > 0) await ended;
    },
  };
}
