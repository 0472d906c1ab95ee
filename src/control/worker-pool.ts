/**
 * The workers as the primary sees them: brings the first one up (it settles the ports), then the rest, gives every new
 * one the current state, tells all of them what changes, and replaces them when it cannot change in place (roll.ts).
 */
import type { Snapshot } from "../engine/model/snapshot.js";
import type { MetricsAggregator } from "../telemetry/metrics-aggregator.js";
import type { ProcessLog } from "../telemetry/process-log.js";
import { CrashWindow } from "./crash-window.js";
import { createGeneration, type Generation, knownPortsOf } from "./generation.js";
import type { KeeperLink } from "./keeper-client.js";
import { createListenHandles, type ListenHandles } from "./listen-handles.js";
import { PortUnavailable } from "./port-probe.js";
import type {
  EndpointReport,
  EndpointsMessage,
  HealthMessage,
  KeySetMessage,
  OverridesMessage,
  PrimaryMessage,
  StartMessage,
  WorkerMessage,
} from "./protocol.js";
import { type PublishOutcome, publish } from "./publish.js";
import { type RollOutcome, roll } from "./roll.js";
import { createSingleSupervisor } from "./single-worker.js";
import { createSupervisor, type Supervisor, type WorkerHandle } from "./supervisor.js";
import { createWorkerDesk, type DeskServices, type WorkerDesk } from "./worker-desk.js";
import { WorkerReplies } from "./worker-replies.js";
import { START_TIMEOUT_MS, WorkerWatch } from "./worker-watch.js";

export type { PublishOutcome } from "./publish.js";
export type { RollOutcome } from "./roll.js";

export interface WorkerPoolOptions {
  readonly snapshot: Snapshot;
  readonly isSingle: boolean;
  readonly instance: string;
  /** Per worker; 0: unlimited. */
  readonly maxSockets: (snapshot: Snapshot) => number;
  readonly currentKeys: () => readonly KeySetMessage[];
  readonly currentHealth: () => readonly HealthMessage[];
  /** What sources have found so far. */
  readonly currentEndpoints: () => readonly EndpointsMessage[];
  readonly currentOverrides: () => OverridesMessage;
  /** Sees to the workers when this process is gone; null: they drain then. */
  readonly keeper: KeeperLink | null;
  /** Base64. */
  readonly ticketKeys: () => string;
  /** Of explain tokens; base64. */
  readonly explainSecret: string;
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
  /** What new workers start with. */
  readonly snapshot: Snapshot;
  /** Real ports by listener name, once started. */
  readonly ports: Readonly<Record<string, number>>;
  readonly workers: readonly WorkerHandle[];
  readonly restarts: number;
  readonly isDraining: boolean;
  /** Why the gateway should get no traffic although workers may serve; empty when all is well. */
  readonly troubles: readonly string[];
  /** Resolves when all workers serve: null, or why they cannot. */
  start(): Promise<WorkerFailure | null>;
  /**
   * Changes the snapshot of all workers in place, or of none. Only for changes of which `needsRoll` names none.
   * Publications and rolls wait for each other.
   */
  publish(snapshot: Snapshot): Promise<PublishOutcome>;
  /** Replaces all workers, one by one. Resolves when the new ones serve; the old ones may still be finishing what they have. */
  roll(snapshot: Snapshot): Promise<RollOutcome>;
  broadcast(message: PrimaryMessage): void;
  /** Ends all workers at once. */
  kill(): void;
  /** What all workers together know of the endpoints of these services. */
  inspect(services: readonly string[]): Promise<readonly EndpointReport[]>;
  /** Brings the aggregated metrics up to date. */
  collect(): Promise<void>;
  /** @param isReplaced by another primary's workers, so that WebSockets need not hurry; default: false */
  stop(drainTimeoutMs: number, isReplaced?: boolean): Promise<void>;
}

const WORKER_ENTRY = new URL("./worker-main.js", import.meta.url);

export function createWorkerPool(options: WorkerPoolOptions): WorkerPool {
  return new Pool(options);
}

export type Started = { readonly worker: WorkerHandle; readonly failure: WorkerFailure | null };

