import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compileQueryCondition, queryHas } from "../../../../src/engine/routing/query-condition.js";

fc.configureGlobal({ seed: 1_618 });

function has(query: string, name: string, value: string): boolean {
  return queryHas(query, compileQueryCondition({ name, value }));
}

describe("queryHas", () => {
  it("compares the first occurrence only", () => {
    assert.equal(has("a=1&a=2", "a", "1"), true);
    assert.equal(has("a=1&a=2", "a", "2"), false);
    assert.equal(has("b=1&%61=3", "a", "3"), true);
  });

  it("decodes escapes and reads + as a space, in names too", () => {
    assert.equal(has("q=a%20b+c%2B", "q", "a b c+"), true);
    assert.equal(has("my%20key=1", "my key", "1"), true);
    assert.equal(has("q=caf%c3%A9", "q", "café"), true);
    assert.equal(has("q=caf\u00c3\u00a9", "q", "café"), true);
    assert.equal(has("q=%F0%9F%8D%80", "q", "🍀"), true);
  });

  it("gives parameters without = the empty value", () => {
    assert.equal(has("debug&x=1", "debug", ""), true);
    assert.equal(has("debug=", "debug", ""), true);
    assert.equal(has("debug=1", "debug", ""), false);
    assert.equal(has("a=b=c", "a", "b=c"), true);
    assert.equal(has("", "a", ""), false);
    assert.equal(has("&&a=1", "a", "1"), true);
  });

  it("compares components with malformed escapes as written", () => {
    assert.equal(has("q=100%", "q", "100%"), true);
    assert.equal(has("q=a+b%zz", "q", "a+b%zz"), true);
    assert.equal(has("q=a+b%zz", "q", "a b%zz"), false);
    assert.equal(has("q=%4", "q", "%4"), true);
    assert.equal(has("%zz=1", "%zz", "1"), true);
    assert.equal(has("q=%FF", "q", "\u00ff"), false);
  });

  it("finds every value that a standard encoder writes", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1 });
    fc.assert(
      fc.property(text, text, (name, value) => {
        assert.equal(
          has(
            new URLSearchParams([
              ["zz", "1"],
              [name, value],
            ]).toString(),
            name,
            name === "zz" ? "1" : value,
          ),
          true,
        );
      }),
    );
  });

  it("stays linear in hostile queries", () => {
    const condition = compileQueryCondition({ name: "q", value: "1" });
    const hostile = "%FF=1&".repeat(2_700);
    const start = performance.now();
    for (let i = 0; i < 100; i++) assert.equal(queryHas(hostile, condition), false);
    assert.ok(performance.now() - start < 1_000);
  });
});
