import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hashOf, StringMemo } from "../../../../src/wire/hpack/string-memo.js";

function find(memo: StringMemo, text: string, isHuffman = false): string | undefined {
  return memo.find(Buffer.from(text), 0, text.length, isHuffman);
}

/** As the reader does it with a text that was not found. */
function meet(memo: StringMemo, text: string, isHuffman = false): void {
  if (find(memo, text, isHuffman) === undefined) memo.learn(Buffer.from(text), 0, text.length, isHuffman, text);
}

describe("the memory of texts", () => {
  it("has a text once it came twice", () => {
    const memo = new StringMemo();
    meet(memo, "text/html");
    assert.equal(find(memo, "text/html"), undefined);
    meet(memo, "text/html");
    assert.equal(find(memo, "text/html"), "text/html");
  });

  it("does not take Huffman-coded bytes for plain ones", () => {
    const memo = new StringMemo();
    for (let time = 0; time < 2; time++) meet(memo, "abc", true);
    assert.equal(find(memo, "abc", true), "abc");
    assert.equal(find(memo, "abc", false), undefined);
  });

  it("keeps what repeats, although texts that come once meet its slot", () => {
    const memo = new StringMemo();
    for (let time = 0; time < 2; time++) meet(memo, "text/html");
    for (let id = 0; id < 20_000; id++) meet(memo, `id-${id}`);
    assert.equal(find(memo, "text/html"), "text/html");
  });

  it("does not remember long texts", () => {
    const memo = new StringMemo();
    for (let time = 0; time < 3; time++) for (const length of [64, 65]) meet(memo, "x".repeat(length));
    assert.equal(find(memo, "x".repeat(64)), "x".repeat(64));
    assert.equal(find(memo, "x".repeat(65)), undefined);
  });

  it("tells texts of one hash apart", () => {
    const textsByHash = new Map<number, string>();
    let collisions = 0;
    for (let number = 0; number < 300_000; number++) {
      const text = `${number}-key`.padStart(12, "x");
      const hash = hashOf(Buffer.from(text), 0, text.length, text.length);
      const other = textsByHash.get(hash);
      textsByHash.set(hash, text);
      if (other === undefined) continue;
      collisions++;
      const memo = new StringMemo();
      for (let time = 0; time < 2; time++) meet(memo, other);
      assert.equal(find(memo, other), other);
      assert.equal(find(memo, text), undefined);
    }
    assert.ok(collisions > 0);
  });
});
