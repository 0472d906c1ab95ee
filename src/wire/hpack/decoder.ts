/**
 * Field blocks to field lists (RFC 7541). One decoder per connection, since it holds the dynamic table; a block is decoded whole,
 * so whoever feeds it bounds what CONTINUATION may gather. Names and values are not validated here.
 */
import { DecoderTable } from "./decoder-table.js";
import type { HpackLimits, HpackRefusal } from "./refusal.js";
import { FIELD_OVERHEAD_BYTES, STATIC_COUNT, STATIC_NAMES, STATIC_VALUES } from "./static-table.js";
import { StringReader } from "./string-reader.js";

/** RFC 9113 §6.5.2: in force until the peer has seen our settings. */
const INITIAL_TABLE_BYTES = 4096;
/** RFC 7541 §4.2: the smallest size between two blocks and the one it ends at. */
const MAX_SIZE_UPDATES = 2;
/** Five continuation bytes hold every number below 2^31; more of them only waste time. */
const MAX_INTEGER_SHIFT = 28;
const MAX_INTEGER = 0x7fff_ffff;

const INDEXED = 0x80;
const WITH_INDEXING = 0x40;
const SIZE_UPDATE = 0x20;
const NEVER_INDEXED = 0x10;
const HUFFMAN = 0x80;

const CREDENTIALS = ["authorization", "cookie", "proxy-authorization", "set-cookie"];
const NO_BYTES = new Uint8Array(0);
const NO_NAMES: readonly string[] = Object.freeze([]);

/** [static index]: values of these names are not remembered beyond their connection, however they come. */
const IS_CREDENTIAL = Uint8Array.from(STATIC_NAMES, (name) => (CREDENTIALS.includes(name) ? 1 : 0));

export class HpackDecoder {
  readonly #limits: HpackLimits;
  readonly #table = new DecoderTable(INITIAL_TABLE_BYTES);
  readonly #strings = new StringReader();
  /** What a size update may not exceed. */
  #maxTableBytes: number;
  #needsSizeUpdate = false;

  // The block at hand.
  #bytes: Uint8Array = NO_BYTES;
  #at = 0;
  #end = 0;
  #refusal: HpackRefusal | null = null;
  #listBytes = 0;
  #fieldCount = 0;
  #neverIndexed: string[] = [];

  /** Decoded `[name, value, …]` of the last block; a new array per block, which belongs to the receiver. */
  fields: string[] = [];
  /** The list broke maxListBytes or maxFields: `fields` is cut off there, the dynamic table is right all the same. */
  isTooLarge = false;
  /** Names in the last block whose values may never be indexed, by anybody who forwards them (RFC 7541 §6.2.3). */
  neverIndexed: readonly string[] = NO_NAMES;

  constructor(limits: HpackLimits) {
    this.#limits = limits;
    this.#maxTableBytes = Math.max(INITIAL_TABLE_BYTES, limits.maxTableBytes);
  }

  /** Size of the dynamic table by RFC 7541 §4.1. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /**
   * The peer has acknowledged our SETTINGS. Only from then on a limit below the initial 4096 bytes binds it: its next block
   * must begin with the reduction (RFC 9113 §4.3.1). Without this call the table may stay at 4096 bytes.
   */
  acknowledgeLimit(): void {
    this.#maxTableBytes = this.#limits.maxTableBytes;
    this.#needsSizeUpdate = this.#table.maxBytes > this.#maxTableBytes;
  }

