import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ERRORS } from "../../../../src/engine/model/errors.js";
import type { HeadPolicy } from "../../../../src/listeners/head-rules.js";
import { type GateVerdict, gate } from "../../../../src/listeners/uws/gate.js";

const POLICY: HeadPolicy = { scheme: "http", maxBodyBytes: 1000, maxHeaderBytes: 16_384, refuseUnderscoreHeaders: true };

function pass(method: string, path: string, query: string | undefined, fields: readonly string[], policy = POLICY): GateVerdict {
  return gate(method, path, query, [...fields], policy);
}

const HOST = ["host", "a.test"];
const UPGRADE = ["upgrade", "h2c, websocket", "connection", "keep-alive, Upgrade", "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="];

/** [what, method, path, query, fields, code, is the framing sound?] */
const REFUSED: [string, string, string, string | undefined, string[], string, boolean][] = [
  ["no Host", "GET", "/", undefined, [], "bad-request", true],
  ["two Hosts", "GET", "/", undefined, ["host", "a", "host", "a"], "bad-request", true],
  ["empty Host", "GET", "/", undefined, ["host", ""], "bad-request", true],
  ["Host with user info", "GET", "/", undefined, ["host", "u@a"], "bad-request", true],
  ["Host with a path", "GET", "/", undefined, ["host", "a/b"], "bad-request", true],
  ["Host with a space", "GET", "/", undefined, ["host", "a b"], "bad-request", true],
  ["Host with a comma", "GET", "/", undefined, ["host", "a,b"], "bad-request", true],
  ["Host with percent", "GET", "/", undefined, ["host", "a%00"], "bad-request", true],
  ["Host with an empty port", "GET", "/", undefined, ["host", "a:"], "bad-request", true],
  ["Host with a long port", "GET", "/", undefined, ["host", "a:123456"], "bad-request", true],
  ["Host of bare IPv6", "GET", "/", undefined, ["host", "::1"], "bad-request", true],
  ["Host in UTF-8", "GET", "/", undefined, ["host", "é.test"], "bad-request", true],
  ["Host too long", "GET", "/", undefined, ["host", "a".repeat(256)], "bad-request", true],
  ["empty method", "", "/", undefined, HOST, "bad-request", true],
  ["method with a space", "GE T", "/", undefined, HOST, "bad-request", true],
  ["method in lower case", "get", "/", undefined, HOST, "method-not-supported", true],
  ["method with digits", "GET2", "/", undefined, HOST, "method-not-supported", true],
  ["method that ends in a hyphen", "GET-", "/", undefined, HOST, "method-not-supported", true],
  ["method too long", "A".repeat(33), "/", undefined, HOST, "method-not-supported", true],
  ["CONNECT", "CONNECT", "/", undefined, HOST, "method-not-supported", true],
  ["TRACE", "TRACE", "/", undefined, HOST, "method-not-supported", true],
  ["empty path", "GET", "", undefined, HOST, "bad-request", true],
  ["asterisk", "OPTIONS", "*", undefined, HOST, "bad-request", true],
  ["authority as target", "GET", "a:443", undefined, HOST, "bad-request", true],
  ["two slashes", "GET", "//a", undefined, HOST, "bad-request", true],
  ["fragment in path", "GET", "/a#b", undefined, HOST, "bad-request", true],
  ["fragment in query", "GET", "/", "a#b", HOST, "bad-request", true],
  ["control in path", "GET", "/a\x01", undefined, HOST, "bad-request", true],
  ["space in path", "GET", "/a b", undefined, HOST, "bad-request", true],
  ["DEL in query", "GET", "/", "\x7f", HOST, "bad-request", true],
  ["lost bytes in path", "GET", "/\ufffd", undefined, HOST, "bad-request", true],
  ["lone surrogate in path", "GET", "/\ud800", undefined, HOST, "bad-request", true],
  ["lost bytes in a value", "GET", "/", undefined, [...HOST, "x", "a\ufffdb"], "bad-request", true],
  ["lone surrogate in a value", "GET", "/", undefined, [...HOST, "x", "a\udc00"], "bad-request", true],
  ["CR in a value", "GET", "/", undefined, [...HOST, "x", "a\rb"], "bad-request", true],
  ["NUL in a value", "GET", "/", undefined, [...HOST, "x", "a\0b"], "bad-request", true],
  ["DEL in a value", "GET", "/", undefined, [...HOST, "x", "a\x7fb"], "bad-request", true],
  ["control and UTF-8 in a value", "GET", "/", undefined, [...HOST, "x", "é\x01"], "bad-request", true],
  ["empty name", "GET", "/", undefined, [...HOST, "", "a"], "bad-request", true],
  ["name in upper case", "GET", "/", undefined, [...HOST, "X", "a"], "bad-request", true],
  ["name with a colon", "GET", "/", undefined, [...HOST, "a:b", "a"], "bad-request", true],
  ["name with an underscore", "GET", "/", undefined, [...HOST, "a_b", "a"], "bad-request", true],
  ["other Expect", "GET", "/", undefined, [...HOST, "expect", "tea"], "expectation-failed", true],
  ["two Expects, one other", "GET", "/", undefined, [...HOST, "expect", "100-continue", "expect", "x"], "expectation-failed", true],
  ["WebSocket without its other fields", "GET", "/", undefined, [...HOST, "upgrade", "WebSocket"], "bad-request", true],
  ["WebSocket of another version", "GET", "/", undefined, [...HOST, ...UPGRADE, "sec-websocket-version", "8"], "websocket-version", true],
  ["body too large", "POST", "/", undefined, [...HOST, "content-length", "1001"], "body-too-large", true],
  ["head too large", "GET", "/", undefined, [...HOST, "x", "a".repeat(16_384)], "headers-too-large", true],
  ["empty Content-Length", "POST", "/", undefined, [...HOST, "content-length", ""], "bad-request", false],
  ["negative Content-Length", "POST", "/", undefined, [...HOST, "content-length", "-1"], "bad-request", false],
  ["signed Content-Length", "POST", "/", undefined, [...HOST, "content-length", "+1"], "bad-request", false],
  ["hexadecimal Content-Length", "POST", "/", undefined, [...HOST, "content-length", "0x1"], "bad-request", false],
  ["list as Content-Length", "POST", "/", undefined, [...HOST, "content-length", "3, 3"], "bad-request", false],
  ["Content-Length of 16 digits", "POST", "/", undefined, [...HOST, "content-length", "1".repeat(16)], "bad-request", false],
  ["two equal Content-Lengths", "POST", "/", undefined, [...HOST, "content-length", "3", "content-length", "3"], "bad-request", false],
  [
    "Content-Length and chunked",
    "POST",
    "/",
    undefined,
    [...HOST, "content-length", "3", "transfer-encoding", "chunked"],
    "bad-request",
    false,
  ],
  [
    "chunked and Content-Length",
    "POST",
    "/",
    undefined,
    [...HOST, "transfer-encoding", "chunked", "content-length", "3"],
    "bad-request",
    false,
  ],
  ["empty Transfer-Encoding", "POST", "/", undefined, [...HOST, "transfer-encoding", ""], "bad-request", false],
  ["identity", "POST", "/", undefined, [...HOST, "transfer-encoding", "identity"], "bad-request", false],
  ["Chunked", "POST", "/", undefined, [...HOST, "transfer-encoding", "Chunked"], "bad-request", false],
  ["gzip, chunked", "POST", "/", undefined, [...HOST, "transfer-encoding", "gzip, chunked"], "bad-request", false],
  ["two codings", "POST", "/", undefined, [...HOST, "transfer-encoding", "chunked", "transfer-encoding", "chunked"], "bad-request", false],
  ["bad method and bad framing", "TRACE", "/", undefined, [...HOST, "content-length", "x"], "bad-request", false],
];

