/**
 * Takes the exchange's place behind an attempt whose answer is not passed on because another endpoint is asked. What has
 * arrived together with the head is swallowed; if that was all of it, the connection can serve others. Waiting for more
 * would need a limit of bytes and of time for something nobody wants, so the connection is closed instead.
 */
import type { Attempt, AttemptOwner } from "./attempt.js";
import type { UpstreamWebSocket } from "./web-socket-ports.js";

export class DroppedAnswer implements AttemptOwner {
  readonly #attempt: Attempt;
  readonly #onDropped: () => void;

  constructor(attempt: Attempt, onDropped: () => void) {
    this.#attempt = attempt;
    this.#onDropped = onDropped;
  }

  attemptReadEnd(): void {
    this.#attempt.abort();
    this.#onDropped();
  }

  attemptEnd(): void {
    this.#onDropped();
  }

  attemptError(): void {
    this.#onDropped();
  }

  attemptConnected(): void {}

  attemptInterim(): void {}

  attemptHead(): void {}

  attemptUpgrade(_headers: unknown, socket: UpstreamWebSocket): void {
    socket.abort();
  }

  attemptBody(): void {}

  attemptDrain(): void {}

  bug(): void {}
}
