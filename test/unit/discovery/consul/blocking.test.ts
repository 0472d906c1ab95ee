import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { FIRST_INDEX, nextIndex, nextPauseMs, readIndex, SHORTEST_PAUSE_MS } from "../../../../src/discovery/consul/blocking.js";

it("an index is a number of 64 bits", () => {
  assert.equal(readIndex("18446744073709551615"), 2n ** 64n - 1n);
  assert.equal(readIndex("0"), 0n);
  for (const field of [undefined, "", "-1", "1.5", "0x1", " 1", "1, 2", "18446744073709551616", "9".repeat(21), ["1", "2"]]) {
    assert.equal(readIndex(field), null, String(field));
  }
});

it("an index that goes backwards is given up, and one of 0 is never waited for", () => {
  assert.equal(nextIndex(5n, 7n), 7n);
  assert.equal(nextIndex(5n, 5n), 5n);
  assert.equal(nextIndex(5n, 4n), FIRST_INDEX);
  assert.equal(nextIndex(5n, 0n), FIRST_INDEX);
  assert.equal(nextIndex(FIRST_INDEX, 0n), 1n);
});

it("pauses are short after news that was waited for, and grow to a second while answers come at once", () => {
  const elapsed = fc.double({ min: 0, max: 100_000, noNaN: true });
  fc.assert(
    fc.property(fc.array(elapsed, { minLength: 1 }), (answers) => {
      let pause = SHORTEST_PAUSE_MS;
      for (const ms of answers) {
        const next = nextPauseMs(pause, ms);
        assert.equal(next, ms >= 1_000 ? SHORTEST_PAUSE_MS : Math.min(1_000, pause * 2));
        pause = next;
      }
    }),
  );
});
