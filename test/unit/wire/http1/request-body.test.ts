/** RFC 9112 §6 and §7: which body follows a request, and its chunks. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_HTTP1_LIMITS } from "../../../../src/wire/http1/refusal.js";
import type { RequestReading } from "./read-request.js";
import { readRequest, readRequests } from "./read-request.js";

const POST = "POST / HTTP/1.1\r\nHost: a.test\r\n";
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;
const withCoding = (value: string): string => `${POST}Transfer-Encoding: ${value}\r\n\r\n0\r\n\r\n`;

describe("a request body is read", () => {
  const rows: [string, string, Partial<RequestReading>][] = [
    ["§6.3: none without a length, whatever the method", `${POST}\r\n`, { bodyLength: 0, hasZeroLength: false, body: "" }],
    ["§6.3: a length of zero", `${POST}Content-Length: 0\r\n\r\n`, { bodyLength: 0, hasZeroLength: true }],
    ["§6.2: a known length", `${POST}Content-Length: 3\r\n\r\nabc`, { bodyLength: 3, body: "abc", hasZeroLength: false }],
    ["§6.2: leading zeros", `${POST}Content-Length: 003\r\n\r\nabc`, { bodyLength: 3, body: "abc" }],
    ["§6.2: with GET", "GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc", { bodyLength: 3, body: "abc" }],
    ["§6.2: with HEAD", "HEAD / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc", { bodyLength: 3, body: "abc" }],
    ["§6.2: with HTTP/1.0", "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", { bodyLength: 3, body: "abc" }],
    [
      "§6.2: with an upgrade, whose protocol begins behind it",
      `${POST}Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\nabc`,
      { body: "abc", upgrades: ["x"] },
    ],
    [
      "RFC 9110 §9.3.6: CONNECT with a length of zero",
      "CONNECT a.test:1 HTTP/1.1\r\nHost: a.test:1\r\nContent-Length: 0\r\n\r\n",
      { bodyLength: 0 },
    ],
    ["§7.1: chunks", `${CHUNKED}3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n`, { bodyLength: -1, body: "abc0123456789", trailers: null }],
    ["§7.1: a last chunk of several zeros", `${CHUNKED}000\r\n\r\n`, { bodyLength: -1, body: "" }],
    ["§7: the coding's name in any case", `${POST}transfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n`, { bodyLength: -1 }],
    ["§7.1.1: extensions by ignoring them", `${CHUNKED}3;a;b=c;d="e;\\" f"\r\nabc\r\n0;x=y\r\n\r\n`, { body: "abc" }],
    ["§7.1.2: trailers", `${CHUNKED}0\r\nX-Sum: 1\r\nx-b:\t2 \r\n\r\n`, { trailers: ["x-sum", "1", "x-b", "2"] }],
    [
      "§7.1.2 with RFC 9110 §6.5.1: trailers that would frame, route or authenticate by dropping them",
      `${CHUNKED}0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nHost: h\r\nAuthorization: a\r\nTE: x\r\nConnection: close\r\nExpect: x\r\nX-B: 2\r\n\r\n`,
      { trailers: ["x-b", "2"], canPersist: true },
    ],
    ["§7.1.2: only such trailers as none", `${CHUNKED}0\r\nContent-Length: x\r\n\r\n`, { trailers: null }],
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

describe("a request body is refused", () => {
  /** The last column counts heads that were reported before. */
  const rows: [string, string, string, 0 | 1][] = [
    ["bad-content-length", "§6.2: empty", `${POST}Content-Length:\r\n\r\n`, 0],
    ["bad-content-length", "§6.2: negative", `${POST}Content-Length: -1\r\n\r\n`, 0],
    ["bad-content-length", "§6.2: minus zero", `${POST}Content-Length: -0\r\n\r\n`, 0],
    ["bad-content-length", "§6.2: plus", `${POST}Content-Length: +1\r\n\r\n`, 0],
    ["bad-content-length", "§6.2: hex", `${POST}Content-Length: 0x1\r\n\r\n`, 0],
    ["bad-content-length", "§6.2: a fraction", `${POST}Content-Length: 1.0\r\n\r\n`, 0],
    ["bad-content-length", "§6.2: an exponent", `${POST}Content-Length: 1e1\r\n\r\n`, 0],
    ["bad-content-length", "§6.3: a list of equal ones", `${POST}Content-Length: 3, 3\r\n\r\n`, 0],
    ["bad-content-length", "§6.2: a space inside", `${POST}Content-Length: 1 2\r\n\r\n`, 0],
    ["bad-content-length", "§6.2: an underscore", `${POST}Content-Length: 1_0\r\n\r\n`, 0],
    ["bad-content-length", "§6.2: another script's digit", `${POST}Content-Length: \xb2\r\n\r\n`, 0],
    ["bad-content-length", "§6.2: 16 digits", `${POST}Content-Length: 1234567890123456\r\n\r\n`, 0],
    ["bad-content-length", "a tab behind it", `${POST}Content-Length: 3\t\r\n\r\nabc`, 0],
    ["repeated-content-length", "§6.3: different", `${POST}Content-Length: 3\r\nContent-Length: 4\r\n\r\n`, 0],
    ["repeated-content-length", "§6.3: equal", `${POST}Content-Length: 3\r\ncontent-length: 3\r\n\r\nabc`, 0],
    ["length-and-coding", "§6.3: length first", `${POST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`, 0],
    ["length-and-coding", "§6.3: coding first", `${POST}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n`, 0],
    ["bad-transfer-encoding", "§6.3: empty", withCoding(""), 0],
    ["bad-transfer-encoding", "§6.3: another coding alone", withCoding("gzip"), 0],
    ["bad-transfer-encoding", "§6.3: chunked before another", withCoding("chunked, gzip"), 0],
    ["bad-transfer-encoding", "§6.3: identity", withCoding("identity"), 0],
    ["bad-transfer-encoding", "§6.3: chunked, identity", withCoding("chunked, identity"), 0],
    ["bad-transfer-encoding", "§6.3: something like chunked", withCoding("xchunked"), 0],
    ["bad-transfer-encoding", "§6.3: a parameter of chunked", withCoding("chunked;q=1"), 0],
    ["bad-transfer-encoding", "§6.3: quoted", withCoding('"chunked"'), 0],
    ["bad-transfer-encoding", "§6.1: chunked twice in one field", withCoding("chunked, chunked"), 0],
    ["bad-transfer-encoding", "§6.1: chunked twice with a parameter", withCoding("chunked;a=b, chunked"), 0],
    ["bad-transfer-encoding", "§7: no coding before chunked", withCoding(", chunked"), 0],
    ["bad-transfer-encoding", "§7: an empty element behind chunked", withCoding("chunked,"), 0],
    ["bad-transfer-encoding", "§7: no token before chunked", withCoding("g zip, chunked"), 0],
    ["bad-transfer-encoding", "a tab behind chunked, which llhttp takes for another coding", withCoding("chunked\t"), 0],
    ["unknown-transfer-coding", "§6.1: gzip, chunked", withCoding("gzip, chunked"), 0],
    ["unknown-transfer-coding", "§6.1: in any case and with parameters", withCoding('X;a=b ; c="d" ,GZIP,Chunked'), 0],
    ["repeated-transfer-encoding", "§6.1: chunked twice", `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`, 0],
    [
      "repeated-transfer-encoding",
      "§6.3: chunked, then another",
      `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n`,
      0,
    ],
    [
      "bad-transfer-encoding",
      "§6.3: another, then chunked in a field of its own",
      `${POST}Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n`,
      0,
    ],
    ["coding-in-http-1.0", "§6.1: chunked", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0],
    [
      "body-without-right",
      "RFC 9110 §9.3.6: CONNECT with a length",
      "CONNECT a.test:1 HTTP/1.1\r\nHost: a.test:1\r\nContent-Length: 1\r\n\r\nx",
      0,
    ],
    [
      "body-without-right",
      "RFC 9110 §9.3.6: CONNECT with chunks",
      "CONNECT a.test:1 HTTP/1.1\r\nHost: a.test:1\r\nTransfer-Encoding: chunked\r\n\r\n",
      0,
    ],
    ["body-without-right", "RFC 9110 §9.3.8: TRACE with a length", "TRACE / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx", 0],
    ["bad-chunk-size", "§7.1: empty", `${CHUNKED}\r\n`, 1],
    ["bad-chunk-size", "§7.1: not hex", `${CHUNKED}g\r\n`, 1],
    ["bad-chunk-size", "§7.1: 0x", `${CHUNKED}0x3\r\nabc`, 1],
    ["bad-chunk-size", "§7.1: negative", `${CHUNKED}-3\r\nabc`, 1],
    ["bad-chunk-size", "§7.1: plus", `${CHUNKED}+3\r\nabc`, 1],
    ["bad-chunk-size", "§7.1: a space before", `${CHUNKED} 3\r\nabc`, 1],
    ["bad-chunk-size", "§7.1: a space after", `${CHUNKED}3 \r\nabc`, 1],
    ["bad-chunk-size", "§7.1.1: a space before an extension", `${CHUNKED}3 ;a=b\r\nabc`, 1],
    ["bad-chunk-size", "§7.1: a bare LF", `${CHUNKED}3\nabc`, 1],
    ["bad-chunk-size", "§7.1: a bare CR", `${CHUNKED}3\rabc`, 1],
    ["bad-chunk-size", "§7.1: 14 digits", `${CHUNKED}00000000000003\r\nabc`, 1],
    ["bad-chunk-size", "§7.1: 2^64 + 3", `${CHUNKED}10000000000000003\r\nabc`, 1],
    ["bad-chunk-extension", "§7.1.1: a bare LF", `${CHUNKED}3;a\nabc`, 1],
    ["bad-chunk-size", "§7.1.1: a bare CR", `${CHUNKED}3;a\rb\r\nabc`, 1],
    ["bad-chunk-extension", "§7.1.1: empty", `${CHUNKED}3;\r\nabc`, 1],
    ["bad-chunk-extension", "§7.1.1: a control byte", `${CHUNKED}3;a=\x01\r\nabc`, 1],
    ["bad-chunk-extension", "§7.1.1: an open quote", `${CHUNKED}3;a="b\r\nabc`, 1],
    ["bad-chunk-extension", "§7.1.1: white space that may be there by the letter", `${CHUNKED}3; a=b\r\nabc`, 1],
    ["chunk-extension-too-large", "§7.1.1: in one chunk", `${CHUNKED}3;${"a".repeat(5000)}\r\nabc`, 1],
    ["chunk-extension-too-large", "§7.1.1: over many chunks", CHUNKED + `1;${"a".repeat(1000)}\r\nx\r\n`.repeat(5), 1],
    ["bad-chunk-end", "§7.1: data longer than its size", `${CHUNKED}3\r\nabcd\r\n0\r\n\r\n`, 1],
    ["bad-chunk-end", "§7.1: a bare LF", `${CHUNKED}3\r\nabc\n0\r\n\r\n`, 1],
    ["bad-chunk-end", "§7.1: a bare CR", `${CHUNKED}3\r\nabc\r0\r\n\r\n`, 1],
    ["obs-fold", "§5.2: in trailers", `${CHUNKED}0\r\nA: b\r\n c\r\n\r\n`, 1],
    ["bare-lf", "§2.2: in trailers", `${CHUNKED}0\r\nA: b\n\r\n`, 1],
    ["bare-lf", "§2.2: as the end of trailers", `${CHUNKED}0\r\n\n`, 1],
    ["missing-colon", "§5: in trailers, where a request hides", `${CHUNKED}0\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n`, 1],
    ["control-byte", "§5.5 of RFC 9110: in a trailer that is dropped", `${CHUNKED}0\r\nHost: \0\r\n\r\n`, 1],
    ["head-too-large", "trailers", `${CHUNKED}0\r\nA: ${"b".repeat(16_384)}\r\n\r\n`, 1],
    ["too-many-fields", "201 trailers", `${CHUNKED}0\r\n${"A: b\r\n".repeat(201)}\r\n`, 1],
  ];
  for (const [reason, what, text, heads] of rows) {
    test(`${reason}: ${what}`, () => {
      for (const pieces of [[100_000], [1], [7, 3, 64]]) {
        const { outcome, requests, completeCount } = readRequests(text, { pieces });
        assert.deepEqual([outcome, requests.length, completeCount], [reason, heads, 0], `pieces of ${pieces}`);
      }
    });
  }

  test("body-too-large: with a length beyond the limit, before the head is reported", () => {
    const limits = { ...DEFAULT_HTTP1_LIMITS, maxBodyBytes: 5 };
    assert.equal(readRequest(`${POST}Content-Length: 5\r\n\r\nabcde`, { limits }).body, "abcde");
    const reading = readRequests(`${POST}Content-Length: 6\r\n\r\nabcdef`, { limits });
    assert.deepEqual([reading.outcome, reading.requests.length], ["body-too-large", 0]);
  });

  test("body-too-large: with the size of the chunk that goes beyond the limit, before its data", () => {
    const limits = { ...DEFAULT_HTTP1_LIMITS, maxBodyBytes: 5 };
    for (const pieces of [[1000], [1]]) {
      assert.equal(readRequest(`${CHUNKED}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`, { limits, pieces }).body, "abcde");
      const reading = readRequests(`${CHUNKED}3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n`, { limits, pieces });
      assert.deepEqual([reading.outcome, reading.requests[0]?.body], ["body-too-large", "abc"]);
    }
  });
});
