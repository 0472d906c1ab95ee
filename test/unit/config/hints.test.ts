import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { didYouMean, editDistance, nearest } from "../../../src/config/hints.js";

test("the distance counts inserts, deletes, replacements and swapped neighbours", () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ["route", "route", 0],
    ["rotue", "route", 1],
    ["rout", "route", 1],
    ["routte", "route", 1],
    ["roude", "route", 1],
    ["", "abc", 3],
  ];
  for (const [a, b, expected] of cases) assert.equal(editDistance(a, b), expected, `${a} → ${b}`);
});

test("the distance is symmetric and zero only for equal words", () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(fc.property(word, word, (a, b) => editDistance(a, b) === editDistance(b, a)));
  fc.assert(fc.property(word, word, (a, b) => (editDistance(a, b) === 0) === (a === b)));
});

test("a near word is suggested, a far one is not", () => {
  const keys = ["hostnames", "listeners", "timeouts", "match"];
  assert.equal(nearest("hostname", keys), "hostnames");
  assert.equal(nearest("Timeout", keys), "timeouts");
  assert.equal(nearest("path", keys), null);
  assert.equal(nearest("x".repeat(1_000_000), keys), null);
  assert.equal(didYouMean("listner", keys), 'did you mean "listeners"?');
  assert.equal(didYouMean("completely-different", keys), undefined);
});
