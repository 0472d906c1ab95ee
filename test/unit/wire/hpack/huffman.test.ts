import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CODE_BITS, CODES, EOS } from "../../../../src/wire/hpack/huffman-code.js";
import { decodeHuffman, maxDecodedBytes, measureHuffman } from "../../../../src/wire/hpack/huffman-decoder.js";
import { writeText } from "../../../../src/wire/hpack/huffman-encoder.js";
import { hex } from "./blocks.js";

/** Bit strings: the slow way, as the RFC describes it. */
function bitsOf(symbol: number): string {
  return (CODES[symbol] as number).toString(2).padStart(CODE_BITS[symbol] as number, "0");
}

function packed(bits: string): Buffer {
  const bytes = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1").match(/.{8}/g) ?? [];
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2)));
}

const symbolsByBits = new Map(Array.from({ length: EOS + 1 }, (_, symbol) => [bitsOf(symbol), symbol]));

/** The text, or null when it is malformed. */
function decodeSlowly(bytes: Uint8Array): string | null {
  let code = "";
  let text = "";
  for (const bit of [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("")) {
    code += bit;
    const symbol = symbolsByBits.get(code);
    if (symbol === EOS) return null;
    if (symbol === undefined) continue;
    text += String.fromCharCode(symbol);
    code = "";
  }
  return code.length <= 7 && !code.includes("0") ? text : null;
}

function decodeText(bytes: Uint8Array): string | null {
  const out = Buffer.alloc(maxDecodedBytes(bytes.length) + 1);
  const length = decodeHuffman(bytes, 0, bytes.length, out);
  assert.equal(measureHuffman(bytes, 0, bytes.length), length);
  return length < 0 ? null : out.toString("latin1", 0, length);
}

function encodeText(text: string): Buffer {
  const out = Buffer.alloc(text.length + 6);
  return out.subarray(0, writeText(text, out, 0));
}

describe("the Huffman code", () => {
  it("is complete and free of prefixes", () => {
    const sum = CODE_BITS.reduce((total, bits) => total + 2 ** -bits, 0);
    assert.equal(sum, 1);
    assert.equal(symbolsByBits.size, 257);
  });

  it("has the codes of the RFC at the ends of its lengths", () => {
    const codes = { "0": 0x0, t: 0x9, " ": 0x14, u: 0x2d, ":": 0x5c, z: 0x7b, "&": 0xf8, Z: 0xfd, "!": 0x3f8, "~": 0x1ffd };
    for (const [char, code] of Object.entries(codes)) assert.equal(CODES[char.charCodeAt(0)], code, char);
    assert.deepEqual(
      [CODES[0], CODES[9], CODES[10], CODES[22], CODES[249], CODES[EOS]],
      [0x1ff8, 0xffffea, 0x3ffffffc, 0x3ffffffe, 0xffffffe, 0x3fffffff],
    );
  });
});

describe("Huffman decoding", () => {
  for (const [name, bits] of [
    ["padding of eight bits", `${bitsOf(97)}111${"1".repeat(8)}`],
    ["padding with a zero", `${bitsOf(97)}110`],
    ["padding that is all zeros", `${bitsOf(97)}000`],
    ["EOS alone", bitsOf(EOS)],
    ["EOS after text", bitsOf(97) + bitsOf(EOS)],
    ["EOS before text", bitsOf(EOS) + bitsOf(97) + bitsOf(97)],
    ["the start of a long code", bitsOf(10).slice(0, 24)],
  ] as const) {
    it(`refuses ${name}`, () => {
      assert.equal(decodeText(packed(bits)), null);
    });
  }

  it("takes every length of padding up to seven bits", () => {
    for (let count = 0; count < 16; count++) {
      assert.equal(decodeText(packed(bitsOf(97).repeat(count))), "a".repeat(count));
      assert.equal(decodeText(packed(bitsOf(33) + bitsOf(97).repeat(count))), `!${"a".repeat(count)}`);
    }
  });

  it("reads any bytes as the RFC describes it bit by bit", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => assert.equal(decodeText(bytes), decodeSlowly(bytes))),
      { numRuns: 5000 },
    );
  });

  it("reads any pair of symbols", () => {
    for (let first = 0; first < EOS; first++) {
      for (let second = 0; second < EOS; second += 5) {
        assert.equal(decodeText(packed(bitsOf(first) + bitsOf(second))), String.fromCharCode(first, second));
      }
    }
  });
});

describe("Huffman encoding", () => {
  it("is what the bits of the RFC say, when that is shorter", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 300 }),
        (text) => {
          const huffman = packed([...text].map((char) => bitsOf(char.charCodeAt(0))).join(""));
          const literal = encodeText(text);
          const isHuffman = (literal[0] as number) >= 0x80;
          assert.equal(isHuffman, huffman.length < text.length);
          assert.deepEqual(
            literal.subarray(literal.length - Math.min(huffman.length, text.length)),
            isHuffman ? huffman : Buffer.from(text, "latin1"),
          );
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("counts texts around the lengths at which the prefix grows", () => {
    for (const length of [0, 1, 125, 126, 127, 128, 157, 158, 254, 255, 1000, 20_000]) {
      for (const char of ["a", "Z", "\u0001"]) {
        const literal = encodeText(char.repeat(length));
        const isHuffman = (literal[0] ?? 0) >= 0x80;
        assert.equal(isHuffman, char === "a" ? length > 1 : false, `${length} times ${JSON.stringify(char)}`);
      }
    }
  });

  it("never makes a line end of a char that is no byte", () => {
    assert.equal(encodeText("\u010d\u010a\u0100").toString("hex"), hex("03 3f3f3f").toString("hex"));
  });
});
