/**
 * The clock of a response whose client is slow. The addon cuts a response that is blocked for 10 to 14 s, however
 * steadily its client reads from a full socket buffer: its timer is set anew every few seconds. And while the request
 * body is stopped the addon watches neither direction: what waits is then offered by the clock, ever more rarely as
 * long as the client takes nothing. A client that takes nothing for `streamIdleMs` is given up.
 */
import type { Timer, Timers } from "../../proxy/ports.js";

export interface SlowClientPolicy {
  readonly timers: Timers;
  /** 0: a client may take as long as it likes. */
  readonly streamIdleMs: number;
}

export interface SlowClientOwner {
  /** Response bytes wait for the client, as far as is known. */
  readonly isWaiting: boolean;
  /** What waits, although the addon has not said that the socket takes more. */
  offerAgain(): void;
  /** Sets the addon's timer anew. */
  rearm(): void;
  onStalled(): void;
}

/** Well below the addon's 10 s. */
const REARM_MS = 4_000;
const FIRST_RETRY_MS = 10;
const LAST_RETRY_MS = 1_000;

export class SlowClient {
  readonly #owner: SlowClientOwner;
  readonly #stallMs: number;
  readonly #timer: Timer;
  #isWatching = false;
  #movedAt = 0;
  #retryMs = FIRST_RETRY_MS;
  #retry: NodeJS.Timeout | null = null;
  #isOfferDue = false;

  constructor(owner: SlowClientOwner, { timers, streamIdleMs }: SlowClientPolicy) {
    this.#owner = owner;
    this.#stallMs = streamIdleMs;
    this.#timer = timers.create(() => this.#tick());
  }

  /** Bytes wait for the client. */
  watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#movedAt = performance.now();
    this.#arm();
  }

  /** The client has taken something. */
  onMoved(): void {
    this.#movedAt = performance.now();
    this.#retryMs = FIRST_RETRY_MS;
  }

  /** In a later turn: inside a callback of the addon, it would undo what this does. */
  offerSoon(): void {
    if (this.#isOfferDue) return;
    this.#isOfferDue = true;
    setImmediate(offer, this);
  }

  /** The last attempt left the socket unwatched. */
  offerLater(): void {
    if (this.#isOfferDue || this.#retry !== null) return;
    this.#retry = setTimeout(offer, this.#retryMs, this);
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
  }

  stop(): void {
    this.#timer.cancel();
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
  }

  /** @internal */
  offer(): void {
    this.#isOfferDue = false;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#owner.offerAgain();
  }

  #tick(): void {
    this.#isWatching = false;
    if (!this.#owner.isWaiting) return;
    if (this.#stallMs > 0 && performance.now() - this.#movedAt >= this.#stallMs) {
      this.#owner.onStalled();
      return;
    }
    this.#owner.rearm();
    this.#isWatching = this.#owner.isWaiting;
    if (this.#isWatching) this.#arm();
  }

  #arm(): void {
    this.#timer.arm(this.#stallMs > 0 ? Math.min(REARM_MS, this.#stallMs) : REARM_MS);
  }
}

function offer(client: SlowClient): void {
  client.offer();
}
