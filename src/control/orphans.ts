/** Workers whose primary has gone: known by number and start time, asked to drain when they are not needed any more. */
import { isAlive, type ProcessIdentity, signalProcess } from "./process-identity.js";

const POLL_MS = 100;
/** After the drain timeout, a worker gets this long to end by itself. */
const KILL_GRACE_MS = 2_000;
/** A second signal within this time is an echo of the first (see stop-signals.ts). */
const ECHO_WINDOW_MS = 1_000;

interface Orphan {
  readonly identity: ProcessIdentity;
  readonly drainTimeoutMs: number;
  /** 0: it serves. */
  killAtMs: number;
}

export class Orphans {
  readonly #onAllGone: () => void;
  #orphans: Orphan[] = [];
  #timer: NodeJS.Timeout | null = null;
  #stoppedAtMs = 0;

  constructor(onAllGone: () => void) {
    this.#onAllGone = onAllGone;
  }

  get count(): number {
    return this.#orphans.length;
  }

  /** @param isNeeded nobody else serves: they go on until `drain` */
  add(workers: readonly ProcessIdentity[], drainTimeoutMs: number, isNeeded: boolean): void {
    const added: Orphan[] = workers.filter(isAlive).map((identity) => ({ identity, drainTimeoutMs, killAtMs: 0 }));
    if (added.length === 0) return;
    this.#orphans.push(...added);
    if (!isNeeded) added.forEach(askToDrain);
    this.#timer ??= setInterval(() => this.#poll(), POLL_MS);
  }

  drain(): void {
    this.#orphans.filter(({ killAtMs }) => killAtMs === 0).forEach(askToDrain);
  }

  /** The gateway stops; asked a second time, at once. */
  stop(): void {
    const nowMs = performance.now();
    if (this.#stoppedAtMs === 0) this.#stoppedAtMs = nowMs;
    this.drain();
    if (nowMs - this.#stoppedAtMs > ECHO_WINDOW_MS) for (const { identity } of this.#orphans) signalProcess(identity, "SIGKILL");
  }

  #poll(): void {
    const nowMs = performance.now();
    this.#orphans = this.#orphans.filter(({ identity }) => isAlive(identity));
    for (const { identity, killAtMs } of this.#orphans) if (killAtMs > 0 && nowMs > killAtMs) signalProcess(identity, "SIGKILL");
    if (this.#orphans.length > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#onAllGone();
  }
}

function askToDrain(orphan: Orphan): void {
  orphan.killAtMs = performance.now() + orphan.drainTimeoutMs + KILL_GRACE_MS;
  signalProcess(orphan.identity, "SIGTERM");
}
