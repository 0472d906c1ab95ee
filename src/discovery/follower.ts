/**
 * A source that is told of changes for as long as a conversation with a server lasts, and begins another, ever more rarely, when it
 * has broken off.
 */
import type { EndpointSpec } from "../engine/model/snapshot.js";
import { backoffMs } from "./poller.js";
import type { Source, SourceRemarks, SourceSink } from "./source.js";

/**
 * One conversation: `found` takes the complete set, each time it may have changed or was confirmed. Rejects with a message fit for
 * logs when it breaks off; a promise that resolves is a conversation that ended as planned, and the next begins at once.
 */
export type Follow = (found: Found, stop: AbortSignal) => Promise<void>;
export type Found = (endpoints: readonly EndpointSpec[], remarks?: SourceRemarks) => void;

/** A server that ends every conversation at once, without an error, is not asked more often than this. */
const MIN_PAUSE_MS = 1_000;

export function createFollower(follow: Follow, sink: SourceSink): Source {
  return new Follower(follow, sink);
}

class Follower implements Source {
  readonly #follow: Follow;
  readonly #sink: SourceSink;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  #failures = 0;

  constructor(follow: Follow, sink: SourceSink) {
    this.#follow = follow;
    this.#sink = sink;
  }

  start(): void {
    void this.#converse();
  }

  stop(): void {
    this.#stop.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #converse(): Promise<void> {
    const { signal } = this.#stop;
    const startedAt = performance.now();
    try {
      await this.#follow((endpoints, remarks) => this.#found(endpoints, remarks), signal);
      if (!signal.aborted) this.#plan(Math.max(0, MIN_PAUSE_MS - (performance.now() - startedAt)));
    } catch (error) {
      if (signal.aborted) return;
      this.#failures = Math.min(this.#failures + 1, 30);
      this.#sink.failed(error instanceof Error ? error.message : "unknown error");
      this.#plan(backoffMs(this.#failures, Math.random()));
    }
  }

  #found(endpoints: readonly EndpointSpec[], remarks?: SourceRemarks): void {
    if (this.#stop.signal.aborted) return;
    this.#failures = 0;
    this.#sink.planned(0);
    this.#sink.found(endpoints, false, remarks);
  }

  #plan(delayMs: number): void {
    this.#sink.planned(Date.now() + delayMs);
    this.#timer = setTimeout(() => void this.#converse(), delayMs);
    this.#timer.unref();
  }
}