  /** One whole field block. null, or why it is a COMPRESSION_ERROR, after which the decoder is of no use. Never throws. */
  decode(bytes: Uint8Array, start: number, end: number): HpackRefusal | null {
    this.#begin(bytes, start, end);
    this.#readSizeUpdates();
    while (this.#at < this.#end && this.#refusal === null) this.#readField();
    this.#bytes = NO_BYTES;
    if (this.#refusal !== null) this.fields = [];
    return this.#refusal;
  }

  #begin(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#refusal = null;
    this.#listBytes = 0;
    this.#fieldCount = 0;
    this.fields = [];
    this.isTooLarge = false;
    this.neverIndexed = NO_NAMES;
    this.#strings.begin(bytes);
  }

  #readSizeUpdates(): void {
    for (let count = 0; this.#at < this.#end && ((this.#bytes[this.#at] as number) & 0xe0) === SIZE_UPDATE; count++) {
      if (count === MAX_SIZE_UPDATES) return this.#refuse("too-many-size-updates");
      const size = this.#readInteger(0x1f);
      if (this.#refusal !== null) return;
      if (size > this.#maxTableBytes) return this.#refuse("size-update-too-large");
      this.#table.resize(size);
      this.#needsSizeUpdate &&= size > this.#limits.maxTableBytes;
    }
    if (this.#needsSizeUpdate) this.#refuse("missing-size-update");
  }

  #readField(): void {
    const first = this.#bytes[this.#at] as number;
    if (first >= INDEXED) this.#readIndexed();
    else if (first >= WITH_INDEXING) this.#readLiteral(0x3f, true, false);
    else if (first >= SIZE_UPDATE) this.#refuse("late-size-update");
    else this.#readLiteral(0x0f, false, first >= NEVER_INDEXED);
  }

  #readIndexed(): void {
    const index = this.#readInteger(0x7f);
    if (this.#refusal !== null) return;
    if (index === 0) return this.#refuse("index-zero");
    if (index <= STATIC_COUNT) return this.#add(STATIC_NAMES[index] as string, STATIC_VALUES[index] as string);
    const age = index - STATIC_COUNT - 1;
    if (age >= this.#table.count) return this.#refuse("index-too-large");
    this.#add(this.#table.nameAt(age), this.#table.valueAt(age));
  }

  #readLiteral(prefixMax: number, isInserted: boolean, isNeverIndexed: boolean): void {
    const index = this.#readInteger(prefixMax);
    // Whatever fits neither into the list nor into the table is not made into a string.
    const room = Math.max(this.#listRoom(), isInserted ? this.#table.maxBytes : 0) - FIELD_OVERHEAD_BYTES;
    const name = this.#refusal === null ? this.#readName(index, room) : "";
    if (this.#refusal !== null) return;
    const nameBytes = this.#strings.length;
    const value = this.#readString(room - nameBytes, isNeverIndexed || (index <= STATIC_COUNT && IS_CREDENTIAL[index] === 1));
    if (this.#refusal !== null) return;
    const size = nameBytes + this.#strings.length + FIELD_OVERHEAD_BYTES;
    if (size <= this.#listRoom()) this.#add(name, value);
    else this.isTooLarge = true;
    if (isInserted && size <= this.#table.maxBytes) this.#table.insert(name, value);
    else if (isInserted) this.#table.clear();
    if (isNeverIndexed && !this.isTooLarge) this.#addNeverIndexed(name);
  }

  /** Leaves the name's length where `#readString` leaves it. */
  #readName(index: number, room: number): string {
    if (index === 0) return this.#readString(room, false);
    const age = index - STATIC_COUNT - 1;
    if (age >= this.#table.count) {
      this.#refuse("index-too-large");
      return "";
    }
    const name = age < 0 ? (STATIC_NAMES[index] as string) : this.#table.nameAt(age);
    this.#strings.length = name.length;
    return name;
  }

  #readString(room: number, isSecret: boolean): string {
    if (this.#at >= this.#end) {
      this.#refuse("truncated");
      return "";
    }
    const isHuffman = (this.#bytes[this.#at] as number) >= HUFFMAN;
    const length = this.#readInteger(0x7f);
    const start = this.#at;
    if (this.#refusal !== null || length > this.#end - start) {
      this.#refuse("truncated");
      return "";
    }
    this.#at = start + length;
    const text = this.#strings.read(this.#bytes, start, this.#at, isHuffman, room, isSecret);
    if (this.#strings.length < 0) this.#refuse("bad-huffman");
    return text;
  }

  /** RFC 7541 §5.1. There is at least the byte with the prefix. */
  #readInteger(prefixMax: number): number {
    let value = (this.#bytes[this.#at++] as number) & prefixMax;
    if (value < prefixMax) return value;
    for (let shift = 0; shift <= MAX_INTEGER_SHIFT; shift += 7) {
      if (this.#at >= this.#end) {
        this.#refuse("truncated");
        return 0;
      }
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 0x7f) * (1 << shift);
      if (byte < 0x80) {
        if (value > MAX_INTEGER) this.#refuse("integer-too-large");
        return value;
      }
    }
    this.#refuse("integer-too-large");
    return 0;
  }

  /** What the list may still grow by. Nothing comes behind the field that was left out. */
  #listRoom(): number {
    return this.isTooLarge ? 0 : this.#limits.maxListBytes - this.#listBytes;
  }

  #add(name: string, value: string): void {
    const size = name.length + value.length + FIELD_OVERHEAD_BYTES;
    if (size > this.#listRoom() || this.#fieldCount >= this.#limits.maxFields) {
      this.isTooLarge = true;
      return;
    }
    this.#listBytes += size;
    this.#fieldCount++;
    this.fields.push(name, value);
  }

  #addNeverIndexed(name: string): void {
    if (this.neverIndexed.length === 0) this.neverIndexed = this.#neverIndexed = [];
    this.#neverIndexed.push(name);
  }

  /** The first reason counts. */
  #refuse(refusal: HpackRefusal): void {
    this.#refusal ??= refusal;
  }
}
