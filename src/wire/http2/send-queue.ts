/** Bytes of one stream that the codec did not take, in order, until it does. */

export class SendQueue {
  readonly #send: (bytes: Uint8Array) => number;
  /** The first one may have left in part. */
  #waiting: Uint8Array[] = [];
  #byteCount = 0;

  /** @param send tells how much was taken */
  constructor(send: (bytes: Uint8Array) => number) {
    this.#send = send;
  }

  get byteCount(): number {
    return this.#byteCount;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Takes `bytes` over. */
  push(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#byteCount += bytes.length;
  }

  /** Sends what is taken now. `send` may clear the queue. */
  flush(): void {
    while (this.#waiting.length > 0) {
      const bytes = this.#waiting[0] as Uint8Array;
      const taken = this.#send(bytes);
      if (this.#waiting.length === 0) return;
      this.#byteCount -= taken;
      if (taken < bytes.length) {
        this.#waiting[0] = bytes.subarray(taken);
        return;
      }
      this.#waiting.shift();
    }
  }

  clear(): void {
    this.#waiting = [];
    this.#byteCount = 0;
  }
}
