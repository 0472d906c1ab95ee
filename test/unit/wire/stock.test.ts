import assert from "node:assert/strict";
import { test } from "node:test";
import { Stock } from "../../../src/wire/stock.js";

test("a block goes round, whatever part of it is given back", () => {
  const stock = new Stock(1024);
  const first = stock.take();
  stock.giveBack(first.subarray(3, 7));
  const second = stock.take();
  assert.equal(second.buffer, first.buffer);
  assert.deepEqual([second.byteOffset, second.length], [0, 1024]);
});

test("a block that is given back twice is taken once, and foreign memory never", () => {
  const stock = new Stock(1024);
  const block = stock.take();
  stock.giveBack(block);
  stock.giveBack(block);
  stock.giveBack(new Uint8Array(1000));
  assert.equal(stock.take().buffer, block.buffer);
  assert.notEqual(stock.take().buffer, block.buffer);
});

test("what is kept is bounded", () => {
  const stock = new Stock(1_048_576);
  const blocks = Array.from({ length: 6 }, () => stock.take());
  for (const block of blocks) stock.giveBack(block);
  const again = new Set(Array.from({ length: 6 }, () => stock.take().buffer));
  assert.equal(blocks.filter(({ buffer }) => again.has(buffer)).length, 4);
});
