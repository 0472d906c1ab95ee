import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HpackDecoder } from "../../../../src/wire/hpack/decoder.js";
import { HpackEncoder } from "../../../../src/wire/hpack/encoder.js";
import { anyFields } from "./arbitrary-fields.js";
import { createDecoder, decode, encode, entriesOf, fieldsOf, hex, integer, LIMITS, literal, plain } from "./blocks.js";

type Step = { readonly tableBytes: number } | { readonly fields: readonly string[] };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 1, arbitrary: fc.record({ tableBytes: fc.oneof(fc.nat(300), fc.nat(5000), fc.constantFrom(0, 4096)) }) },
    { weight: 4, arbitrary: fc.record({ fields: anyFields }) },
  ),
  { maxLength: 30 },
);

describe("HPACK both ways", () => {
  it("brings every list back, whatever the sizes of the table in between", () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const [encoder, decoder] = [new HpackEncoder(), createDecoder()];
        for (const step of sequence) {
          if ("tableBytes" in step) encoder.setPeerTableBytes(step.tableBytes);
          else assert.deepEqual(fieldsOf(decoder, encode(encoder, step.fields)), step.fields);
        }
        fieldsOf(decoder, encode(encoder, []));
        assert.equal(decoder.tableBytes, encoder.tableBytes);
      }),
      { numRuns: 500 },
    );
  });

  it("cuts a list off the same way in every form, and goes on in step", () => {
    fc.assert(
      fc.property(fc.array(anyFields, { minLength: 1, maxLength: 10 }), fc.nat(600), fc.nat(8), (lists, maxListBytes, maxFields) => {
        const encoder = new HpackEncoder();
        const [whole, limited] = [createDecoder(), createDecoder({ maxListBytes, maxFields })];
        for (const list of lists) {
          const block = encode(encoder, list);
          fieldsOf(whole, block);
          assert.equal(decode(limited, block), null);
          const kept = cutOff(list, maxListBytes, maxFields);
          assert.deepEqual(limited.fields, kept);
          assert.equal(limited.isTooLarge, kept.length < list.length);
          assert.equal(limited.tableBytes, whole.tableBytes);
        }
        assert.equal(countEntries(limited), countEntries(whole));
      }),
      { numRuns: 500 },
    );
  });

  it("refuses every beginning of a block or reads the fields that are whole", () => {
    fc.assert(
      fc.property(anyFields, (fields) => {
        const block = encode(new HpackEncoder(), fields);
        for (let end = 0; end < block.length; end++) {
          const decoder = createDecoder();
          const refusal = decoder.decode(block, 0, end);
          if (refusal === null) assert.deepEqual(decoder.fields, fields.slice(0, decoder.fields.length));
          else assert.equal(refusal, "truncated");
        }
      }),
      { numRuns: 200 },
    );
  });
});

/** What a list within the limits is. */
function cutOff(list: readonly string[], maxListBytes: number, maxFields: number): string[] {
  let bytes = 0;
  for (let at = 0; at < list.length; at += 2) {
    bytes += (list[at] as string).length + (list[at + 1] as string).length + 32;
    if (bytes > maxListBytes || at / 2 >= maxFields) return list.slice(0, at);
  }
  return [...list];
}

/** A list of one entry may break the limits; it is no refusal. */
function countEntries(decoder: HpackDecoder): number {
  return entriesOf(decoder).length;
}

/** Bytes that often mean something. */
const hostileBlock: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc
    .array(
      fc.oneof(
        fc.constantFrom(
          hex("82"),
          hex("be"),
          hex("bf"),
          hex("20"),
          hex("3fe11f"),
          hex("3f45"),
          hex("80"),
          hex("7e0161"),
          hex("44 84ffffffff"),
        ),
        fc.tuple(fc.string({ maxLength: 5 }), fc.nat(5000)).map(([name, length]) => literal(name, "v".repeat(length), "indexing")),
        fc.nat(200).map((index) => integer(0x80, 7, index)),
        fc.nat(200).map((index) => Buffer.concat([integer(0x40, 6, index), plain("w")])),
        fc.uint8Array({ maxLength: 6 }),
      ),
      { maxLength: 20 },
    )
    .map((parts) => Buffer.concat(parts)),
);

describe("hostile blocks", () => {
  it("never make the decoder throw or break a limit", () => {
    const limits = { maxTableBytes: 1000, maxListBytes: 700, maxFields: 12 };
    fc.assert(
      fc.property(fc.array(hostileBlock, { maxLength: 6 }), (blocks) => {
        const decoder = new HpackDecoder({ ...LIMITS, ...limits });
        for (const block of blocks) {
          const refusal = decode(decoder, block);
          const bytes = decoder.fields.reduce((total, text) => total + text.length + 16, 0);
          assert.ok(bytes <= limits.maxListBytes && decoder.fields.length <= 2 * limits.maxFields);
          assert.equal(decoder.fields.length % 2, 0);
          assert.ok(decoder.tableBytes <= 4096);
          for (const text of decoder.fields) assert.equal(typeof text, "string");
          if (refusal !== null) return;
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("are read alike from any place in a larger buffer", () => {
    fc.assert(
      fc.property(hostileBlock, fc.nat(9), fc.nat(9), (block, before, after) => {
        const [alone, within] = [createDecoder(), createDecoder()];
        const buffer = Buffer.concat([Buffer.alloc(before, 0xff), block, Buffer.alloc(after, 0x82)]);
        assert.equal(within.decode(buffer, before, before + block.length), decode(alone, block));
        assert.deepEqual(within.fields, alone.fields);
        assert.equal(within.tableBytes, alone.tableBytes);
      }),
      { numRuns: 1000 },
    );
  });
});
