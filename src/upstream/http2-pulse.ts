/**
 * Whether a session is still alive: one with requests under way that is silent is pinged, and dead when that brings nothing
 * either. It only counts time; the session sends and ends.
 */
import { performance } from "node:perf_hooks";

/**
 * Between pings of one silence. gRPC services count pings and end connections (ENHANCE_YOUR_CALM) that bring more than two
 * within five minutes while they themselves have nothing to say.
 */
const LONG_SILENCE_MS = 300_000;

/** What to do when the timer fires. */
export type PulseVerdict = "wait" | "ping" | "dead";

export class Http2Pulse {
  #heardAtMs: number;
  /** 0: no answer is due. */
  #pingedAtMs = 0;
  /** Pings since a stream last moved. */
  #idlePings = 0;

  constructor() {
    this.#heardAtMs = performance.now();
  }

  /** Something was read. */
  heard(nowMs: number): void {
    this.#heardAtMs = nowMs;
    this.#pingedAtMs = 0;
  }

  /** What was read brought a stream forward: the service is busy, not only awake. */
  moved(): void {
    this.#idlePings = 0;
  }

  pinged(): void {
    this.#pingedAtMs = performance.now();
    this.#idlePings++;
  }

  get silentMs(): number {
    return performance.now() - this.#heardAtMs;
  }

  judge(pingMs: number): PulseVerdict {
    const nowMs = performance.now();
    if (this.#pingedAtMs !== 0) return nowMs - this.#pingedAtMs >= pingMs ? "dead" : "wait";
    const allowedMs = this.#idlePings === 0 ? pingMs : Math.max(pingMs, LONG_SILENCE_MS);
    return nowMs - this.#heardAtMs >= allowedMs ? "ping" : "wait";
  }
}
