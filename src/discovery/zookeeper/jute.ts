/** ZooKeeper's encoding (Jute), pure: big-endian numbers, and texts, buffers and lists with their length before them. */

export class MalformedMessage extends Error {
  constructor() {
    super("sent something that is not understood");
  }
}

export class JuteWriter {
  readonly #parts: Buffer[] = [];

  int(value: number): this {
    const part = Buffer.allocUnsafe(4);
    part.writeInt32BE(value);
    return this.#add(part);
  }

  long(value: bigint): this {
    const part = Buffer.allocUnsafe(8);
    part.writeBigInt64BE(value);
    return this.#add(part);
  }

  boolean(value: boolean): this {
    return this.#add(Buffer.from([value ? 1 : 0]));
  }

  buffer(value: Uint8Array): this {
    return this.int(value.length).#add(Buffer.from(value));
  }

  text(value: string): this {
    return this.buffer(Buffer.from(value, "utf8"));
  }

  /** With its own length before it, as it is sent. */
  frame(): Buffer {
    const body = Buffer.concat(this.#parts);
    const head = Buffer.allocUnsafe(4);
    head.writeInt32BE(body.length);
    return Buffer.concat([head, body]);
  }

  #add(part: Buffer): this {
    this.#parts.push(part);
    return this;
  }
}

/** Throws MalformedMessage when there is less than is read. */
export class JuteReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  int(): number {
    return this.#take(4).readInt32BE();
  }

  long(): bigint {
    return this.#take(8).readBigInt64BE();
  }

  /** -1 stands for none, which is empty here. */
  buffer(): Buffer {
    const length = this.int();
    return length === -1 ? EMPTY : this.#take(length);
  }

  text(): string {
    return this.buffer().toString("utf8");
  }

  /** @param maxItems more are refused */
  texts(maxItems: number): string[] {
    const length = this.int();
    if (length === -1) return [];
    if (length < 0 || length > this.remaining / 4) throw new MalformedMessage();
    if (length > maxItems) throw new Error(`has ${length} nodes there, more than ${maxItems}`);
    return Array.from({ length }, () => this.text());
  }

  skip(bytes: number): void {
    this.#take(bytes);
  }

  #take(length: number): Buffer {
    if (length < 0 || length > this.remaining) throw new MalformedMessage();
    const start = this.#position;
    this.#position += length;
    return this.#bytes.subarray(start, this.#position);
  }
}

const EMPTY = Buffer.alloc(0);
