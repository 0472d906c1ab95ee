/** Field blocks as tests write and read them. */
import assert from "node:assert/strict";
import { HpackDecoder } from "../../../../src/wire/hpack/decoder.js";
import { BEGIN_ROOM, fieldRoom, type HpackEncoder } from "../../../../src/wire/hpack/encoder.js";
import type { HpackLimits } from "../../../../src/wire/hpack/refusal.js";

export const LIMITS: HpackLimits = { maxTableBytes: 4096, maxListBytes: 65_536, maxFields: 1000 };

/** Bytes from hexadecimal digits with any white space. */
export function hex(digits: string): Buffer {
  return Buffer.from(digits.replace(/\s+/g, ""), "hex");
}

/** A decoder whose peer has acknowledged the limit and, when it is below 4096, followed it. */
export function createDecoder(limits: Partial<HpackLimits> = {}): HpackDecoder {
  const decoder = new HpackDecoder({ ...LIMITS, ...limits });
  decoder.acknowledgeLimit();
  const { maxTableBytes } = { ...LIMITS, ...limits };
  if (maxTableBytes < 4096) assert.equal(decode(decoder, sizeUpdate(maxTableBytes)), null);
  return decoder;
}

export function decode(decoder: HpackDecoder, block: Uint8Array): string | null {
  return decoder.decode(block, 0, block.length);
}

/** The fields of a block that must be fine. */
export function fieldsOf(decoder: HpackDecoder, block: Uint8Array): string[] {
  assert.equal(decode(decoder, block), null);
  assert.equal(decoder.isTooLarge, false);
  return decoder.fields;
}

/** The dynamic table's entries, newest first. Reading does not change them. */
export function entriesOf(decoder: HpackDecoder): string[] {
  const entries: string[] = [];
  for (let index = 62; decode(decoder, integer(0x80, 7, index)) === null; index++) entries.push(decoder.fields.join(": "));
  return entries;
}

/** The block, written into a buffer that has just the room that was asked for. */
export function encode(encoder: HpackEncoder, fields: readonly string[]): Buffer {
  const parts: Buffer[] = [written(BEGIN_ROOM, (out) => encoder.begin(out, 0))];
  for (let at = 0; at < fields.length; at += 2) {
    const [name, value] = [fields[at] as string, fields[at + 1] as string];
    parts.push(written(fieldRoom(name, value), (out) => encoder.field(name, value, out, 0)));
  }
  return Buffer.concat(parts);
}

function written(room: number, write: (out: Uint8Array) => number): Buffer {
  const out = Buffer.alloc(room);
  const length = write(out);
  assert.ok(length <= room, `${length} bytes in a room of ${room}`);
  return out.subarray(0, length);
}

/** Written anew, so that a mistake in the codec's own integers shows. */
export function integer(flags: number, prefixBits: number, value: number): Buffer {
  const max = 2 ** prefixBits - 1;
  if (value < max) return Buffer.from([flags | value]);
  const bytes = [flags | max];
  let rest = value - max;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

export function sizeUpdate(bytes: number): Buffer {
  return integer(0x20, 5, bytes);
}

/** A string literal without Huffman coding. */
export function plain(text: string): Buffer {
  return Buffer.concat([integer(0, 7, text.length), Buffer.from(text, "latin1")]);
}

export type Representation = "indexing" | "unindexed" | "never";

const FIRST_BYTES = { indexing: 0x40, unindexed: 0x00, never: 0x10 };

/** A literal field with a literal name, without Huffman coding. */
export function literal(name: string, value: string, representation: Representation = "unindexed"): Buffer {
  return Buffer.concat([Buffer.from([FIRST_BYTES[representation]]), plain(name), plain(value)]);
}
