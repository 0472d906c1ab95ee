import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { escaped, junitText } from "../../../src/cli/test-junit.js";

const PASSED = { name: "good", place: "t.yaml:3", request: "GET http://h/", durationMs: 1.5, ok: true, mismatches: [] };

describe("JUnit XML", () => {
  it("counts tests and failures, and says where and why", () => {
    const mismatch = { what: "route", expected: "a", got: "b", why: ["a lost: method GET is not POST"] };
    const text = junitText([
      { file: "t.yaml", tests: [PASSED, { ...PASSED, name: "bad", place: "t.yaml:9", ok: false, mismatches: [mismatch] }] },
    ]);
    assert.equal(
      text,
      `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" failures="1" time="0.003000" name="windrose test">
  <testsuite name="t.yaml" tests="2" failures="1" time="0.003000" errors="0" skipped="0">
    <testcase name="good" classname="t.yaml" file="t.yaml" line="3" time="0.001500"/>
    <testcase name="bad" classname="t.yaml" file="t.yaml" line="9" time="0.001500">
      <failure type="mismatch" message="route: expected a, got b">GET http://h/&#10;route: expected a, got b&#10;  because a lost: method GET is not POST</failure>
    </testcase>
  </testsuite>
</testsuites>
`,
    );
  });

  it("lets no name out of its place", () => {
    assert.equal(
      escaped(`"/><x a='&'>\n\0\u001b\ud800\uffff😀`),
      "&quot;/&gt;&lt;x a=&apos;&amp;&apos;&gt;&#10;\ufffd\ufffd\ufffd\ufffd😀",
    );
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (name, file) => {
        const text = junitText([{ file, tests: [{ ...PASSED, name }] }]);
        assert.equal(text.split("\n").length, 7);
        assert.equal((text.match(/</g) ?? []).length, 6);
        assert.ok(!/[\x00-\x08\x0b-\x1f\ufffe\uffff]|\p{Cs}/u.test(text));
      }),
      { numRuns: 500 },
    );
  });
});
