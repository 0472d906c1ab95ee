/**
 * The process on top: starts the primary, and another one when it dies or is to be upgraded, while the workers serve on. It
 * holds what must outlive a primary: listening sockets and the list of workers. It must never crash, so it does as little as it can.
 */
import { type ChildProcess, fork, type StdioOptions } from "node:child_process";
import { constants } from "node:os";
import { KeeperLog } from "./keeper-log.js";
import {
  type FromPrimary,
  KEEPER_PROTOCOL,
  KEEPER_VARIABLE,
  type Predecessor,
  type ToPrimary,
  type UpgradeOutcome,
  type Welcome,
} from "./keeper-protocol.js";
import { Orphans } from "./orphans.js";
import { PrimaryWatch } from "./primary-watch.js";
import { identify, type ProcessIdentity } from "./process-identity.js";
import { type BoundSocket, bindSocket } from "./socket-binder.js";

export interface KeeperOptions {
  /** Module that a primary runs; looked up anew for each, so that an upgrade finds what is there then. */
  readonly entry: string;
  readonly args: readonly string[];
  /** Given the first primary's ready line. */
  readonly onReady: (line: string) => void;
  /** A descriptor that primaries must not inherit, or its reader never sees its end. */
  readonly readyFd: number | null;
}

/** A new primary has so long until it serves. */
const START_TIMEOUT_MS = 120_000;
const RELEASE_TIMEOUT_MS = 5_000;
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 30_000;
/** A primary that served for so long is started again at once. */
const HEALTHY_AFTER_MS = 60_000;
/** What a primary may take beyond the drain timeout before it is killed. */
const STOP_GRACE_MS = 10_000;
const MAX_SEALED_FD = 255;

interface Primary {
  readonly child: ChildProcess;
  readonly startedAtMs: number;
  workers: readonly ProcessIdentity[];
  drainTimeoutMs: number;
  ports: Readonly<Record<string, number>>;
  version: string;
  /** Sockets that it has asked for. */
  readonly keys: Set<string>;
  readonly watch: PrimaryWatch;
  /** Until it serves, or while it drains: when it is given up. */
  deadline: NodeJS.Timeout | null;
}

/** Resolves with the exit code when everything has ended. */
export function runKeeper(options: KeeperOptions): Promise<number> {
  return new Keeper(options).run();
}

