import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { chooseBackend } from "../../../../src/engine/routing/choose-backend.js";

fc.configureGlobal({ seed: 1_618 });

const backends = (...weights: number[]) => weights.map((weight) => ({ weight }));

describe("chooseBackend", () => {
  it("splits by weight", () => {
    const counts = [0, 0, 0];
    for (let i = 0; i < 1_000; i++) counts[chooseBackend(backends(95, 0, 5), i / 1_000)]!++;
    assert.deepEqual(counts, [950, 0, 50]);
  });

  it("chooses none when no backend has weight", () => {
    assert.equal(chooseBackend(backends(0, 0), 0.5), -1);
    assert.equal(chooseBackend([], 0), -1);
  });

  it("never chooses a backend without weight, whatever the rounding", () => {
    const weight = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true }));
    fc.assert(
      fc.property(fc.array(weight, { maxLength: 8 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (weights, random) => {
        const index = chooseBackend(backends(...weights), random);
        if (weights.some((each) => each > 0)) assert.ok((weights[index] as number) > 0);
        else assert.equal(index, -1);
      }),
    );
  });
});
