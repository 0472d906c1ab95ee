import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { afterCheck, type EndpointHealth, UNKNOWN } from "../../../../src/discovery/health/endpoint-health.js";

fc.configureGlobal({ seed: 1_618 });

const THRESHOLDS = { unhealthyAfter: 3, healthyAfter: 2 };

/** `+` and `-` are results; h, u and ? the state after each. */
const CASES: readonly (readonly [results: string, states: string])[] = [
  ["+", "h"],
  ["-", "u"],
  ["+--", "hhh"],
  ["+---", "hhhu"],
  ["+--+--", "hhhhhh"],
  ["-+", "uu"],
  ["-++", "uuh"],
  ["-+-++", "uuuuh"],
  ["+---++---", "hhhuuhhhu"],
];

function run(results: readonly boolean[], thresholds = THRESHOLDS): EndpointHealth[] {
  let health: EndpointHealth = UNKNOWN;
  return results.map((isPassed) => {
    health = afterCheck(health, isPassed, thresholds);
    return health;
  });
}

describe("health of an endpoint", () => {
  for (const [results, states] of CASES) {
    it(`${results} makes ${states}`, () => {
      const seen = run([...results].map((result) => result === "+")).map(({ state }) => state.charAt(0));
      assert.equal(seen.join(""), states);
    });
  }

  it("changes only after so many equal results in a row, and always then", () => {
    const threshold = fc.integer({ min: 1, max: 5 });
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 100 }), threshold, threshold, (results, unhealthyAfter, healthyAfter) => {
        const states = run(results, { unhealthyAfter, healthyAfter });
        states.forEach(({ state }, index) => {
          if (index === 0) return;
          const isChange = state !== states[index - 1]?.state;
          const needed = state === "unhealthy" ? unhealthyAfter : healthyAfter;
          const last = results.slice(Math.max(0, index + 1 - needed), index + 1);
          if (isChange) assert.ok(last.length === needed && last.every((isPassed) => isPassed === (state === "healthy")));
          const opposite = state === "unhealthy" ? healthyAfter : unhealthyAfter;
          const recent = results.slice(Math.max(0, index + 1 - opposite), index + 1);
          assert.ok(recent.length < opposite || recent.some((isPassed) => isPassed === (state === "healthy")));
        });
      }),
    );
  });
});
