/** Bytes as they arrive → whole messages, pure. Each has its length before it. */
import { MalformedMessage } from "./jute.js";

const LENGTH_BYTES = 4;

export class FrameReader {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #buffered = 0;
  /** Of the message that is under way; null: its length is not known yet. */
  #wanted: number | null = null;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Throws when a message is too long. What it returns stays valid. */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    const frames: Buffer[] = [];
    for (;;) {
      this.#wanted ??= this.#buffered < LENGTH_BYTES ? null : this.#checkedLength(this.#take(LENGTH_BYTES).readInt32BE());
      if (this.#wanted === null || this.#buffered < this.#wanted) return frames;
      frames.push(this.#take(this.#wanted));
      this.#wanted = null;
    }
  }

  #checkedLength(length: number): number {
    if (length < 0) throw new MalformedMessage();
    if (length > this.#maxBytes) throw new Error(`sent a message of more than ${this.#maxBytes} bytes`);
    return length;
  }

  #take(length: number): Buffer {
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#buffered = all.length - length;
    this.#chunks = this.#buffered === 0 ? [] : [all.subarray(length)];
    return all.subarray(0, length);
  }
}
