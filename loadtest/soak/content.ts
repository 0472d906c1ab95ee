/**
 * What bodies consist of: bytes that follow from a name, so that whoever knows the name can check every one of them. All
 * bodies are windows of one block of noise, which makes them free to produce and fast to compare.
 */
import { hashOf, Random } from "./random.js";

const BLOCK_BYTES = 4 * 1024 * 1024;
const BLOCK = noise();

function noise(): Buffer {
  const random = new Random(20_261_120);
  const words = Uint32Array.from({ length: BLOCK_BYTES / 4 }, () => random.next() * 2 ** 32);
  return Buffer.from(words.buffer);
}

/** The bytes `[from, to)` of the content named `name`, copied only where the block begins again. */
export function contentOf(name: string, from: number, to: number): Buffer {
  const first = windowAt(name, from, to);
  if (first.length === to - from) return first;
  const parts = [first];
  for (let at = from + first.length; at < to; at += parts.at(-1)?.length ?? 0) parts.push(windowAt(name, at, to));
  return Buffer.concat(parts);
}

function windowAt(name: string, from: number, to: number): Buffer {
  const start = (hashOf(name) + from) % BLOCK_BYTES;
  return BLOCK.subarray(start, Math.min(BLOCK_BYTES, start + to - from));
}

/** Compares what arrives, piece by piece, with the content of a name. */
export class ContentCheck {
  readonly #name: string;
  receivedBytes = 0;
  /** The first difference; "" while there is none. */
  flaw = "";

  constructor(name: string) {
    this.#name = name;
  }

  feed(piece: Uint8Array): void {
    const expected = contentOf(this.#name, this.receivedBytes, this.receivedBytes + piece.length);
    if (this.flaw === "" && expected.compare(piece) !== 0)
      this.flaw = `wrong bytes between ${this.receivedBytes} and ${this.receivedBytes + piece.length}`;
    this.receivedBytes += piece.length;
  }
}

/** As text: characters of one and of two bytes in UTF-8. */
export function textOf(name: string, from: number, to: number): string {
  return contentOf(name, from, Math.max(from, to)).toString("latin1");
}
