import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { substitute } from "../../../src/config/substitute.js";

const ENV = { HOST: "example.com", PORT: "80", EMPTY: "", TRICKY: "${HOST} $& $1" };

function textOf(text: string): string {
  const result = substitute(text, ENV);
  assert.ok(result.ok, `${text} should be valid`);
  return result.text;
}

test("variables are replaced, anywhere in a string and several times", () => {
  assert.equal(textOf("https://${HOST}:${PORT}/${HOST}"), "https://example.com:80/example.com");
});

test("a default stands in for an unset or empty variable", () => {
  assert.equal(textOf("${NONE:-x}"), "x");
  assert.equal(textOf("${EMPTY:-x}"), "x");
  assert.equal(textOf("${HOST:-x}"), "example.com");
  assert.equal(textOf("${NONE:-}"), "");
  assert.equal(textOf("${NONE:-http://a:1/b}"), "http://a:1/b");
});

test("an empty variable without default is an empty text", () => {
  assert.equal(textOf("[${EMPTY}]"), "[]");
});

test("$${ is a literal ${, and other dollars and braces stay", () => {
  assert.equal(textOf("$${HOST} $5 {jwt.sub} $HOST"), "${HOST} $5 {jwt.sub} $HOST");
});

test("what a variable holds is not scanned again", () => {
  assert.equal(textOf("${TRICKY}"), "${HOST} $& $1");
});

test("an unset variable is a problem that names it", () => {
  const result = substitute("${NONE}", ENV);
  assert.ok(!result.ok);
  assert.match(result.message, /NONE is not set/);
});

test("names from the prototype are not variables", () => {
  assert.equal(substitute("${constructor}", ENV).ok, false);
});

test("a malformed reference is a problem", () => {
  for (const text of ["${", "${}", "${1A}", "${A B}", "${HOST", "${HOST:}", "${HOST-x}"])
    assert.equal(substitute(text, ENV).ok, false, text);
});

test("text without references comes back as it is", () => {
  fc.assert(
    fc.property(
      fc.string().filter((text) => !text.includes("${")),
      (text) => {
        const result = substitute(text, ENV);
        return result.ok && result.text === text && !result.hasVariable;
      },
    ),
  );
});
