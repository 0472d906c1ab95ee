import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDuration, formatSize, parseDuration, parseSize } from "../../../../src/engine/model/units.js";

test("durations are whole numbers with h, m, s or ms", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["250ms", 250],
    ["5s", 5_000],
    ["1h30m", 5_400_000],
    ["0s", 0],
    ["0ms", 0],
    ["2m", 120_000],
    ["1h1m1s1ms", 3_661_001],
    ["99999h", 99_999 * 3_600_000],
  ];
  for (const [text, expected] of cases) assert.equal(parseDuration(text), expected, text);
});

test("what is not a duration is refused", () => {
  for (const text of ["", "5", "1.5s", "-1s", "5 s", "5S", "1d", "s", "1h2m3s4ms5s", "123456s", "5s ", "١s"]) {
    assert.equal(parseDuration(text), null, JSON.stringify(text));
  }
});

test("sizes are whole numbers with a binary unit", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["64KiB", 65_536],
    ["1MiB", 1_048_576],
    ["2GiB", 2_147_483_648],
    ["10B", 10],
    ["0", 0],
  ];
  for (const [text, expected] of cases) assert.equal(parseSize(text), expected, text);
});

test("what is not a size is refused", () => {
  for (const text of ["", "10", "10MB", "10kib", "-1KiB", "1.5MiB", "999999999999GiB", "KiB", "1 KiB"]) {
    assert.equal(parseSize(text), null, JSON.stringify(text));
  }
});

test("a formatted duration or size reads back as the same number", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 99_999 * 3_600_000 }), (durationMs) => parseDuration(formatDuration(durationMs)) === durationMs),
  );
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 40 - 1 }), (bytes) => bytes >= 10 ** 12 || parseSize(formatSize(bytes)) === bytes));
});

test("parsing never throws, whatever the text", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const results = [parseDuration(text), parseSize(text)];
      return results.every((result) => result === null || (Number.isSafeInteger(result) && result >= 0));
    }),
  );
});
