/** RFC 9112 §2.2, §2.3 and §3: the request line and its target. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_HTTP1_LIMITS } from "../../../../src/wire/http1/refusal.js";
import type { RequestReading } from "./read-request.js";
import { readRequest, readRequests } from "./read-request.js";

const HOST = "Host: a.test\r\n";
const withLine = (line: string): string => `${line}\r\n${HOST}\r\n`;
const withTarget = (target: string): string => withLine(`GET ${target} HTTP/1.1`);

describe("a request line is read", () => {
  const rows: [string, string, Partial<RequestReading>][] = [
    [
      "§3.2.1: origin-form",
      withTarget("/a/b"),
      { form: "origin", target: "/a/b", path: "/a/b", query: undefined, authority: "a.test", scheme: "" },
    ],
    ["§3.2.1: origin-form with a query", withTarget("/a?b=c?d"), { path: "/a", query: "b=c?d", target: "/a?b=c?d" }],
    ["§3.2.1: an empty query is one", withTarget("/?"), { path: "/", query: "" }],
    ["§3.2.1: several slashes, not an authority", withTarget("//b.test/x"), { form: "origin", path: "//b.test/x", authority: "a.test" }],
    ["§3.2: what browsers do not encode", withTarget('/a|b?c={d}^`"<>[\\]'), { path: "/a|b", query: 'c={d}^`"<>[\\]' }],
    ["§3.2: broken percent-encoding, which is not the codec's", withTarget("/%zz%"), { path: "/%zz%" }],
    [
      "§3.2.2: absolute-form, whose authority replaces Host",
      withTarget("http://b.test:81/a?b"),
      { form: "absolute", scheme: "http", authority: "b.test:81", path: "/a", query: "b", headers: [] },
    ],
    ["§3.2.2: absolute-form with https in any case", withTarget("HTTPS://b.test/"), { scheme: "https", authority: "b.test", path: "/" }],
    ["§3.2.2: absolute-form without a path", withTarget("http://b.test"), { path: "/", query: undefined }],
    ["§3.2.2: absolute-form with a query only", withTarget("http://b.test?a=/b"), { path: "/", query: "a=/b", authority: "b.test" }],
    ["§3.2.2: absolute-form with an IPv6 literal", withTarget("http://[::1]:80/"), { authority: "[::1]:80" }],
    [
      "§3.2.3: authority-form",
      withLine("CONNECT b.test:443 HTTP/1.1"),
      { form: "authority", authority: "b.test:443", path: "", query: undefined },
    ],
    ["§3.2.3: authority-form with an IPv6 literal", withLine("CONNECT [2001:db8::1]:443 HTTP/1.1"), { authority: "[2001:db8::1]:443" }],
    ["§3.2.4: asterisk-form", withLine("OPTIONS * HTTP/1.1"), { form: "asterisk", path: "*", authority: "a.test" }],
    ["§3.2.4: OPTIONS with nothing but an authority", withLine("OPTIONS http://b.test HTTP/1.1"), { form: "absolute", path: "*" }],
    ["§3.2.4: OPTIONS with an authority and a path", withLine("OPTIONS http://b.test/ HTTP/1.1"), { path: "/" }],
    ["§3.1: methods in their own case", withLine("get / HTTP/1.1"), { method: "get" }],
    [
      "§3.1: any token of 32 chars",
      withLine(`${"!#$%&'*+-.^_`|~09".padEnd(32, "X")} / HTTP/1.1`),
      { method: "!#$%&'*+-.^_`|~09".padEnd(32, "X") },
    ],
    ["§2.3: HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", { minorVersion: 0, authority: "" }],
    ["§2.3 with RFC 9110 §2.5: a higher minor version as 1.1", withLine("GET / HTTP/1.2"), { minorVersion: 1, canPersist: true }],
    ["§2.3 with RFC 9110 §2.5: the highest minor version as 1.1", withLine("GET / HTTP/1.9"), { minorVersion: 1 }],
    ["§2.2: an empty line before it", `\r\n${withTarget("/a")}`, { path: "/a" }],
  ];
  for (const [name, text, expected] of rows) {
    test(name, () => {
      for (const pieces of [[10_000], [1], [7, 3]]) {
        const reading = readRequest(text, { pieces });
        for (const key of Object.keys(expected) as (keyof RequestReading)[]) assert.deepEqual(reading[key], expected[key], key);
      }
    });
  }
});

describe("a request line is refused", () => {
  const rows: [string, string, string][] = [
    ["bad-request-line", "§3: no target and no version", withLine("GET")],
    ["bad-request-line", "§3: no version, as in HTTP/0.9", withLine("GET /")],
    ["bad-request-line", "§3: no target", withLine("GET HTTP/1.1")],
    ["bad-request-line", "§3: an empty target", withLine("GET  HTTP/1.1")],
    ["bad-request-line", "§3: two spaces after the method", withLine("GET  / HTTP/1.1")],
    ["bad-request-line", "§3: two spaces after the target", withLine("GET /  HTTP/1.1")],
    ["bad-request-line", "§3: a space at its end", withLine("GET / HTTP/1.1 ")],
    ["bad-request-line", "§3: a space at its beginning", withLine(" GET / HTTP/1.1")],
    ["bad-request-line", "§3: a space within the target", withLine("GET /a b HTTP/1.1")],
    ["bad-request-line", "§3: a tab after the method", withLine("GET\t/ HTTP/1.1")],
    ["bad-request-line", "§3: a tab after the target", withLine("GET /\tHTTP/1.1")],
    ["bad-request-line", "§3: a tab at its beginning", withLine("\tGET / HTTP/1.1")],
    ["bad-target", "§3: a tab within the target", withTarget("/a\tb")],
    ["bad-request-line", "§3: a method that begins with a delimiter", withLine("(GET) / HTTP/1.1")],
    ["bad-method", "§3.1: a delimiter within the method", withLine("GE(T / HTTP/1.1")],
    ["bad-method", "§3.1: a byte beyond ASCII in the method", withLine("G\xc9T / HTTP/1.1")],
    ["method-too-long", "§3: 33 chars", withLine(`${"X".repeat(33)} / HTTP/1.1`)],
    ["bad-request-line", "§2.3: lower-case name", withLine("GET / http/1.1")],
    ["bad-request-line", "§2.3: no slash", withLine("GET / HTTP1.1")],
    ["bad-request-line", "§2.3: a minor version of two digits", withLine("GET / HTTP/1.10")],
    ["bad-request-line", "§2.3: a major version of two digits", withLine("GET / HTTP/11.1")],
    ["bad-request-line", "§2.3: no minor version", withLine("GET / HTTP/1.")],
    ["bad-request-line", "§2.3: only a major version", withLine("GET / HTTP/2")],
    ["bad-request-line", "§2.3: a letter as minor version", withLine("GET / HTTP/1.x")],
    ["bad-request-line", "§2.3: a colon as minor version, which follows 9", withLine("GET / HTTP/1.:")],
    ["bad-request-line", "§2.3: a slash as minor version, which comes before 0", withLine("GET / HTTP/1./")],
    ["bad-request-line", "§2.3: another protocol", withLine("GET / ICE/1.0")],
    ["unsupported-version", "§2.3: HTTP/0.9", withLine("GET / HTTP/0.9")],
    ["unsupported-version", "§2.3: HTTP/2.0", withLine("GET / HTTP/2.0")],
    ["unsupported-version", "§2.3: HTTP/3.1", withLine("GET / HTTP/3.1")],
    ["unsupported-version", "RFC 9113 §3.4: the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["bad-request-line", "a TLS handshake, by its first byte", "\x16\x03\x01\x02\x00\x01"],
    ["bad-request-line", "NUL, by its first byte", "\0"],
    ["too-many-empty-lines", "§2.2: a second empty line before it", `\r\n\r\n${withTarget("/")}`],
    ["bare-lf", "§2.2: a bare LF before it", `\n${withTarget("/")}`],
    ["bare-cr", "§2.2: a bare CR before it", `\r${withTarget("/")}`],
    ["bare-cr", "§2.2: two CR before LF as an empty line", `\r\r\n${withTarget("/")}`],
    ["bare-lf", "§2.2: a bare LF at its end", `GET / HTTP/1.1\n${HOST}\r\n`],
    ["bare-cr", "§2.2: a bare CR at its end", `GET / HTTP/1.1\r${HOST}\r\n`],
    ["bare-cr", "§2.2: two CR at its end", `GET / HTTP/1.1\r\r\n${HOST}\r\n`],
    ["bare-cr", "§2.2: a bare CR in the target", withTarget("/a\rb")],
    ["bare-cr", "§2.2: a bare CR in the method", withLine("GE\rT / HTTP/1.1")],
    ["control-byte", "§3.2: NUL in the target", withTarget("/\0")],
    ["control-byte", "§3.2: DEL in the target", withTarget("/\x7f")],
    ["control-byte", "§3.2: 0x1f in the target", withTarget("/\x1f")],
    ["control-byte", "§3: a vertical tab between", withLine("GET\x0b/ HTTP/1.1")],
    ["bad-target", "§3.2: a byte beyond ASCII", withTarget("/\xe9")],
    ["bad-target", "§3.2: UTF-8", withTarget("/\xc3\xa9")],
    ["bad-target", "§3.2: a non-breaking space", withTarget("/\xa0")],
    ["fragment-in-target", "§3.2: a fragment", withTarget("/a#b")],
    ["fragment-in-target", "§3.2: nothing but a fragment", withTarget("#")],
    ["fragment-in-target", "§3.2.2: a fragment in absolute-form", withTarget("http://b.test/#b")],
    ["bad-target", "§3.2.1: a path without a slash", withTarget("a/b")],
    ["bad-target", "§3.2.1: a query without a path", withTarget("?a")],
    ["bad-target", "§3.2.1: a backslash instead of a slash", withTarget("\\a")],
    ["bad-target", "§3.2.1: a scheme-relative reference is no form", withTarget("http:/b.test/")],
    ["bad-target", "§3.2.2: no slashes", withTarget("http:b.test")],
    ["bad-target", "§3.2.2 with RFC 9110 §4.2.1: no host", withTarget("http:///a")],
    ["bad-target", "§3.2.2 with RFC 9110 §4.2.1: no host but a port", withTarget("http://:80/a")],
    ["bad-target", "§3.2.2: a host with a delimiter", withTarget("http://b(test/")],
    ["bad-target", "§3.2.2: a backslash in the authority", withTarget("http://b.test\\c.test/")],
    ["bad-target", "§3.2.2: a port of six digits", withTarget("http://b.test:123456/")],
    ["bad-target", "§3.2.2: a port beyond 65535", withTarget("http://b.test:65536/")],
    ["userinfo-in-target", "§3.2.2 with RFC 9110 §4.2.4: a user", withTarget("http://a@b.test/")],
    ["userinfo-in-target", "§3.2.2 with RFC 9110 §4.2.4: an empty user", withTarget("http://@b.test/")],
    ["unsupported-scheme", "§3.2.2: ftp", withTarget("ftp://b.test/")],
    ["unsupported-scheme", "§3.2.2: javascript", withTarget("javascript:alert(1)")],
    ["unsupported-scheme", "§3.2.3: authority-form without CONNECT", withTarget("b.test:443")],
    ["bad-target", "§3.2.3: an address and a port without CONNECT", withTarget("127.0.0.1:443")],
    ["bad-target", "§3.2.4: asterisk-form without OPTIONS", withTarget("*")],
    ["bad-target", "§3.2.4: an asterisk with a query", withLine("OPTIONS *?a HTTP/1.1")],
    ["bad-target", "§3.2.3: CONNECT with origin-form", withLine("CONNECT / HTTP/1.1")],
    ["bad-target", "§3.2.3: CONNECT with absolute-form", withLine("CONNECT http://b.test:80/ HTTP/1.1")],
    ["bad-target", "§3.2.3: CONNECT with asterisk-form", withLine("CONNECT * HTTP/1.1")],
    ["bad-target", "§3.2.3: CONNECT without a port", withLine("CONNECT b.test HTTP/1.1")],
    ["bad-target", "§3.2.3: CONNECT to a literal without a port", withLine("CONNECT [::1] HTTP/1.1")],
    ["bad-target", "RFC 9110 §9.3.6: CONNECT with an empty port", withLine("CONNECT b.test: HTTP/1.1")],
    ["bad-target", "RFC 9110 §9.3.6: CONNECT to port 0", withLine("CONNECT b.test:00 HTTP/1.1")],
    ["bad-target", "RFC 9110 §9.3.6: CONNECT to port 65536", withLine("CONNECT b.test:65536 HTTP/1.1")],
    ["bad-target", "§3.2.3: CONNECT with a path", withLine("CONNECT b.test:443/ HTTP/1.1")],
    ["userinfo-in-target", "§3.2.3: CONNECT with a user", withLine("CONNECT a@b.test:443 HTTP/1.1")],
  ];
  for (const [reason, what, text] of rows) {
    test(`${reason}: ${what}`, () => {
      for (const pieces of [[10_000], [1], [7, 3, 64]]) {
        const { outcome, requests } = readRequests(text, { pieces });
        assert.deepEqual([outcome, requests], [reason, []], `pieces of ${pieces}`);
      }
    });
  }
});

describe("the size of a request line", () => {
  const limits = { ...DEFAULT_HTTP1_LIMITS, maxRequestLineBytes: 100 };
  const line = (bytes: number): string => `GET /${"a".repeat(bytes - 16)} HTTP/1.1\r\n`;

  test("§3: up to the limit is taken, with its line end, and one byte more is not", () => {
    assert.equal(line(100).length, 100);
    for (const pieces of [[1], [10_000], [33]]) {
      assert.equal(readRequests(`${line(100)}${HOST}\r\n`, { limits, pieces }).outcome, "idle");
      assert.equal(readRequests(`\r\n${line(100)}${HOST}\r\n`, { limits, pieces }).outcome, "idle", "empty lines do not count");
      assert.equal(readRequests(`${line(101)}${HOST}\r\n`, { limits, pieces }).outcome, "request-line-too-large");
    }
  });

  test("§3: is refused before its end has come", () => {
    for (const pieces of [[1], [10_000], [33]]) {
      assert.equal(readRequests(`GET /${"a".repeat(100)}`, { limits, pieces }).outcome, "request-line-too-large");
    }
  });

  test("is never larger than the head", () => {
    const small = { ...DEFAULT_HTTP1_LIMITS, maxRequestLineBytes: 1000, maxHeadBytes: 100 };
    for (const pieces of [[1], [10_000]]) {
      assert.equal(readRequests(line(101), { limits: small, pieces }).outcome, "request-line-too-large");
      assert.equal(readRequests(`\r\n${line(101)}`, { limits: small, pieces }).outcome, "request-line-too-large");
      assert.equal(readRequests(`${line(98)}\r\n`, { limits: small, pieces }).outcome, "missing-host");
      assert.equal(readRequests(`${line(99)}\r\n`, { limits: small, pieces }).outcome, "head-too-large");
    }
  });

  test("§2.2: as many empty lines as the limit says", () => {
    const patient = { ...DEFAULT_HTTP1_LIMITS, maxEmptyLines: 3 };
    for (const pieces of [[1], [10_000]]) {
      assert.equal(readRequests(`${"\r\n".repeat(3)}${withTarget("/")}`, { limits: patient, pieces }).outcome, "idle");
      assert.equal(readRequests("\r\n".repeat(4), { limits: patient, pieces }).outcome, "too-many-empty-lines");
      assert.equal(readRequests("\r\n", { limits: { ...patient, maxEmptyLines: 0 }, pieces }).outcome, "too-many-empty-lines");
    }
  });
});
