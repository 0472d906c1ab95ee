/**
 * The primary's side of the keeper: asks it for listening sockets, tells it which workers there are, and takes over from another
 * primary or hands over to one. When the keeper has gone, the primary goes on with what it has.
 */
import {
  type FromPrimary,
  KEEPER_PROTOCOL,
  KEEPER_VARIABLE,
  type Predecessor,
  type ToPrimary,
  type UpgradeOutcome,
  type Welcome,
} from "./keeper-protocol.js";
import type { SocketKeeper } from "./listen-handles.js";
import type { ProcessIdentity } from "./process-identity.js";
import { Questions } from "./questions.js";
import { type BoundSocket, bindSocket } from "./socket-binder.js";

const BIND_TIMEOUT_MS = 5_000;
const ALIVE_MS = 1_000;

export interface HandOver {
  /** Lets go of what only one primary can hold: the admin port, the state directory. Nothing is written to it afterwards. Never rejects. */
  release(): Promise<void>;
  /** It did not come to that. Never rejects. */
  resume(): Promise<void>;
}

export interface KeeperLink {
  /** Null when it has gone, or processes cannot be told apart. */
  readonly identity: ProcessIdentity | null;
  /** This primary takes the place of another one, whose workers serve until this one is ready; null: it is the first. */
  readonly predecessor: Predecessor | null;
  readonly sockets: SocketKeeper;
  /** Resolves when another primary serves and this one is to drain and end. */
  readonly retired: Promise<"retired">;
  tellWorkers(workers: readonly ProcessIdentity[], drainTimeoutMs: number): void;
  tellPorts(ports: Readonly<Record<string, number>>): void;
  tellServing(version: string): void;
  /** From now on the keeper kills and replaces this process when its event loop does not turn for `maxSilenceMs()`. */
  beWatched(maxSilenceMs: () => number): void;
  /** Our workers serve: resolves when the predecessor has let go of what only one can hold. */
  takeOver(): Promise<void>;
  /** @param line for whoever started us */
  tellReady(line: string): void;
  tellStopping(): void;
  /** Starts a primary from the code on disk; resolves when it serves, or cannot. */
  requestUpgrade(): Promise<UpgradeOutcome>;
  /** What is done when another primary takes this one's place. */
  onHandOver(handOver: HandOver): void;
  /** The keeper has gone. */
  onLost(lost: () => void): void;
  /** Lets this process end. */
  close(): void;
}

/** Null when this process was not started by a keeper. @throws when the keeper is of another kind */
export function connectKeeper(): KeeperLink | null {
  const text = process.env[KEEPER_VARIABLE];
  delete process.env[KEEPER_VARIABLE];
  if (text === undefined || process.send === undefined) return null;
  const welcome = JSON.parse(text) as Welcome;
  if (welcome.protocol === KEEPER_PROTOCOL) return new Link(welcome);
  throw new Error(`the running keeper speaks protocol ${welcome.protocol}, this version ${KEEPER_PROTOCOL}: restart instead of upgrading`);
}

class Link implements KeeperLink {
  readonly predecessor: Predecessor | null;
  readonly retired: Promise<"retired">;
  readonly #identity: ProcessIdentity | null;
  readonly #sockets = new Questions<BoundSocket | null>(BIND_TIMEOUT_MS);
  #isLost = false;
  #pulse: NodeJS.Timeout | undefined = undefined;
  #retire: (how: "retired") => void = () => {};
  #takeOver: () => void = () => {};
  #upgraded: ((outcome: UpgradeOutcome) => void)[] = [];
  #handOver: HandOver = { release: async () => {}, resume: async () => {} };
  #releasing: Promise<void> = Promise.resolve();
  #lost: () => void = () => {};

  constructor({ keeper, predecessor }: Welcome) {
    this.#identity = keeper;
    this.predecessor = predecessor;
    this.retired = new Promise((resolve) => {
      this.#retire = resolve;
    });
    process.on("message", (message, handle) => this.#receive(message as ToPrimary, handle as BoundSocket | undefined));
    process.once("disconnect", () => this.#keeperGone());
  }

  get identity(): ProcessIdentity | null {
    return this.#isLost ? null : this.#identity;
  }

  readonly sockets: SocketKeeper = {
    bind: async (key, address, port) => {
      if (this.#isLost) return bindSocket(address, port);
      return await this.#sockets.ask((id) => this.#send({ type: "bind", id, key, address, port })).catch(() => null);
    },
    unbind: (key) => this.#send({ type: "unbind", key }),
  };

  tellWorkers(workers: readonly ProcessIdentity[], drainTimeoutMs: number): void {
    this.#send({ type: "workers", workers, drainTimeoutMs });
  }

  tellServing(version: string): void {
    this.#send({ type: "serving", version });
  }

  beWatched(maxSilenceMs: () => number): void {
    const tell = (): void => this.#send({ type: "alive", maxSilenceMs: maxSilenceMs() });
    tell();
    this.#pulse = setInterval(tell, ALIVE_MS).unref();
  }

  tellPorts(ports: Readonly<Record<string, number>>): void {
    this.#send({ type: "ports", ports });
  }

  takeOver(): Promise<void> {
    if (this.predecessor === null || this.#isLost) return Promise.resolve();
    this.#send({ type: "prepared" });
    return new Promise((resolve) => {
      this.#takeOver = resolve;
    });
  }

  tellReady(line: string): void {
    this.#send({ type: "ready", line });
  }

  tellStopping(): void {
    this.#send({ type: "stopping" });
  }

  requestUpgrade(): Promise<UpgradeOutcome> {
    if (this.#isLost) return Promise.resolve({ result: "failed", message: "the keeper process has gone: restart instead" });
    // Who asks while one is under way waits for it: a refusal would reach both.
    if (this.#upgraded.length === 0) this.#send({ type: "upgrade" });
    return new Promise((resolve) => {
      this.#upgraded.push(resolve);
    });
  }

  onHandOver(handOver: HandOver): void {
    this.#handOver = handOver;
  }

  onLost(lost: () => void): void {
    this.#lost = lost;
  }

  close(): void {
    this.#lost = () => {};
    clearInterval(this.#pulse);
    if (process.connected) process.disconnect();
  }

  #send(message: FromPrimary): void {
    if (process.connected) process.send?.(message, undefined, undefined, () => {});
  }

  #receive(message: ToPrimary, handle: BoundSocket | undefined): void {
    switch (message.type) {
      case "bound":
        return this.#sockets.answer(message.id, handle ?? null);
      case "takeOver":
        return this.#takeOver();
      case "release":
        this.#releasing = this.#handOver.release();
        return void this.#releasing.then(() => this.#send({ type: "released" }));
      case "resume":
        // The keeper does not wait for ever: what is being released is taken again when it is.
        return void this.#releasing.then(() => this.#handOver.resume());
      case "retire":
        return this.#retire("retired");
      case "upgraded":
        for (const resolve of this.#upgraded.splice(0)) resolve(message.outcome);
        return;
    }
  }

  #keeperGone(): void {
    this.#isLost = true;
    this.#takeOver();
    for (const resolve of this.#upgraded.splice(0)) resolve({ result: "failed", message: "the keeper process has gone" });
    this.#lost();
  }
}