/** Also the ground that publish.ts and roll.ts work on. */
export class Pool implements WorkerPool {
  isDraining = false;
  readonly options: WorkerPoolOptions;
  readonly handles: ListenHandles;
  readonly replies = new WorkerReplies();
  readonly supervisor: Supervisor;
  /** What workers are started with. */
  generation: Generation;
  /** Old workers that have been told to go and may still run. */
  readonly retiring = new Set<Promise<void>>();
  readonly #desk: WorkerDesk;
  readonly #watch: WorkerWatch;
  readonly #crashes: CrashWindow;
  readonly #generations = new Map<number, Generation>();
  /** Who waits for a worker to serve, or to say why it does not; by worker id. */
  readonly #starting = new Map<number, (failure: WorkerFailure | null) => void>();
  #isStarted = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: WorkerPoolOptions) {
    this.options = options;
    this.handles = createListenHandles(options.keeper?.sockets);
    this.#desk = createWorkerDesk({ ...options.services, log: (message, error) => options.log.warn({ err: error }, message) });
    this.generation = this.createGeneration(options.snapshot, options.keeper?.predecessor?.ports ?? {});
    const events = { onSpawn: (worker: WorkerHandle) => this.#greet(worker), onExit: this.#onExit.bind(this) };
    this.supervisor = options.isSingle ? createSingleSupervisor(events) : createSupervisor(WORKER_ENTRY, events);
    this.#crashes = new CrashWindow(options.log, options.metrics);
    this.#watch = new WorkerWatch(this);
  }

  get snapshot(): Snapshot {
    return this.generation.snapshot;
  }

  get ports(): Readonly<Record<string, number>> {
    return this.generation.ports;
  }

  get workers(): readonly WorkerHandle[] {
    return this.supervisor.workers;
  }

  get restarts(): number {
    return this.supervisor.restarts;
  }

  get troubles(): readonly string[] {
    const trouble = this.lookAtCrashes(performance.now());
    return trouble === null ? [] : [trouble];
  }

  async start(): Promise<WorkerFailure | null> {
    const { snapshot } = this;
    try {
      this.generation.handles = await this.handles.open(snapshot.listeners);
    } catch (error) {
      if (!(error instanceof PortUnavailable)) throw error;
      return { message: error.message, isUnavailable: true };
    }
    const first = await this.#startKept();
    if (first.failure !== null) return first.failure;
    const others = await Promise.all(Array.from({ length: this.workerCount(snapshot) - 1 }, () => this.#startKept()));
    this.#isStarted = true;
    if (!this.options.isSingle) this.#watch.start();
    return others.find(({ failure }) => failure !== null)?.failure ?? null;
  }

  publish(snapshot: Snapshot): Promise<PublishOutcome> {
    return this.inTurn(() => publish(this, snapshot));
  }

  roll(snapshot: Snapshot): Promise<RollOutcome> {
    return this.inTurn(() => roll(this, snapshot));
  }

  broadcast(message: PrimaryMessage): void {
    for (const worker of this.workers) worker.channel.send(message);
  }

  kill(): void {
    this.supervisor.killAll();
  }

  inspect(services: readonly string[]): Promise<readonly EndpointReport[]> {
    return this.#desk.inspect(this.workers, services);
  }

  collect(): Promise<void> {
    return this.#desk.collect(this.workers);
  }

  async stop(drainTimeoutMs: number, isReplaced = false): Promise<void> {
    this.isDraining = true;
    this.#watch.stop();
    this.generation.addresses.stop();
    // A socket that only we still held would go on taking connections that nobody serves.
    this.handles.close();
    await this.supervisor.stop(drainTimeoutMs, isReplaced);
  }

  // ── For publish.ts, roll.ts and worker-watch.ts ──────────────────────────────────────────────────────────────────

  lookAtCrashes(nowMs: number): string | null {
    return this.#crashes.trouble(this.snapshot.supervision, nowMs);
  }

  tellPorts(): void {
    this.options.keeper?.tellPorts(knownPortsOf(this.generation));
  }

  /** One after the other: each begins with what the one before has left. */
  inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(act);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  workerCount(snapshot: Snapshot): number {
    return this.options.isSingle ? 1 : snapshot.workers;
  }

  createGeneration(snapshot: Snapshot, knownPorts = knownPortsOf(this.generation)): Generation {
    const { log, maxSockets } = this.options;
    return createGeneration({
      snapshot,
      maxSockets: maxSockets(snapshot),
      knownPorts,
      workerCount: this.workerCount(snapshot),
      workers: () => this.workers,
      warn: (message, error) => log.warn({ err: error }, message),
    });
  }

  /** Resolves when it serves, or cannot. It is not kept yet. */
  startWorker(generation = this.generation): Promise<Started> {
    return new Promise((resolve) => {
      const worker = this.supervisor.spawn();
      this.#assign(worker, generation);
      // Too late for `stop` to see it.
      if (this.isDraining) this.supervisor.kill(worker);
      const timer = setTimeout(() => this.supervisor.kill(worker), START_TIMEOUT_MS);
      this.#starting.set(worker.id, (failure) => {
        clearTimeout(timer);
        resolve({ worker, failure });
      });
    });
  }

