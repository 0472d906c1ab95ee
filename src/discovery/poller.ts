/** A source that has to be asked again and again: after each answer at the time that it names, after failures ever more rarely. */
import type { EndpointSpec } from "../engine/model/snapshot.js";
import { MAX_TIMER_MS } from "../engine/model/units.js";
import type { Source, SourceRemarks, SourceSink } from "./source.js";

export interface PollAnswer {
  readonly endpoints: readonly EndpointSpec[];
  /** The answer holds for so long. */
  readonly refreshMs: number;
  readonly remarks?: SourceRemarks;
}

/** Rejects when there is no answer; `stop` ends the question. */
export type Ask = (stop: AbortSignal) => Promise<PollAnswer>;

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;
/** Many gateways that began together do not ask together for ever. */
const JITTER = 0.05;

export function createPoller(ask: Ask, sink: SourceSink): Source {
  return new Poller(ask, sink);
}

/** Between half and all of a pause that doubles with every failure. @param random 0 ≤ random < 1 */
export function backoffMs(failures: number, random: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), MAX_RETRY_MS) * (0.5 + 0.5 * random);
}

class Poller implements Source {
  readonly #ask: Ask;
  readonly #sink: SourceSink;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  #failures = 0;

  constructor(ask: Ask, sink: SourceSink) {
    this.#ask = ask;
    this.#sink = sink;
  }

  start(): void {
    void this.#poll();
  }

  stop(): void {
    this.#stop.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #poll(): Promise<void> {
    try {
      const { endpoints, refreshMs, remarks } = await this.#ask(this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      this.#failures = 0;
      this.#sink.found(endpoints, false, remarks);
      this.#plan(refreshMs * (1 + JITTER * Math.random()));
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#failures = Math.min(this.#failures + 1, 30);
      this.#sink.failed(error instanceof Error ? error.message : "unknown error");
      this.#plan(backoffMs(this.#failures, Math.random()));
    }
  }

  #plan(delayMs: number): void {
    this.#sink.planned(Date.now() + delayMs);
    this.#timer = setTimeout(() => void this.#poll(), Math.min(delayMs, MAX_TIMER_MS));
    this.#timer.unref();
  }
}