class Keeper {
  readonly #options: KeeperOptions;
  readonly #log = new KeeperLog();
  readonly #orphans = new Orphans(() => this.#finishWhenEmpty());
  readonly #sockets = new Map<string, BoundSocket>();
  readonly #leaving = new Set<Primary>();
  #current: Primary | null = null;
  /** Started and not ready yet. */
  #next: Primary | null = null;
  /** The current one has been told to let go: not yet, not answered yet, done. */
  #release: "none" | "asked" | "done" = "none";
  /** Of the last one that served. */
  #ports: Readonly<Record<string, number>> = {};
  #version = "";
  #wasReady = false;
  #readyLine = "";
  /** SIGHUP came while no primary served. */
  #mustReload = false;
  #isStopping = false;
  #failures = 0;
  #restart: NodeJS.Timeout | null = null;
  #exitCode = 0;
  /** Whatever the primary says. */
  #failureCode = 0;
  #end: (code: number) => void = () => {};

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  run(): Promise<number> {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, (signal) => this.#signalled(signal));
    process.on("SIGHUP", () => this.#askToReload());
    process.on("SIGUSR2", () => this.#upgradeBySignal());
    process.on("uncaughtException", (error) => this.#log.error(`bug: ${error.stack}`));
    this.#start();
    return new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  // ── Starting ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #start(): void {
    const { entry, args } = this.#options;
    const welcome: Welcome = {
      protocol: KEEPER_PROTOCOL,
      keeper: identify(process.pid),
      predecessor: this.#wasReady ? this.#predecessor() : null,
    };
    const env = { ...process.env, [KEEPER_VARIABLE]: JSON.stringify(welcome) };
    const child = fork(entry, args, { env, stdio: stdioOf(this.#options.readyFd) });
    const primary: Primary = {
      child,
      startedAtMs: performance.now(),
      workers: [],
      drainTimeoutMs: 0,
      ports: {},
      version: "",
      keys: new Set(),
      watch: new PrimaryWatch((silentMs) => this.#killHung(primary, silentMs)),
      deadline: null,
    };
    this.#next = primary;
    if (this.#wasReady) primary.deadline = setTimeout(() => this.#giveUp(primary), START_TIMEOUT_MS);
    child.on("message", (message) => this.#receive(primary, message as FromPrimary));
    let hasEnded = false;
    const ended = (code: number, reason: string): void => {
      if (!hasEnded) this.#ended(primary, code, reason);
      hasEnded = true;
    };
    // A failed fork reports `error` and no `exit`; so does a message to one that has gone, which `exit` follows.
    child.on("error", (error) => child.pid === undefined && ended(1, error.message));
    child.once("exit", (code, signal) => ended(code ?? 128 + constants.signals[signal ?? "SIGKILL"], signal ?? `exit code ${code}`));
  }

  /** One that serves; there may be none at the moment. */
  #askToReload(): void {
    this.#mustReload = this.#current === null;
    this.#current?.child.kill("SIGHUP");
  }

  #giveUp({ child }: Primary): void {
    this.#log.error(`the new primary did not serve within ${START_TIMEOUT_MS / 1000} s: killed`, { primaryPid: child.pid });
    child.kill("SIGKILL");
  }

  #killHung({ child }: Primary, silentMs: number): void {
    this.#log.error("the primary hangs: killed", { primaryPid: child.pid, silentMs: Math.round(silentMs) });
    child.kill("SIGKILL");
  }

  /** Whoever waits for an upgrade that is under way is not told that another signal was one too many. */
  #upgradeBySignal(): void {
    if (this.#next === null) this.#upgrade();
    else this.#log.info("upgrade: another primary is being started already");
  }

  #upgrade(): void {
    if (this.#next !== null || this.#isStopping || this.#current === null) {
      return this.#tellUpgrade({
        result: "failed",
        message: this.#isStopping ? "the gateway is stopping" : "another primary is being started",
      });
    }
    this.#log.info("upgrade: starting a new primary from the code on disk");
    try {
      this.#start();
    } catch (error) {
      this.#tellUpgrade({ result: "failed", message: (error as Error).message });
    }
  }

  #tellUpgrade(outcome: UpgradeOutcome): void {
    if (outcome.result === "failed") this.#log.error(`upgrade: ${outcome.message}`);
    else this.#log.info("upgrade: the new primary serves", { primaryPid: outcome.pid });
    if (this.#current !== null) send(this.#current, { type: "upgraded", outcome });
  }

  // ── What primaries say ───────────────────────────────────────────────────────────────────────────────────────────

  #receive(primary: Primary, message: FromPrimary): void {
    switch (message.type) {
      case "bind":
        return this.#bind(primary, message);
      case "unbind":
        primary.keys.delete(message.key);
        this.#closeUnwanted();
        return;
      case "workers":
        primary.workers = message.workers;
        primary.drainTimeoutMs = message.drainTimeoutMs;
        return;
      case "alive":
        return primary.watch.heard(message.maxSilenceMs);
      case "ports":
        primary.ports = message.ports;
        return;
      case "serving":
        primary.version = message.version;
        return;
      case "prepared":
        return this.#prepared(primary);
      case "released":
        return this.#released();
      case "ready":
        return this.#ready(primary, message.line);
      case "stopping":
        if (primary === this.#current) this.#stop();
        return;
      case "upgrade":
        if (primary === this.#current) return this.#upgrade();
        return send(primary, { type: "upgraded", outcome: { result: "failed", message: "this primary does not serve yet, or any more" } });
    }
  }

  #bind(primary: Primary, { id, key, address, port }: Extract<FromPrimary, { type: "bind" }>): void {
    const socket = this.#isStopping ? null : (this.#sockets.get(key) ?? bindSocket(address, port));
    if (socket !== null) this.#sockets.set(key, socket);
    primary.keys.add(key);
    send(primary, { type: "bound", id, isBound: socket !== null }, socket);
  }

  #close(key: string): void {
    this.#sockets.get(key)?.close();
    this.#sockets.delete(key);
  }

  /** Nobody would accept from them. While another primary starts, it may want what the last one had. */
  #closeUnwanted(): void {
    if (this.#next !== null || this.#current === null) return;
    for (const key of this.#sockets.keys()) if (!this.#current.keys.has(key)) this.#close(key);
  }

  #prepared(primary: Primary): void {
    if (primary !== this.#next) return;
    if (this.#current === null) return send(primary, { type: "takeOver" });
    this.#release = "asked";
    send(this.#current, { type: "release" });
    setTimeout(() => primary === this.#next && this.#released(), RELEASE_TIMEOUT_MS).unref();
  }

  #released(): void {
    if (this.#release !== "asked" || this.#next === null) return;
    this.#release = "done";
    send(this.#next, { type: "takeOver" });
  }

  #ready(primary: Primary, line: string): void {
    if (primary !== this.#next) return;
    const former = this.#current;
    if (primary.deadline !== null) clearTimeout(primary.deadline);
    if (former !== null) {
      this.#tellUpgrade({ result: "upgraded", pid: primary.child.pid ?? 0 });
      this.#retire(former);
    }
    this.#current = primary;
    this.#next = null;
    this.#release = "none";
    this.#orphans.drain();
    this.#closeUnwanted();
    if (this.#mustReload) this.#askToReload();
    if (!this.#wasReady) this.#tellReady(line);
    this.#wasReady = true;
    this.#readyLine = line;
  }

  #tellReady(line: string): void {
    try {
      this.#options.onReady(line);
    } catch (error) {
      this.#log.error(`cannot say that it is ready: ${(error as Error).message}`);
      this.#failureCode = 1;
      this.#signalled("SIGTERM");
    }
  }

  #retire(primary: Primary): void {
    this.#leaving.add(primary);
    primary.deadline = setTimeout(() => primary.child.kill("SIGKILL"), primary.drainTimeoutMs + STOP_GRACE_MS);
    send(primary, { type: "retire" });
  }

  // ── Ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #ended(primary: Primary, code: number, reason: string): void {
    if (primary.deadline !== null) clearTimeout(primary.deadline);
    primary.watch.stop();
    // Those of a primary that never served, or has been replaced, are not needed; those of a crashed one are, until there is another.
    this.#orphans.add(primary.workers, primary.drainTimeoutMs, primary === this.#current && !this.#isStopping);
    if (primary === this.#current) this.#currentEnded(primary, code, reason);
    else if (primary === this.#next) this.#nextEnded(code, reason);
    else this.#leaving.delete(primary);
    this.#finishWhenEmpty();
  }

  #predecessor(): Predecessor {
    const { ports, version } = this.#current ?? { ports: this.#ports, version: this.#version };
    return { ports, version, readyLine: this.#readyLine };
  }

  #currentEnded(primary: Primary, code: number, reason: string): void {
    this.#current = null;
    this.#ports = primary.ports;
    this.#version = primary.version;
    if (this.#isStopping) {
      this.#exitCode = code;
      return;
    }
    this.#log.error("the primary ended unexpectedly; its workers serve on", { reason, primaryPid: primary.child.pid });
    if (performance.now() - primary.startedAtMs > HEALTHY_AFTER_MS) this.#failures = 0;
    if (this.#next === null) this.#startLater();
    else if (this.#release === "asked") this.#released();
  }

  #nextEnded(code: number, reason: string): void {
    this.#next = null;
    if (!this.#wasReady) this.#isStopping = true;
    if (!this.#wasReady) this.#exitCode = code;
    if (this.#isStopping) return;
    const message = `the new primary ended before it served (${reason})`;
    if (this.#current === null) {
      this.#log.error(message);
      return this.#startLater();
    }
    if (this.#release !== "none") send(this.#current, { type: "resume" });
    this.#release = "none";
    this.#closeUnwanted();
    this.#tellUpgrade({ result: "failed", message });
  }

  #startLater(): void {
    const delayMs = this.#failures === 0 ? 0 : Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.#failures - 1));
    this.#failures++;
    this.#restart = setTimeout(() => {
      this.#restart = null;
      this.#startOrRetry();
    }, delayMs);
  }

  /** Starting a process may fail at once when the machine is short of something. */
  #startOrRetry(): void {
    try {
      this.#start();
    } catch (error) {
      this.#log.error(`no new primary could be started: ${(error as Error).message}`);
      this.#startLater();
    }
  }

  /** The first one and every later one: primaries know what a second means. */
  #signalled(signal: NodeJS.Signals): void {
    for (const { child } of this.#primaries) child.kill(signal);
    this.#stop();
  }

  #stop(): void {
    if (!this.#isStopping) this.#next?.child.kill("SIGTERM");
    this.#isStopping = true;
    if (this.#restart !== null) clearTimeout(this.#restart);
    this.#restart = null;
    // A socket that only we still held would go on taking connections that nobody serves.
    for (const key of this.#sockets.keys()) this.#close(key);
    this.#orphans.stop();
    this.#finishWhenEmpty();
  }

  get #primaries(): Primary[] {
    return [...this.#leaving, this.#current, this.#next].filter((primary) => primary !== null);
  }

  #finishWhenEmpty(): void {
    if (this.#isStopping && this.#primaries.length === 0 && this.#orphans.count === 0) this.#end(this.#failureCode || this.#exitCode);
  }
}

/** To one that has gone, nothing needs to be said. */
function send({ child }: Primary, message: ToPrimary, handle: BoundSocket | null = null): void {
  if (child.connected) child.send(message, (handle ?? undefined) as never, {}, () => {});
}

function stdioOf(readyFd: number | null): StdioOptions {
  const stdio: StdioOptions = ["inherit", "inherit", "inherit", "ipc"];
  if (readyFd !== null) while (stdio.length <= Math.min(readyFd, MAX_SEALED_FD)) stdio.push("ignore");
  return stdio;
}
