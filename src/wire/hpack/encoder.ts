/**
 * Field lists to field blocks (RFC 7541). One encoder per connection, since it holds the dynamic table, and every block begun must
 * be sent. It writes into a given buffer and makes nothing on the way.
 */
import { EncoderTable } from "./encoder-table.js";
import { KNOWN_NAMES, MAX_SECRET_COOKIE_BYTES, UNKNOWN_NAME } from "./field-policy.js";
import { writeText } from "./huffman-encoder.js";
import { writeInteger } from "./integer.js";

/** RFC 9113 §6.5.2, and the most that we use: a larger table finds little more and costs both sides memory. */
const MAX_TABLE_BYTES = 4096;

const INDEXED = 0x80;
const WITH_INDEXING = 0x40;
const SIZE_UPDATE = 0x20;
const NEVER_INDEXED = 0x10;
const UNINDEXED = 0x00;

/** Free bytes that `begin` needs: two size updates. */
export const BEGIN_ROOM = 6;
/** The representation's first integer, the lengths of both strings, and how far a Huffman text runs over before it is given up. */
const FIELD_ROOM = 16;

/** Free bytes that `field` needs for this field. */
export function fieldRoom(name: string, value: string): number {
  return name.length + value.length + FIELD_ROOM;
}

export class HpackEncoder {
  readonly #table = new EncoderTable(MAX_TABLE_BYTES);
  /** What the next block announces: the smallest size since the last one, and the size to go on with. */
  #smallestTableBytes = MAX_TABLE_BYTES;
  #nextTableBytes = MAX_TABLE_BYTES;

  /** Size of the dynamic table by RFC 7541 §4.1. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE (we use at most 4096 of it); a size update goes into the next block. */
  setPeerTableBytes(bytes: number): void {
    this.#nextTableBytes = Math.min(bytes, MAX_TABLE_BYTES);
    this.#smallestTableBytes = Math.min(this.#smallestTableBytes, this.#nextTableBytes);
  }

  /** Begins a block: writes a pending size update. Needs `BEGIN_ROOM` free bytes. Returns the new offset. */
  begin(out: Uint8Array, at: number): number {
    let to = at;
    // RFC 7541 §4.2: the peer must evict what we evict, even if the table is as large again as before.
    if (this.#smallestTableBytes < Math.min(this.#table.maxBytes, this.#nextTableBytes)) {
      to = this.#resize(this.#smallestTableBytes, out, to);
    }
    if (this.#nextTableBytes !== this.#table.maxBytes) to = this.#resize(this.#nextTableBytes, out, to);
    this.#smallestTableBytes = this.#nextTableBytes;
    return to;
  }

  /** Needs `fieldRoom(name, value)` free bytes at most. Returns the new offset. Credentials are never indexed. */
  field(name: string, value: string, out: Uint8Array, at: number): number {
    const known = KNOWN_NAMES.get(name) ?? UNKNOWN_NAME;
    const values = known.values;
    for (let place = 0; place < values.length; place++) {
      if (values[place] === value) return writeInteger(INDEXED, 7, known.indexes[place] as number, out, at);
    }
    if (known.indexing === "learned" && !isSecretCookie(name, value)) return this.#learnedField(known.staticIndex, name, value, out, at);
    const isUnindexed = known.indexing === "unindexed";
    const to = writeInteger(isUnindexed ? UNINDEXED : NEVER_INDEXED, 4, known.staticIndex, out, at);
    return writeStrings(known.staticIndex, name, value, out, to);
  }

  /** The same for a field that came as never indexed and must leave so (RFC 7541 §6.2.3). */
  neverIndexedField(name: string, value: string, out: Uint8Array, at: number): number {
    const nameIndex = (KNOWN_NAMES.get(name) ?? UNKNOWN_NAME).staticIndex;
    return writeStrings(nameIndex, name, value, out, writeInteger(NEVER_INDEXED, 4, nameIndex, out, at));
  }

  #learnedField(staticIndex: number, name: string, value: string, out: Uint8Array, at: number): number {
    const table = this.#table;
    const index = table.find(name, value);
    if (index !== 0) return writeInteger(INDEXED, 7, index, out, at);
    const nameIndex = staticIndex === 0 ? table.nameIndex() : staticIndex;
    const isInserted = table.isWorthInserting(name, value);
    const to = isInserted ? writeInteger(WITH_INDEXING, 6, nameIndex, out, at) : writeInteger(UNINDEXED, 4, nameIndex, out, at);
    // After the name's index was taken: the insertion shifts it.
    if (isInserted) table.insert(name, value);
    return writeStrings(nameIndex, name, value, out, to);
  }

  #resize(bytes: number, out: Uint8Array, at: number): number {
    this.#table.resize(bytes);
    return writeInteger(SIZE_UPDATE, 5, bytes, out, at);
  }
}

function writeStrings(nameIndex: number, name: string, value: string, out: Uint8Array, at: number): number {
  return writeText(value, out, nameIndex === 0 ? writeText(name, out, at) : at);
}

function isSecretCookie(name: string, value: string): boolean {
  return value.length <= MAX_SECRET_COOKIE_BYTES && name === "cookie";
}
