import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HpackDecoder } from "../../../../src/wire/hpack/decoder.js";
import { createDecoder, decode, entriesOf, fieldsOf, hex, integer, LIMITS, literal, plain, sizeUpdate } from "./blocks.js";

/** Literal with indexing and a name by its index. */
function named(index: number, value: string): Buffer {
  return Buffer.concat([integer(0x40, 6, index), plain(value)]);
}

const REFUSED = [
  { name: "index 0", block: "80", refusal: "index-zero" },
  { name: "an index behind an empty dynamic table", block: "be", refusal: "index-too-large" },
  { name: "an index far behind", block: "ff ff ff 7f", refusal: "index-too-large" },
  { name: "a name behind an empty dynamic table, with indexing", block: "7e 0161", refusal: "index-too-large" },
  { name: "a name behind an empty dynamic table, without indexing", block: "0f2f 0161", refusal: "index-too-large" },
  { name: "a name behind an empty dynamic table, never indexed", block: "1f2f 0161", refusal: "index-too-large" },
  { name: "an index cut off", block: "ff", refusal: "truncated" },
  { name: "an index cut off later", block: "ff80", refusal: "truncated" },
  { name: "an index of 2^31", block: "ff 81ffffff07", refusal: "integer-too-large" },
  { name: "an index of 2^35", block: "ff ffffffff7f", refusal: "integer-too-large" },
  { name: "an index with six continuation bytes, although it is 127", block: "ff 808080808000", refusal: "integer-too-large" },
  { name: "an index that never ends", block: `ff ${"80".repeat(64)}`, refusal: "integer-too-large" },
  { name: "a length of 2^32", block: "00 7f 81ffffff0f", refusal: "integer-too-large" },
  { name: "a literal without its name", block: "40", refusal: "truncated" },
  { name: "a literal with half of its name", block: "40 0261", refusal: "truncated" },
  { name: "a literal without its value", block: "40 0161", refusal: "truncated" },
  { name: "a literal with half of its value", block: "40 0161 0262", refusal: "truncated" },
  { name: "a value longer than the block, by its length", block: "44 7fffffff01 61", refusal: "truncated" },
  { name: "EOS in a name", block: "40 84ffffffff 0161", refusal: "bad-huffman" },
  { name: "EOS in a value", block: "44 84ffffffff", refusal: "bad-huffman" },
  { name: "padding of eight bits", block: "44 821fff", refusal: "bad-huffman" },
  { name: "padding with zeros", block: "44 8118", refusal: "bad-huffman" },
  { name: "only padding of eight bits", block: "44 81ff", refusal: "bad-huffman" },
  { name: "a size update above the limit", block: "3fe2 1f", refusal: "size-update-too-large" },
  { name: "a size update of 2^32", block: "3f e1ffffff0f", refusal: "integer-too-large" },
  { name: "a size update cut off", block: "3f", refusal: "truncated" },
  { name: "a size update behind a field", block: "82 20", refusal: "late-size-update" },
  { name: "a third size update", block: "20 20 20 82", refusal: "too-many-size-updates" },
];

describe("the HPACK decoder refuses", () => {
  for (const { name, block, refusal } of REFUSED) {
    it(name, () => {
      const decoder = createDecoder();
      assert.equal(decode(decoder, hex(block)), refusal);
      assert.deepEqual(decoder.fields, []);
    });
  }

  it("a block that ends within any representation", () => {
    const huffmanPath = hex("44 8c f1e3c2e5f23a6ba0ab90f4ff");
    const parts = [hex("3fe10f"), hex("82"), literal("name", "value", "indexing"), hex("be"), named(62, "again"), huffmanPath];
    const long = [literal("a", "b".repeat(200), "never"), integer(0x00, 4, 62), plain("unindexed")];
    const whole = Buffer.concat([...parts, ...long]);
    assert.equal(decode(createDecoder(), whole), null);
    const ends = new Set<number>();
    for (let end = 0; end <= whole.length; end++) {
      const refusal = createDecoder().decode(whole, 0, end);
      if (refusal === null) ends.add(end);
      else assert.equal(refusal, "truncated");
    }
    // Nothing, and behind the size update and each of the seven fields.
    assert.equal(ends.size, 9);
  });

  it("what lies behind the end of the block", () => {
    const decoder = createDecoder();
    assert.equal(decoder.decode(hex("80 82 84 80"), 1, 3), null);
    assert.deepEqual(decoder.fields, [":method", "GET", ":path", "/"]);
  });
});

