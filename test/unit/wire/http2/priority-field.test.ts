import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parsePriority } from "../../../../src/wire/http2/priority-field.js";

/** Urgency and `i` for incremental; null: malformed. */
const VALUES: readonly (readonly [value: string, expected: string | null])[] = [
  ["", "3"],
  ["u=0", "0"],
  ["u=7", "7"],
  ["u=5, i", "5i"],
  ["i, u=5", "5i"],
  ["i=?1", "3i"],
  ["i=?0", "3"],
  ["  u=1  ", "1"],
  ["u=1 \t,\t i", "1i"],
  ["u=1, u=2", "2"],
  ["i, i=?0", "3"],
  ["u=007", "7"],
  // Known members with values that they cannot have count as absent.
  ["u=8", "3"],
  ["u=-1", "3"],
  ["u=1.5", "3"],
  ['u="1"', "3"],
  ["u", "3"],
  ["u=?1", "3"],
  ["u=(1 2)", "3"],
  ["u=999999999999999", "3"],
  ["i=1", "3"],
  ["i=yes, u=2", "2"],
  // Members and parameters that nobody knows.
  ['u=2;x=1, foo, *b.-_=a/b;c="d\\"e\\\\"; f, g=:aGk=:, h=("a" b;c 1.25), i;q=(', null],
  ['u=2;x=1, foo, *b.-_=a/b;c="d\\"e\\\\"; f, g=:aGk=:, h=("a" b;c 1.25), i;q=?0', "2i"],
  ["h=(), u=1", "1"],
  ["h=(  a  b  ), u=1", "1"],
  // Malformed.
  ["U=1", null],
  ["u=1,", null],
  [",u=1", null],
  ["u=1,,i", null],
  ["u=1 i", null],
  ["u=", null],
  ["u==1", null],
  ["u=1.", null],
  ["u=1.2345", null],
  ["u=1234567890123456", null],
  ["u=1;", null],
  ["u=1; =2", null],
  ['x="', null],
  ['x="\\n"', null],
  ["x=(a", null],
  ["x=?2", null],
  ["x=:a", null],
  ["\u00fc=1", null],
  ["u=1\n", null],
  [`${"a,".repeat(130)}u=1`, null],
];

describe("the value of a Priority field", () => {
  for (const [value, expected] of VALUES) {
    it(`${JSON.stringify(value.slice(0, 40))} says ${expected ?? "nothing"}`, () => {
      const priority = parsePriority(value);
      assert.equal(priority === null ? null : `${priority.urgency}${priority.isIncremental ? "i" : ""}`, expected);
    });
  }

  it("is read in no time, whatever it is", () => {
    const pieces = fc.constantFrom("u", "=", "1", ".", ";", " ", ",", "(", ")", '"', "\\", "?", "i", ":", "a*", "\t", "\x00", "-");
    const value = fc.array(pieces, { maxLength: 300 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(value, (text) => {
        const startMs = performance.now();
        const priority = parsePriority(text);
        assert.ok(priority === null || (priority.urgency >= 0 && priority.urgency <= 7));
        assert.ok(performance.now() - startMs < 1000);
      }),
      { numRuns: 2000 },
    );
    for (const text of [`x=(${" ".repeat(250)}`, `x=(${"a ".repeat(120)}`, `x=${";a".repeat(120)}!`, `x="${"\\\\".repeat(120)}`]) {
      assert.equal(parsePriority(text), null);
    }
  });
});
