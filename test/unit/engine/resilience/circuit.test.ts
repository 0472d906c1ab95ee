import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { BreakerSpec } from "../../../../src/engine/model/snapshot.js";
import {
  admit,
  afterFailure,
  afterSuccess,
  type Circuit,
  CLOSED,
  describeCircuit,
  heldUntil,
} from "../../../../src/engine/resilience/circuit.js";

fc.configureGlobal({ seed: 1_618 });

const SPEC: BreakerSpec = { failurePercent: 50, minimumRequests: 4, windowMs: 1_000, openMs: 500, halfOpenRequests: 2 };

type Step = readonly [what: "ok" | "fail" | "ask", now: number];

function run(steps: readonly Step[], from: Circuit = CLOSED): Circuit {
  return steps.reduce<Circuit>((circuit, [what, now]) => {
    if (what === "ok") return afterSuccess(circuit, SPEC, now);
    if (what === "fail") return afterFailure(circuit, SPEC, now);
    return admit(circuit, SPEC, now) ?? circuit;
  }, from);
}

const OPEN = run([
  ["fail", 0],
  ["fail", 1],
  ["fail", 2],
  ["fail", 3],
]);

const CASES: readonly (readonly [title: string, steps: readonly Step[], state: Circuit["state"]])[] = [
  [
    "stays closed below the minimum of requests",
    [
      ["fail", 0],
      ["fail", 0],
      ["fail", 0],
    ],
    "closed",
  ],
  [
    "opens with the failure that makes the share",
    [
      ["ok", 0],
      ["ok", 0],
      ["fail", 0],
      ["fail", 0],
    ],
    "open",
  ],
  [
    "stays closed below the share",
    [
      ["ok", 0],
      ["ok", 0],
      ["ok", 0],
      ["fail", 0],
      ["fail", 0],
    ],
    "closed",
  ],
  [
    "forgets what happened before the window",
    [
      ["fail", 0],
      ["fail", 0],
      ["fail", 0],
      ["fail", 1_000],
    ],
    "closed",
  ],
  [
    "counts up to the end of the window",
    [
      ["fail", 0],
      ["fail", 0],
      ["fail", 0],
      ["fail", 999],
    ],
    "open",
  ],
];

describe("circuit breaker", () => {
  for (const [title, steps, state] of CASES) it(title, () => assert.equal(run(steps).state, state));

  it("refuses while open, and what comes in late changes nothing", () => {
    assert.equal(admit(OPEN, SPEC, 502), null);
    assert.equal(
      run(
        [
          ["ok", 10],
          ["fail", 20],
          ["ok", 500],
        ],
        OPEN,
      ),
      OPEN,
    );
    assert.equal(heldUntil(OPEN, SPEC), 503);
  });

  it("lets so many probes through, closes when all of them succeed, and begins to count anew", () => {
    const first = admit(OPEN, SPEC, 503) as Circuit;
    assert.deepEqual(first, { state: "halfOpen", probes: 1, successes: 0, probedAt: 503 });
    assert.equal(heldUntil(first, SPEC), 0);
    const second = admit(first, SPEC, 510) as Circuit;
    assert.equal(admit(second, SPEC, 511), null);
    assert.equal(heldUntil(second, SPEC), 1_010);
    assert.equal(
      run(
        [
          ["ok", 512],
          ["ok", 513],
        ],
        second,
      ),
      CLOSED,
    );
  });

  it("opens again with one probe that fails", () => {
    const reopened = run(
      [
        ["ask", 503],
        ["ask", 503],
        ["ok", 504],
        ["fail", 505],
      ],
      OPEN,
    );
    assert.deepEqual(reopened, { state: "open", until: 1_005, failurePercent: 100 });
  });

  it("asks for other probes when nothing is heard of the first", () => {
    const stuck = run(
      [
        ["ask", 503],
        ["ask", 503],
      ],
      OPEN,
    );
    assert.equal(admit(stuck, SPEC, 1_002), null);
    assert.deepEqual(admit(stuck, SPEC, 1_003), { state: "halfOpen", probes: 1, successes: 0, probedAt: 1_003 });
  });

  it("never refuses for longer than one opening, and never admits more than its probes within it", () => {
    const step = fc.tuple(fc.constantFrom("ok" as const, "fail" as const, "ask" as const), fc.integer({ min: 0, max: 200 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        let circuit: Circuit = CLOSED;
        let now = 0;
        let refusedSince = -1;
        for (const [what, pause] of steps) {
          now += pause;
          if (what === "ok") circuit = afterSuccess(circuit, SPEC, now);
          else if (what === "fail") circuit = afterFailure(circuit, SPEC, now);
          else {
            const admitted = admit(circuit, SPEC, now);
            if (admitted === null) {
              if (refusedSince === -1) refusedSince = now;
              assert.ok(heldUntil(circuit, SPEC) > now, "what refuses says until when");
            } else refusedSince = -1;
            circuit = admitted ?? circuit;
          }
          if (what === "fail") refusedSince = -1;
          assert.ok(refusedSince === -1 || now - refusedSince < SPEC.openMs);
          assert.ok(circuit.state !== "halfOpen" || circuit.probes <= SPEC.halfOpenRequests);
          assert.ok(circuit.state !== "closed" || circuit.failures <= circuit.requests);
        }
      }),
    );
  });

  it("says how it stands", () => {
    assert.equal(describeCircuit(CLOSED, 0), null);
    assert.equal(describeCircuit(OPEN, 10), "circuit open, 100 % failed");
    assert.equal(describeCircuit(OPEN, 503), "circuit open, the next request is a probe");
    assert.equal(describeCircuit(run([["ask", 503]], OPEN), 504), "circuit half open, 0 of 1 probes succeeded");
  });
});