describe("the HPACK decoder", () => {
  it("reads plain byte arrays as it reads Buffers", () => {
    const block = Buffer.concat([literal("x-plain", "\u00e9".repeat(3000)), hex("41 8c f1e3c2e5f23a6ba0ab90f4ff")]);
    const copy = new Uint8Array(block);
    const expected = fieldsOf(createDecoder(), block);
    assert.deepEqual(fieldsOf(createDecoder(), copy), expected);
    assert.deepEqual(expected, ["x-plain", "\u00e9".repeat(3000), ":authority", "www.example.com"]);
  });

  it("gives each block an array of its own", () => {
    const decoder = createDecoder();
    const first = fieldsOf(decoder, hex("82"));
    fieldsOf(decoder, hex("84"));
    assert.deepEqual(first, [":method", "GET"]);
  });

  it("reads integers of the largest value, but no more", () => {
    const decoder = createDecoder();
    assert.equal(decode(decoder, hex("ff 80ffffff07")), "index-too-large");
    assert.equal(decode(decoder, hex("ff 81ffffff07")), "integer-too-large");
    assert.deepEqual(fieldsOf(createDecoder(), hex("0f 8080808000 0161")), [STATIC_15, "a"]);
  });

  it("knows names of never-indexed fields by block", () => {
    const decoder = createDecoder();
    fieldsOf(decoder, Buffer.concat([literal("a", "1", "never"), literal("b", "2"), literal("c", "3", "never")]));
    assert.deepEqual(decoder.neverIndexed, ["a", "c"]);
    fieldsOf(decoder, hex("82"));
    assert.deepEqual(decoder.neverIndexed, []);
  });
});

const STATIC_15 = "accept-charset";

