/**
 * The PROXY protocol, versions 1 and 2, from its specification by HAProxy: the header with which a trusted peer says for whom it
 * opened the connection. Whether the peer is trusted, and for how long to wait, is the listener's to know.
 */
import type { ProxyHeader, ProxyRefusal, VersionReader } from "./header.js";
import { Version1Reader } from "./version-1.js";
import { Version2Reader } from "./version-2.js";

/** Version 2 has 16 bits for the length of what follows the first 16 bytes. */
export const LARGEST_HEADER_BYTES = 16 + 0xffff;

const FIRST_BYTE_OF_VERSION_1 = 0x50;

export class ProxyProtocolParser {
  readonly #maxBytes: number;
  #reader: VersionReader | null = null;

  /** @param maxBytes of a whole header of version 2; one of version 1 has 107 at most */
  constructor(maxBytes: number = LARGEST_HEADER_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Once it is complete. */
  get header(): ProxyHeader | null {
    return this.#reader?.header ?? null;
  }

  /** The header has ended: what `feed` did not take is what the connection is about. */
  get isComplete(): boolean {
    return this.header !== null;
  }

  /** The connection must be closed. */
  get refusal(): ProxyRefusal | null {
    return this.#reader?.refusal ?? null;
  }

  /** Returns the offset of the first byte that it did not take: `end`, unless the header is complete or refused. */
  feed(bytes: Uint8Array, start: number, end: number): number {
    if (start >= end) return start;
    this.#reader ??= bytes[start] === FIRST_BYTE_OF_VERSION_1 ? new Version1Reader() : new Version2Reader(this.#maxBytes);
    return this.#reader.feed(bytes, start, end);
  }
}