for (const [what, method, path, query, fields, code, isFramingSound] of REFUSED) {
  test(`refuses: ${what}`, () => {
    const verdict = pass(method, path, query, fields);
    assert.equal(verdict.code, code);
    assert.equal(verdict.isFramingSound, isFramingSound);
    assert.notEqual(verdict.detail, "");
  });
}

test("accepts a plain request and takes framing out of the list", () => {
  const verdict = pass("POST", "/a", "b=c", ["host", "A.test:80", "x", "1", "content-length", "0012", "x", "2"]);
  assert.equal(verdict.code, null);
  const { head } = verdict;
  assert.equal(head.authority, "A.test:80");
  assert.deepEqual(head.headers, ["host", "A.test:80", "x", "1", "x", "2"]);
  assert.deepEqual([head.bodyLength, head.hasZeroLength], [12, false]);
});

test("accepts every well-formed Host", () => {
  for (const host of ["a", "a.", "A-b.c_d", "_dmarc.a", "127.0.0.1:8080", "[::1]", "[2001:db8::1]:443", "[::ffff:1.2.3.4]"]) {
    assert.equal(pass("GET", "/", undefined, ["host", host]).code, null, host);
  }
});

test("accepts the methods of WebDAV", () => {
  for (const method of ["PROPFIND", "VERSION-CONTROL", "M-SEARCH", "X"])
    assert.equal(pass(method, "/", undefined, HOST).code, null, method);
});

