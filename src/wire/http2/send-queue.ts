/** Bytes of one stream that the codec did not take, in order, until it does. */
import { Stock } from "../stock.js";

/** A read from a socket fits. */
const blocks = new Stock(65_536);
/** Smaller copies do not go round. */
const MIN_BLOCK_BYTES = 4_096;

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

  /** As `push`, of bytes that are borrowed. */
  pushCopy(bytes: Uint8Array): void {
    const isLarge = bytes.length >= MIN_BLOCK_BYTES && bytes.length <= blocks.blockBytes;
    const copy = isLarge ? blocks.take().subarray(0, bytes.length) : new Uint8Array(bytes.length);
    copy.set(bytes);
    this.push(copy);
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
      blocks.giveBack(bytes);
    }
  }

  clear(): void {
    for (const bytes of this.#waiting) blocks.giveBack(bytes);
    this.#waiting = [];
    this.#byteCount = 0;
  }
}
