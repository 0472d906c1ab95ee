/** Whether a slow client is still taking what waits for it, looked at now and then. */
import type { Socket } from "node:net";

export class OutputWatch {
  readonly #socket: Socket;
  #unsentBytes = 0;
  #unsentSinceMs = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** False: nothing waits, or nothing has moved for `idleMs` (0: that may last). */
  isMoving(idleMs: number): boolean {
    const unsent = this.#socket.writableLength;
    const nowMs = performance.now();
    if (unsent !== this.#unsentBytes) {
      this.#unsentBytes = unsent;
      this.#unsentSinceMs = nowMs;
    }
    return unsent > 0 && (idleMs === 0 || nowMs - this.#unsentSinceMs < idleMs);
  }
}
