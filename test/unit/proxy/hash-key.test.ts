import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { hashText } from "../../../src/engine/balancing/hash.js";
import type { HashOnSpec } from "../../../src/engine/model/snapshot.js";
import type { TemplateContext } from "../../../src/engine/model/template.js";
import { createHashKey } from "../../../src/proxy/hash-key.js";

function context(headers: readonly string[], changes: Partial<TemplateContext> = {}): TemplateContext {
  const request = { method: "GET", host: "a.test", path: "/a", query: "b=1", headers };
  return { requestId: "id", clientAddress: "192.0.2.1", routeName: "r", listenerName: "l", request, principal: null, ...changes };
}

function keyOf(spec: Partial<HashOnSpec>, headers: readonly string[], changes: Partial<TemplateContext> = {}): number {
  return createHashKey({ type: "header", name: "", fallback: "random", ...spec }).of(context(headers, changes), 0.5);
}

const RANDOM = 2 ** 31;

describe("the key that is hashed", () => {
  it("is a header, with repeated fields as one list", () => {
    const spec = { type: "header", name: "x-user" } as const;
    assert.equal(keyOf(spec, ["x-user", "alice"]), hashText("alice"));
    assert.equal(keyOf(spec, ["x-user", "alice", "x-user", "bob"]), hashText("alice, bob"));
  });

  it("is a claim of a verified token, and of no other", () => {
    const principal = { provider: "main", subject: "alice", claims: { sub: "alice", address: { country: "de" } } };
    assert.equal(keyOf({ type: "claim", name: "sub" }, [], { principal }), hashText("alice"));
    assert.equal(keyOf({ type: "claim", name: "address.country" }, [], { principal }), hashText("de"));
    assert.equal(keyOf({ type: "claim", name: "sub" }, ["authorization", "Bearer x"]), RANDOM);
  });

  it("is the client's address, or the path without its query", () => {
    assert.equal(keyOf({ type: "address" }, []), hashText("192.0.2.1"));
    assert.equal(keyOf({ type: "path" }, []), hashText("/a"));
  });

  it("is a cookie, wherever it stands", () => {
    const cases: readonly (readonly [string, string])[] = [
      ["sid=abc", "abc"],
      ["a=1; sid=abc; b=2", "abc"],
      ["a=1;sid=abc;b=2", "abc"],
      ["a=1;   sid=abc ;b=2", "abc"],
      ["xsid=no; sid=abc; sid=later", "abc"],
      ["a=sid=no; sid=abc", "abc"],
      ["a=x sid=no; sid=abc", "abc"],
      ["sid=a=b", "a=b"],
    ];
    for (const [cookie, value] of cases) assert.equal(keyOf({ type: "cookie", name: "sid" }, ["cookie", cookie]), hashText(value), cookie);
    assert.equal(
      keyOf({ type: "cookie", name: "sid" }, ["cookie", "a=1", "cookie", "sid=abc"]),
      hashText("abc"),
      "several fields of HTTP/2",
    );
  });

  it("falls back when there is none, or an empty one", () => {
    const missing: readonly (readonly [Partial<HashOnSpec>, readonly string[]])[] = [
      [{ type: "header", name: "x-user" }, []],
      [{ type: "header", name: "x-user" }, ["x-user", ""]],
      [{ type: "cookie", name: "sid" }, []],
      [{ type: "cookie", name: "sid" }, ["cookie", "sid=; a=1"]],
      [{ type: "cookie", name: "sid" }, ["cookie", "SID=abc"]],
      [{ type: "cookie", name: "sid" }, ["x-cookie", "sid=abc"]],
    ];
    for (const [spec, headers] of missing) {
      assert.equal(keyOf(spec, headers), RANDOM);
      assert.equal(keyOf({ ...spec, fallback: "address" }, headers), hashText("192.0.2.1"));
      assert.equal(keyOf({ ...spec, fallback: "path" }, headers), hashText("/a"));
    }
  });

  it("has 32 bits whatever clients send, and finds the cookie that a plain reading finds", () => {
    const piece = fc.stringMatching(/^[a-z=; ]{0,12}$/);
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const cookie = pieces.join(";");
        const key = keyOf({ type: "cookie", name: "a" }, ["cookie", cookie]);
        assert.ok(Number.isInteger(key) && key >= 0 && key < 2 ** 32);
        const plain = cookie
          .split(";")
          .map((part) => part.trim())
          .find((part) => part.startsWith("a="));
        const expected = plain === undefined || plain === "a=" ? RANDOM : hashText(plain.slice(2));
        assert.equal(key, expected, cookie);
      }),
    );
  });
});
