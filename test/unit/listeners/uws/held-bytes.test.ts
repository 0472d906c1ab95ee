import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type HeldBudget, HeldBytes } from "../../../../src/listeners/uws/held-bytes.js";

const budget = (maxBytes = 1_000_000): HeldBudget => ({ bytes: 0, maxBytes });

function drained(held: HeldBytes): Buffer[] {
  const pieces: Buffer[] = [];
  while (!held.isEmpty) pieces.push(Buffer.from(held.shift()));
  return pieces;
}

test("bytes come out in order and whole, whatever the sizes and however pushes and shifts alternate", () => {
  const step = fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 40 }), fc.integer({ min: 3_000, max: 20_000 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const shared = budget();
      const held = new HeldBytes(shared);
      let given = "";
      let taken = "";
      for (const size of steps) {
        if (size >= 0) {
          const piece = Buffer.alloc(size, String(given.length % 10));
          given += piece.toString("latin1");
          held.push(piece);
        } else if (!held.isEmpty) taken += Buffer.from(held.shift()).toString("latin1");
        assert.equal(held.bytes, given.length - taken.length);
        assert.equal(shared.bytes, held.bytes);
      }
      assert.equal(taken + Buffer.concat(drained(held)).toString("latin1"), given);
      assert.equal(shared.bytes, 0);
    }),
  );
});

test("what was taken out is not written over by what comes in later", () => {
  const held = new HeldBytes(budget());
  held.push(Buffer.from("first"));
  const first = held.shift();
  held.push(Buffer.from("other"));
  assert.equal(Buffer.from(first).toString(), "first");
});

test("small pieces share buffers", () => {
  const held = new HeldBytes(budget());
  for (let i = 0; i < 100_000; i++) held.push(Buffer.from("x"));
  assert.ok(drained(held).length < 20);
});

test("an empty piece counts only when it is alone", () => {
  const held = new HeldBytes(budget());
  held.push(Buffer.alloc(0));
  assert.equal(held.isEmpty, false);
  assert.deepEqual(drained(held), [Buffer.alloc(0)]);
  held.push(Buffer.from("a"));
  held.push(Buffer.alloc(0));
  assert.deepEqual(drained(held), [Buffer.from("a")]);
});

test("several share one budget, and clearing gives it back", () => {
  const shared = budget(10);
  const [one, other] = [new HeldBytes(shared), new HeldBytes(shared)];
  one.push(Buffer.alloc(6));
  assert.equal(one.isOverBudget, false);
  other.push(Buffer.alloc(6));
  assert.equal(one.isOverBudget && other.isOverBudget, true);
  other.clear();
  assert.equal(one.isOverBudget, false);
  assert.equal(other.isEmpty, true);
  assert.equal(shared.bytes, 6);
});