describe("the decoder's dynamic table", () => {
  it("evicts the oldest entries, exactly when they do not fit any more", () => {
    const decoder = createDecoder({ maxTableBytes: 3 * 34 });
    for (const name of ["a", "b", "c"]) fieldsOf(decoder, literal(name, "1", "indexing"));
    assert.deepEqual(entriesOf(decoder), ["c: 1", "b: 1", "a: 1"]);
    fieldsOf(decoder, literal("d", "1", "indexing"));
    assert.deepEqual(entriesOf(decoder), ["d: 1", "c: 1", "b: 1"]);
    fieldsOf(decoder, literal("e", "22", "indexing"));
    assert.deepEqual(entriesOf(decoder), ["e: 22", "d: 1"]);
    assert.equal(decoder.tableBytes, 69);
  });

  it("is emptied by an entry that is larger than it, which is a field all the same", () => {
    const decoder = createDecoder({ maxTableBytes: 100 });
    fieldsOf(decoder, literal("a", "1", "indexing"));
    assert.deepEqual(fieldsOf(decoder, literal("b", "x".repeat(67), "indexing")), ["b", "x".repeat(67)]);
    assert.equal(decoder.tableBytes, 100);
    assert.deepEqual(fieldsOf(decoder, literal("c", "x".repeat(68), "indexing")), ["c", "x".repeat(68)]);
    assert.deepEqual(entriesOf(decoder), []);
    assert.equal(decoder.tableBytes, 0);
  });

  it("lends its name to the very entry that evicts it (RFC 7541 §4.4)", () => {
    const decoder = createDecoder({ maxTableBytes: 64 });
    fieldsOf(decoder, literal("name", "1234", "indexing"));
    assert.deepEqual(fieldsOf(decoder, named(62, "x".repeat(28))), ["name", "x".repeat(28)]);
    assert.deepEqual(entriesOf(decoder), [`name: ${"x".repeat(28)}`]);
  });

  it("is emptied by a size update of 0 and usable after the next", () => {
    const decoder = createDecoder();
    fieldsOf(decoder, literal("a", "1", "indexing"));
    assert.equal(decode(decoder, Buffer.concat([sizeUpdate(0), sizeUpdate(4096), hex("be")])), "index-too-large");
    fieldsOf(decoder, literal("b", "1", "indexing"));
    assert.deepEqual(entriesOf(decoder), ["b: 1"]);
  });

  it("starts with 4096 bytes and takes more only after a size update, if we announced more", () => {
    const decoder = createDecoder({ maxTableBytes: 8192 });
    fieldsOf(decoder, literal("a", "x".repeat(4096), "indexing"));
    assert.equal(decoder.tableBytes, 0);
    fieldsOf(decoder, sizeUpdate(8192));
    fieldsOf(decoder, literal("a", "x".repeat(4096), "indexing"));
    assert.equal(decoder.tableBytes, 4129);
    assert.equal(decode(decoder, sizeUpdate(8193)), "size-update-too-large");
  });

  it("may keep 4096 bytes until a lower limit is acknowledged, and must then shrink at once", () => {
    const limited = { ...LIMITS, maxTableBytes: 100 };
    const decoder = new HpackDecoder(limited);
    fieldsOf(decoder, literal("a", "x".repeat(100), "indexing"));
    fieldsOf(decoder, sizeUpdate(200));
    decoder.acknowledgeLimit();
    assert.equal(decode(decoder, sizeUpdate(101)), "size-update-too-large");
    for (const block of [hex("82"), hex("")]) {
      const silent = new HpackDecoder(limited);
      silent.acknowledgeLimit();
      assert.equal(decode(silent, block), "missing-size-update");
    }
    const conformant = new HpackDecoder(limited);
    conformant.acknowledgeLimit();
    fieldsOf(conformant, Buffer.concat([sizeUpdate(0), sizeUpdate(100), hex("82")]));
    fieldsOf(conformant, hex("82"));
  });
});

describe("the limits of a list", () => {
  it("cut the fields off where they break, and no later field gets in", () => {
    const decoder = createDecoder({ maxListBytes: 3 * 34 });
    const block = Buffer.concat([literal("a", "1"), literal("b", "1"), literal("c", "12"), literal("d", "")]);
    assert.equal(decode(decoder, block), null);
    assert.equal(decoder.isTooLarge, true);
    assert.deepEqual(decoder.fields, ["a", "1", "b", "1"]);
    assert.deepEqual(fieldsOf(decoder, Buffer.concat([literal("a", "1"), literal("b", "1"), literal("c", "1")])).length, 6);
  });

  it("count fields, whatever they are", () => {
    const decoder = createDecoder({ maxFields: 2 });
    for (const third of [hex("82"), literal("c", "3"), literal("c", "3", "indexing")]) {
      assert.equal(decode(decoder, Buffer.concat([hex("82"), literal("b", "2"), third])), null);
      assert.equal(decoder.isTooLarge, true);
      assert.equal(decoder.fields.length, 4);
    }
  });

  it("leave the dynamic table right", () => {
    const decoder = createDecoder({ maxListBytes: 40 });
    assert.equal(
      decode(decoder, Buffer.concat([literal("a", "x".repeat(50), "indexing"), literal("b", "2", "indexing"), hex("bf")])),
      null,
    );
    assert.equal(decoder.isTooLarge, true);
    assert.deepEqual(decoder.fields, []);
    assert.equal(decoder.tableBytes, 83 + 34);
    assert.deepEqual(fieldsOf(decoder, hex("be")), ["b", "2"]);
  });

  it("do not hide a malformed rest", () => {
    const decoder = createDecoder({ maxListBytes: 10 });
    assert.equal(decode(decoder, Buffer.concat([literal("a", "1"), hex("44 84ffffffff")])), "bad-huffman");
    assert.equal(decode(createDecoder({ maxListBytes: 10 }), Buffer.concat([literal("a", "1"), hex("80")])), "index-zero");
  });
});