  generationOf(worker: WorkerHandle): Generation {
    return this.#generations.get(worker.id) ?? this.generation;
  }

  /** In the background: what it has may take as long as the drain timeout. */
  retire(worker: WorkerHandle): Promise<void> {
    const ended = this.supervisor.retire(worker, this.generationOf(worker).snapshot.drain.timeoutMs);
    const known = ended.finally(() => this.retiring.delete(known));
    this.retiring.add(known);
    return known;
  }

  // ── What happens to workers ──────────────────────────────────────────────────────────────────────────────────────

  async #startKept(): Promise<Started> {
    const started = await this.startWorker();
    if (started.failure === null) this.supervisor.keep(started.worker);
    return started;
  }

  #assign(worker: WorkerHandle, generation: Generation): void {
    this.#generations.set(worker.id, generation);
    generation.workerIds.add(worker.id);
  }

  /** One that is started again belongs to the current generation; one that is asked for is assigned right after. */
  #greet(worker: WorkerHandle): void {
    worker.channel.onMessage((message) => {
      this.#watch.heard(worker);
      if (!this.#desk.receive(worker, message)) this.#receive(worker, message);
    });
    this.#tellWorkers();
  }

  #tellWorkers(): void {
    const workers = this.workers.flatMap(({ identity }) => (identity === null ? [] : [identity]));
    this.options.keeper?.tellWorkers(workers, this.snapshot.drain.timeoutMs);
  }

  #receive(worker: WorkerHandle, message: WorkerMessage): void {
    switch (message.type) {
      case "hello":
        return this.#startServing(worker);
      case "ready":
        return this.#ready(worker, message.ports);
      case "ack":
        worker.snapshotVersion = message.version;
        return this.replies.acknowledged(worker, message.version);
      case "rejected":
        return this.replies.rejected(worker, message.version, message.message);
      case "pong":
        return this.#watch.answered(worker, message.residentBytes);
      case "countAddresses":
        return this.generationOf(worker).addresses.want();
      case "addressesYielded":
        return this.generationOf(worker).addresses.answer(message.id, message.credits);
      case "failed":
        if (this.#isStarted) this.options.log.error({ worker: worker.id }, message.message);
        return this.#settle(worker, message);
      default:
        return;
    }
  }

  #startServing(worker: WorkerHandle): void {
    if (!this.#generations.has(worker.id)) this.#assign(worker, this.generation);
    const { handles } = this.generationOf(worker);
    const keeper = this.options.keeper?.identity ?? null;
    if (keeper !== null) worker.channel.send({ type: "keeper", keeper });
    for (const [listener, handle] of handles) worker.channel.send({ type: "listen", listener }, handle);
    worker.channel.send(this.#startMessage(worker));
    this.#watch.heard(worker);
  }

  #startMessage(worker: WorkerHandle): StartMessage {
    const { instance, currentKeys, currentEndpoints, currentHealth, currentOverrides, ticketKeys, explainSecret } = this.options;
    const { snapshot, ports, maxSockets, addresses } = this.generationOf(worker);
    const state = {
      keys: currentKeys(),
      endpoints: currentEndpoints(),
      health: currentHealth(),
      overrides: currentOverrides(),
      ports,
      ticketKeys: ticketKeys(),
      explainSecret,
      addresses: addresses.starts(),
    };
    return { type: "start", workerId: worker.id, instance, snapshot, maxSockets, ...state };
  }

  #ready(worker: WorkerHandle, ports: Readonly<Record<string, number>>): void {
    worker.isReady = true;
    const generation = this.generationOf(worker);
    generation.ports = ports;
    if (generation === this.generation) this.tellPorts();
    if (this.#isStarted) this.options.log.info({ worker: worker.id, workerPid: worker.pid }, "worker ready");
    this.#settle(worker, null);
  }

  #settle(worker: WorkerHandle, failure: WorkerFailure | null): void {
    const settle = this.#starting.get(worker.id);
    this.#starting.delete(worker.id);
    settle?.(failure);
  }

  #onExit(worker: WorkerHandle, reason: string, willRestartInMs: number): void {
    const { metrics, log } = this.options;
    metrics.retire(worker.id);
    this.generationOf(worker).workerIds.delete(worker.id);
    this.#generations.delete(worker.id);
    this.#watch.ended(worker);
    this.replies.ended(worker);
    this.#tellWorkers();
    this.#settle(worker, { message: `a worker ended while starting (${reason})`, isUnavailable: false });
    if (willRestartInMs < 0) return;
    metrics.recordWorkerRestart();
    log.error({ worker: worker.id, workerPid: worker.pid, reason, willRestartInMs }, "worker ended unexpectedly");
    this.#crashes.add(this.snapshot.supervision, performance.now());
  }
}