test("chunked means an unknown length, and a length of zero is remembered", () => {
  assert.equal(pass("POST", "/", undefined, [...HOST, "transfer-encoding", "chunked"]).head.bodyLength, -1);
  const zero = pass("POST", "/", undefined, [...HOST, "content-length", "0"]).head;
  assert.deepEqual([zero.bodyLength, zero.hasZeroLength], [0, true]);
});

test("limits are inclusive, and 0 bytes of body means no limit", () => {
  assert.equal(pass("POST", "/", undefined, [...HOST, "content-length", "1000"]).code, null);
  const unlimited = { ...POLICY, maxBodyBytes: 0 };
  assert.equal(pass("POST", "/", undefined, [...HOST, "content-length", "9".repeat(15)], unlimited).code, null);
});

test("underscores are let through where the listener allows them", () => {
  const verdict = pass("GET", "/", undefined, [...HOST, "a_b", "c"], { ...POLICY, refuseUnderscoreHeaders: false });
  assert.equal(verdict.code, null);
  assert.deepEqual(verdict.head.headers, [...HOST, "a_b", "c"]);
});

test("an Expect of 100-continue in any case and other upgrades are let in", () => {
  assert.equal(pass("POST", "/", undefined, [...HOST, "expect", "100-Continue"]).code, null);
  assert.equal(pass("GET", "/", undefined, [...HOST, "upgrade", "h2c"]).code, null);
  assert.equal(pass("GET", "/", undefined, [...HOST, "upgrade", "xwebsocket"]).code, null);
});

test("a wish to close is seen in any list", () => {
  for (const value of ["close", "Close", "close, te", "te ,close", "keep-alive, close"]) {
    assert.equal(pass("GET", "/", undefined, [...HOST, "connection", value]).wantsClose, true, value);
  }
  for (const value of ["keep-alive", "closed", "x-close", ""]) {
    assert.equal(pass("GET", "/", undefined, [...HOST, "connection", value]).wantsClose, false, value);
  }
});

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ maxLength: 40 }),
  fc.constantFrom("chunked", "0", "12", "close", "websocket", "100-continue", "a.test", "/", "//"),
);
const name = fc.oneof(fc.constantFrom("host", "content-length", "transfer-encoding", "expect", "upgrade", "connection", "x-a"), text);
const fields = fc.array(fc.tuple(name, text), { maxLength: 12 }).map((pairs) => pairs.flat());
const method = fc.oneof(fc.constantFrom("GET", "POST", "HEAD", "TRACE"), text);
const path = fc.oneof(
  text,
  text.map((value) => `/${value}`),
);

const BYTES = /^[\x00-\xff]*$/;

test("never throws, and whatever it lets in is unambiguous", () => {
  fc.assert(
    fc.property(method, path, fc.option(text, { nil: undefined }), fields, (m, p, q, f) => {
      const { code, head, isFramingSound } = pass(m, p, q, f);
      assert.equal(head.headers.length % 2, 0);
      assert.ok(head.headers.every((value) => BYTES.test(value) || code !== null));
      assert.ok(!/[\r\n\0]/.test(head.headers.join("")), "refused heads are clean as well");
      assert.match(head.path + (head.query ?? ""), /^[\x21-\x7e]*$/);
      if (code !== null) return assert.ok(code in ERRORS);
      assert.ok(isFramingSound);
      const namesOf = (wanted: string) => f.filter((value, i) => i % 2 === 0 && value === wanted).length;
      assert.equal(namesOf("host"), 1);
      assert.ok(namesOf("content-length") + namesOf("transfer-encoding") <= 1);
      assert.equal(head.bodyLength === -1, namesOf("transfer-encoding") === 1);
      assert.ok(Number.isSafeInteger(head.bodyLength) && head.bodyLength >= -1 && head.bodyLength <= POLICY.maxBodyBytes);
      assert.ok(!head.headers.includes("content-length") || f.includes("content-length"));
      assert.match(head.method, /^[A-Z-]+$/);
      assert.match(head.path, /^\/(?!\/)/);
      assert.ok(!head.path.includes("#"));
    }),
    { numRuns: 3_000 },
  );
});

test("what it lets in, it lets in again: values are stable bytes", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (value) => {
      const verdict = pass("GET", "/", undefined, [...HOST, "x", value]);
      if (verdict.code !== null) return;
      assert.deepEqual(Buffer.from(verdict.head.headers[3] as string, "latin1"), Buffer.from(value, "utf8"));
    }),
  );
});
