/**
 * The primary's side of `maxConnectionsPerAddress`: when a worker asks for it, has all of them say what credits they
 * hold, counts the open connections, and deals credits out anew. One round at a time, and never so often that
 * counting would take more than a tenth of the primary's time.
 */
import { type AddressPlan, addressPlan } from "../engine/model/address-limit.js";
import type { ListenerSpec } from "../engine/model/snapshot.js";
import { dealCredits } from "../engine/resilience/address-credits.js";
import type { AddressStart, CreditsByListener } from "./protocol.js";
import { Questions } from "./questions.js";
import type { CountedListener, OpenConnections } from "./socket-table.js";
import type { WorkerHandle } from "./supervisor.js";

const MIN_PAUSE_MS = 100;
/** Between two rounds, as a multiple of what the last count took. */
const PAUSE_FACTOR = 10;
/** A round without the answer of every worker is given up: what a silent one may let in is unknown. */
const ANSWER_TIMEOUT_MS = 1_000;

export interface AddressRoundsOptions {
  readonly listeners: readonly ListenerSpec[];
  /** Worker processes there are when all run. */
  readonly workerCount: number;
  readonly workers: () => readonly WorkerHandle[];
  /** Real ports by listener name. */
  readonly ports: () => Readonly<Record<string, number>>;
  readonly count: (listeners: readonly CountedListener[]) => Promise<ReadonlyMap<string, OpenConnections>>;
  readonly log: (message: string, error: unknown) => void;
}

export interface AddressRounds {
  /** For the start message of a worker. */
  starts(): Readonly<Record<string, AddressStart>>;
  /** A worker wants a round. */
  want(): void;
  answer(id: number, credits: CreditsByListener): void;
  stop(): void;
}

export function createAddressRounds(options: AddressRoundsOptions): AddressRounds {
  return new Rounds(options);
}

class Rounds implements AddressRounds {
  readonly #options: AddressRoundsOptions;
  readonly #limited: readonly ListenerSpec[];
  readonly #plans: ReadonlyMap<string, AddressPlan>;
  readonly #questions = new Questions<CreditsByListener>(ANSWER_TIMEOUT_MS);
  /** By listener, as of the last round. */
  readonly #nearLimit = new Map<string, readonly string[]>();
  #isWanted = false;
  #isRunning = false;
  #isStopped = false;
  #mayRunAtMs = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: AddressRoundsOptions) {
    this.#options = options;
    this.#limited = options.listeners.filter(({ limits }) => limits.maxConnectionsPerAddress > 0);
    const planOf = ({ limits }: ListenerSpec): AddressPlan => addressPlan(limits.maxConnectionsPerAddress, options.workerCount);
    this.#plans = new Map(this.#limited.map((listener) => [listener.name, planOf(listener)]));
  }

  starts(): Readonly<Record<string, AddressStart>> {
    const starts = [...this.#plans].map(([name, { share }]) => [name, { share, nearLimit: this.#nearLimit.get(name) ?? [] }] as const);
    return Object.fromEntries(starts);
  }

  want(): void {
    this.#isWanted = true;
    if (this.#isRunning || this.#isStopped || this.#timer !== null) return;
    this.#timer = setTimeout(() => this.#begin(), Math.max(0, this.#mayRunAtMs - performance.now()));
    this.#timer.unref();
  }

  answer(id: number, credits: CreditsByListener): void {
    this.#questions.answer(id, credits);
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #begin(): void {
    this.#timer = null;
    this.#isWanted = false;
    this.#isRunning = true;
    this.#run()
      .catch((error: unknown) => this.#options.log("connections could not be counted by address", error))
      .finally(() => this.#end());
  }

  #end(): void {
    this.#isRunning = false;
    if (this.#isWanted) this.want();
  }

  async #run(): Promise<void> {
    const workers = this.#present();
    if (workers.length === 0) return;
    const yielded = workers.map((worker) => this.#questions.ask((id) => worker.channel.send({ type: "yieldAddresses", id })));
    const held = await Promise.all(yielded);
    const open = await this.#count();
    // The successor of one that has died meanwhile starts with more than its predecessor may have held.
    const left = this.#present();
    if (!this.#isStopped && workers.every((worker) => left.includes(worker))) this.#deal(workers, held, open);
  }

  #deal(workers: readonly WorkerHandle[], held: readonly CreditsByListener[], open: ReadonlyMap<string, OpenConnections>): void {
    const absent = new Array<null>(Math.max(0, this.#options.workerCount - workers.length)).fill(null);
    const dealt = [...this.#plans].map(([name, plan]) => {
      const credits = dealCredits(plan, [...held.map((all) => all[name] ?? []), ...absent], open.get(name) ?? NONE_OPEN);
      const nearLimit = (credits[0] ?? []).map(([address]) => address);
      this.#nearLimit.set(name, nearLimit);
      return [name, credits] as const;
    });
    workers.forEach((worker, index) => {
      const credits = Object.fromEntries(dealt.map(([name, all]) => [name, all[index] ?? []]));
      worker.channel.send({ type: "dealAddresses", credits });
    });
  }

  #present(): WorkerHandle[] {
    return this.#options.workers().filter((worker) => worker.isReady);
  }

  async #count(): Promise<ReadonlyMap<string, OpenConnections>> {
    const { count } = this.#options;
    const ports = this.#options.ports();
    const startedAt = performance.now();
    try {
      return await count(this.#limited.map(({ name, bind }) => ({ name, host: bind.host, port: ports[name] ?? bind.port })));
    } finally {
      const endedAt = performance.now();
      this.#mayRunAtMs = endedAt + Math.max(MIN_PAUSE_MS, PAUSE_FACTOR * (endedAt - startedAt));
    }
  }
}

const NONE_OPEN: OpenConnections = new Map();
