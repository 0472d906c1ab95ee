import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { normalisePath } from "../../../../src/engine/routing/normalise-path.js";

fc.configureGlobal({ seed: 1_618 });

const STRICT = { normalisePath: true, refuseEncodedSlashes: true };
const LENIENT = { normalisePath: true, refuseEncodedSlashes: false };
const OFF = { normalisePath: false, refuseEncodedSlashes: false };

function pathOf(rawPath: string, hardening = LENIENT): string | null {
  const result = normalisePath(rawPath, hardening);
  return result.ok ? result.path : null;
}

/** Pieces that make trouble, in any order. */
const troublesomePath = fc
  .array(
    fc.constantFrom(
      "/",
      "//",
      ".",
      "..",
      "%2e",
      "%2E",
      "%2f",
      "%5C",
      "\\",
      "a",
      "b",
      "%61",
      "%41",
      "%c3%a9",
      "%25",
      "%",
      "%zz",
      "%00",
      ";",
      "~",
    ),
    {
      maxLength: 12,
    },
  )
  .map((pieces) => `/${pieces.join("")}`);

describe("normalisePath", () => {
  it("leaves ordinary paths alone", () => {
    for (const path of ["/", "/orders", "/orders/1/", "/a.b/..c/d..", "/.well-known/x", "/...", "/a:b@c!$&'()*+,;="]) {
      assert.equal(pathOf(path, STRICT), path);
    }
  });

  it("merges slashes and resolves dot segments, encoded ones too", () => {
    const cases: Readonly<Record<string, string>> = {
      "//": "/",
      "//a///b//": "/a/b/",
      "/a/./b": "/a/b",
      "/a/../b": "/b",
      "/a//../b": "/b",
      "/a/b/..": "/a/",
      "/a/b/.": "/a/b/",
      "/a/%2e%2E/b": "/b",
      "/a/.%2e": "/",
      "/%2e/a": "/a",
      "/a/.../b": "/a/.../b",
    };
    for (const [raw, path] of Object.entries(cases)) assert.equal(pathOf(raw, STRICT), path, raw);
  });

  it("cannot climb above the root", () => {
    assert.equal(pathOf("/../../etc/passwd"), "/etc/passwd");
    assert.equal(pathOf("/.."), "/");
    assert.equal(pathOf("/a/../../.."), "/");
  });

  it("decodes unreserved characters once and writes other escapes in upper case", () => {
    assert.equal(pathOf("/%61%2d%7e%5f%30"), "/a-~_0");
    assert.equal(pathOf("/caf%c3%a9"), "/caf%C3%A9");
    assert.equal(pathOf("/%252e%252e/a"), "/%252e%252e/a");
    assert.equal(pathOf("/%3f%23%3B"), "/%3F%23%3B");
  });

  it("refuses malformed percent-encoding", () => {
    for (const path of ["/%", "/%a", "/%zz", "/a%2", "/%%41"]) assert.equal(pathOf(path), null, path);
  });

  it("refuses encoded slashes, backslashes and NUL when told to, and keeps them otherwise", () => {
    for (const path of ["/a%2Fb", "/a%2fb", "/a%5cb", "/a%5Cb", "/a\\b", "/a%00"]) {
      assert.equal(pathOf(path, STRICT), null, path);
      assert.equal(pathOf(path, { normalisePath: false, refuseEncodedSlashes: true }), null, path);
    }
    assert.equal(pathOf("/a%2f..%2Fb"), "/a%2F..%2Fb");
  });

  it("changes nothing when it is switched off", () => {
    for (const path of ["/a//b/../%61%zz", "/%2f\\"]) assert.equal(pathOf(path, OFF), path);
  });

  it("refuses what is not a path", () => {
    for (const path of ["", "*", "a/b", "http://x/"]) assert.equal(pathOf(path, OFF), null, path);
  });

  it("quotes nothing of the request in its reasons", () => {
    const result = normalisePath("/secret%zz", STRICT);
    assert.ok(!result.ok && !result.reason.includes("secret"));
  });

  it("is idempotent and leaves no dot segment, double slash or lower-case escape", () => {
    fc.assert(
      fc.property(troublesomePath, fc.boolean(), (raw, refuseEncodedSlashes) => {
        const hardening = { normalisePath: true, refuseEncodedSlashes };
        const once = pathOf(raw, hardening);
        if (once === null) return;
        assert.equal(pathOf(once, hardening), once);
        assert.doesNotMatch(once, /\/\/|\/\.{1,2}(?:\/|$)|%[0-9A-F]?[a-f]/);
        assert.ok(once.startsWith("/"));
        if (refuseEncodedSlashes) assert.doesNotMatch(once, /\\|%2F|%5C|%00/);
      }),
      { numRuns: 5_000 },
    );
  });

  it("resolves dots as URL parsers do, apart from merging slashes", () => {
    const path = fc
      .array(fc.constantFrom("a", "b.c", ".", "..", "%2e", "%2E.", "x~y"), { minLength: 1, maxLength: 8 })
      .map((s) => `/${s.join("/")}`);
    fc.assert(
      fc.property(path, (raw) => assert.equal(pathOf(raw), new URL(`http://h${raw}`).pathname)),
      { numRuns: 2_000 },
    );
  });
});
