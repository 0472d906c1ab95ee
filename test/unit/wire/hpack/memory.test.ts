/** What header bombs cost. Measured in bytes of the heap, since the promise is about memory and not about a flag. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createDecoder, decode, fieldsOf, hex, integer, literal } from "./blocks.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const MIB = 1024 * 1024;
const KIB = 1024;
/** Until the code is compiled, which takes heap, too. */
const WARM_UPS = 30;
const MEASURED_RUNS = 5;

/** Strings are made here and `fields`, so this is what counts. Garbage of the test's own buffers lies elsewhere. */
function heapBytes(): number {
  return process.memoryUsage().heapUsed;
}

/** Bytes of the heap that what `run` returns still holds. The first runs pay for compiling. */
function heldBytes(run: () => object): number {
  const held = Array.from({ length: WARM_UPS }, run);
  held.length = 0;
  collectGarbage();
  const before = heapBytes();
  held.push(run());
  collectGarbage();
  return heapBytes() - before;
}

/** Bytes of the heap that `run` takes, garbage or not: in the best of some runs, as the compiler takes heap whenever it likes. */
function spentBytes(run: () => void): number {
  for (let warmUp = 0; warmUp < WARM_UPS; warmUp++) run();
  const runs = Array.from({ length: MEASURED_RUNS }, () => {
    collectGarbage();
    const before = heapBytes();
    run();
    return heapBytes() - before;
  });
  return Math.min(...runs);
}

describe("a header bomb", () => {
  it("of 10,000 references to a value of 60 KiB costs that value and the references", () => {
    const decoder = createDecoder({ maxTableBytes: 64 * KIB, maxListBytes: 1024 * MIB, maxFields: 100_000 });
    fieldsOf(decoder, integer(0x20, 5, 64 * KIB));
    const block = Buffer.concat([literal("bomb", "x".repeat(60 * KIB), "indexing"), Buffer.alloc(10_000, hex("be"))]);
    const held = heldBytes(() => fieldsOf(decoder, block));
    assert.equal(decoder.fields.length, 20_002);
    assert.ok(held < 400 * KIB, `${held} bytes`);
  });

  it("of a million references ends at the list's limit", () => {
    const decoder = createDecoder({ maxListBytes: 64 * KIB });
    fieldsOf(decoder, literal("bomb", "x".repeat(4000), "indexing"));
    const block = Buffer.alloc(MIB, hex("be"));
    const spent = spentBytes(() => assert.equal(decode(decoder, block), null));
    assert.equal(decoder.isTooLarge, true);
    assert.equal(decoder.fields.length, 2 * 16);
    assert.ok(spent < 64 * KIB, `${spent} bytes`);
  });

  it("of literals beyond the limits makes no strings", () => {
    const decoder = createDecoder({ maxListBytes: 1000 });
    for (const representation of ["unindexed", "never", "indexing"] as const) {
      const block = Buffer.concat([literal("a", "y".repeat(960)), ...Array(200).fill(literal("bomb", "x".repeat(5000), representation))]);
      const spent = spentBytes(() => assert.equal(decode(decoder, block), null));
      assert.equal(decoder.isTooLarge, true);
      assert.ok(spent < 64 * KIB, `${representation}: ${spent} bytes`);
    }
  });

  it("of one Huffman text that unpacks to more than the limit is measured, not made", () => {
    const decoder = createDecoder({ maxListBytes: 64 * KIB });
    const zeros = (encodedBytes: number) => Buffer.concat([hex("00 0161"), integer(0x80, 7, encodedBytes), Buffer.alloc(encodedBytes, 0)]);
    const [bomb, fine] = [zeros(5 * MIB), zeros(30 * KIB)];
    const spent = spentBytes(() => assert.equal(decode(decoder, bomb), null));
    assert.ok(spent < 128 * KIB, `${spent} bytes`);
    assert.deepEqual(decoder.fields, []);
    assert.deepEqual(fieldsOf(decoder, fine), ["a", "0".repeat(48 * KIB)]);
  });

  it("of ever new names and values does not outlive its connection", () => {
    const connection = () => {
      const decoder = createDecoder();
      for (let name = 0; name < 1000; name++) fieldsOf(decoder, literal(`name-${Math.random()}`, "v".repeat(3000), "indexing"));
      return decoder;
    };
    const held = heldBytes(() => Array.from({ length: 10 }, connection));
    assert.ok(held < 10 * 8 * KIB, `${held} bytes`);
  });
});
