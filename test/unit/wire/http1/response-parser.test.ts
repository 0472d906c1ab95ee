import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Latin1Bytes } from "../../../../src/wire/http1/bytes.js";
import { DEFAULT_HTTP1_LIMITS } from "../../../../src/wire/http1/refusal.js";
import { ResponseParser } from "../../../../src/wire/http1/response-parser.js";
import type { Reading, ReadingOptions } from "./read-response.js";
import { readResponse } from "./read-response.js";

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

describe("the response parser reads", () => {
  const rows: [string, string, Partial<Reading>, ReadingOptions?][] = [
    ["a known length", `${OK}Content-Length: 3\r\n\r\nabc`, { status: 200, bodyLength: 3, body: "abc", canPersist: true }],
    ["a zero length", `${OK}Content-Length: 0\r\n\r\n`, { bodyLength: 0, body: "", canPersist: true }],
    [
      "lower-case names, trimmed values, duplicates in order",
      `${OK}X-A: \t 1 2 \t\r\nx-a:3\r\nB:\r\nContent-Length: 0\r\n\r\n`,
      {
        headers: ["x-a", "1 2", "x-a", "3", "b", ""],
      },
    ],
    ["latin1 bytes and tabs in values", `${OK}X: a\tb\xe9\xff\r\nContent-Length: 0\r\n\r\n`, { headers: ["x", "a\tb\xe9\xff"] }],
    [
      "chunks",
      `${CHUNKED}3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n`,
      { bodyLength: -1, body: "abc0123456789", trailers: null, canPersist: true },
    ],
    ["Chunked in any case", `${OK}transfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n`, { body: "" }],
    ["chunk extensions by ignoring them", `${CHUNKED}3;a;b=c;d="e;\\" f"\r\nabc\r\n0;x=y\r\n\r\n`, { body: "abc" }],
    ["trailers", `${CHUNKED}0\r\nX-Sum: 1\r\nContent-Length: 9\r\nHost: h\r\nX-b: 2\r\n\r\n`, { trailers: ["x-sum", "1", "x-b", "2"] }],
    ["only forbidden trailers as none", `${CHUNKED}0\r\nTransfer-Encoding: x\r\n\r\n`, { trailers: null }],
    ["a body up to the end of the connection", `${OK}\r\nabc`, { bodyLength: -1, body: "abc", canPersist: false }, { hasEnd: true }],
    ["HEAD with the length of GET", `${OK}Content-Length: 99\r\n\r\n`, { bodyLength: 99, body: "", canPersist: true }, { method: "HEAD" }],
    ["HEAD that announces chunks", `${OK}Transfer-Encoding: chunked\r\n\r\n`, { bodyLength: -1, body: "" }, { method: "HEAD" }],
    ["204", "HTTP/1.1 204 No Content\r\n\r\n", { status: 204, bodyLength: 0, canPersist: true }],
    ["204 with a zero length", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", { bodyLength: 0 }],
    ["304 with a length, without a body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", { bodyLength: 0, body: "" }],
    [
      "past 1xx",
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}Content-Length: 1\r\n\r\nx`,
      {
        status: 200,
        headers: [],
        interim: [[103, "link", "</a>"]],
        body: "x",
      },
    ],
    ["an empty reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", { status: 200 }],
    ["no reason and no space", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", { status: 200 }],
    ["HTTP/1.0, which does not persist", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", { canPersist: false }],
    ["HTTP/1.0 that says it persists", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", { canPersist: true }],
    ["Connection: close", `${OK}Connection: CLOSE\r\nContent-Length: 0\r\n\r\n`, { canPersist: false, headers: [] }],
    ["close among other options", `${OK}Connection: keep-alive , close\r\nContent-Length: 0\r\n\r\n`, { canPersist: false }],
    [
      "fields that Connection names by dropping them",
      `${OK}X-Hop: 1\r\nConnection: x-hop\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n`,
      {
        headers: ["x-end", "2"],
        canPersist: true,
      },
    ],
    [
      "fields of this connection by dropping them",
      `${OK}Keep-Alive: timeout=5\r\nUpgrade: h2c\r\nProxy-Connection: x\r\nContent-Length: 0\r\n\r\n`,
      {
        headers: [],
      },
    ],
    ["up to the end of the response only", `${OK}Content-Length: 1\r\n\r\nxHTTP/1.1 200`, { body: "x", rest: "HTTP/1.1 200" }],
    ["up to the end of the last chunk only", `${CHUNKED}0\r\n\r\nmore`, { rest: "more" }],
    ["up to the end of the head for HEAD", `${OK}Content-Length: 1\r\n\r\nx`, { body: "", rest: "x" }, { method: "HEAD" }],
  ];
  for (const [name, text, expected, options] of rows) {
    test(name, () => {
      const reading = readResponse(text, options);
      assert.equal(reading.outcome, "complete");
      for (const key of Object.keys(expected) as (keyof Reading)[]) assert.deepEqual(reading[key], expected[key], key);
    });
  }
});

describe("the response parser refuses", () => {
  const field = (line: string) => `${OK}${line}\r\nContent-Length: 0\r\n\r\n`;
  const rows: [string, string, string][] = [
    ["bad-status-line", "garbage", "SSH-2.0-OpenSSH_9\r\n"],
    ["bad-status-line", "garbage without a line end", "\x16\x03\x01"],
    ["bad-status-line", "leading CRLF", `\r\n${OK}\r\n`],
    ["bad-status-line", "two spaces", "HTTP/1.1  200 OK\r\n\r\n"],
    ["bad-status-line", "a tab", "HTTP/1.1\t200 OK\r\n\r\n"],
    ["bad-status-line", "a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"],
    ["bad-status-line", "lower-case name", "http/1.1 200 OK\r\n\r\n"],
    ["bad-status-line", "an empty line", "HTTP/\r\n\r\n"],
    ["bad-version", "HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n"],
    ["bad-version", "HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n"],
    ["bad-version", "HTTP/0.9", "HTTP/0.9 200 OK\r\n\r\n"],
    ["bad-status", "099", "HTTP/1.1 099 OK\r\n\r\n"],
    ["bad-status", "600", "HTTP/1.1 600 OK\r\n\r\n"],
    ["bad-status", "2x0", "HTTP/1.1 2x0 OK\r\n\r\n"],
    ["bad-status", "+20", "HTTP/1.1 +20 OK\r\n\r\n"],
    ["bare-lf", "after the status line", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"],
    ["bare-lf", "after a field", `${OK}A: b\nContent-Length: 0\r\n\r\n`],
    ["bare-lf", "as the empty line", `${OK}Content-Length: 0\r\n\n`],
    ["bare-cr", "in the reason", "HTTP/1.1 200 O\rK\r\n\r\n"],
    ["bare-cr", "in a value", field("A: b\rc")],
    ["bare-cr", "before the line end", field("A: b\r")],
    ["bare-cr", "in a name", field("A\rB: c")],
    ["control-byte", "NUL in a value", field("A: b\0c")],
    ["control-byte", "0x01 in a value", field("A: \x01")],
    ["control-byte", "DEL in a value", field("A: b\x7f")],
    ["control-byte", "NUL in the reason", "HTTP/1.1 200 \0\r\n\r\n"],
    ["obs-fold", "with a space", field("A: b\r\n c")],
    ["obs-fold", "with a tab", field("A: b\r\n\tc")],
    ["obs-fold", "before the first field", field(" A: b")],
    ["missing-colon", "no colon at all", field("Abc")],
    ["empty-field-name", "only a value", field(": b")],
    ["space-before-colon", "space", field("A : b")],
    ["space-before-colon", "tab", field("A\t: b")],
    ["bad-field-name", "space inside", field("A B: c")],
    ["bad-field-name", "NUL", field("A\0: c")],
    ["bad-field-name", "a delimiter", field("A(B): c")],
    ["bad-field-name", "a byte beyond ASCII", field("\xe9: c")],
    ["bad-content-length", "empty", `${OK}Content-Length:\r\n\r\n`],
    ["bad-content-length", "negative", `${OK}Content-Length: -1\r\n\r\n`],
    ["bad-content-length", "plus", `${OK}Content-Length: +1\r\n\r\n`],
    ["bad-content-length", "hex", `${OK}Content-Length: 0x1\r\n\r\n`],
    ["bad-content-length", "a list", `${OK}Content-Length: 3, 3\r\n\r\n`],
    ["bad-content-length", "a space inside", `${OK}Content-Length: 1 2\r\n\r\n`],
    ["bad-content-length", "16 digits", `${OK}Content-Length: 1234567890123456\r\n\r\n`],
    ["bad-content-length", "a tab behind it", `${OK}Content-Length: 3\t\r\n\r\nabc`],
    ["repeated-content-length", "different", `${OK}Content-Length: 3\r\nContent-Length: 4\r\n\r\n`],
    ["repeated-content-length", "equal", `${OK}Content-Length: 3\r\ncontent-length: 3\r\n\r\nabc`],
    ["length-and-coding", "length first", `${OK}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`],
    ["length-and-coding", "coding first", `${OK}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n`],
    ["bad-transfer-encoding", "empty", `${OK}Transfer-Encoding:\r\n\r\n`],
    ["bad-transfer-encoding", "identity", `${OK}Transfer-Encoding: identity\r\n\r\n`],
    ["bad-transfer-encoding", "gzip, chunked", `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`],
    ["bad-transfer-encoding", "chunked, identity", `${OK}Transfer-Encoding: chunked, identity\r\n\r\n`],
    ["bad-transfer-encoding", "xchunked", `${OK}Transfer-Encoding: xchunked\r\n\r\n`],
    ["bad-transfer-encoding", "a tab behind it, which llhttp takes for another coding", `${OK}Transfer-Encoding: chunked\t\r\n\r\n`],
    ["repeated-transfer-encoding", "chunked twice", `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`],
    ["coding-in-http-1.0", "chunked", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ["body-without-right", "204 with a length", "HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n"],
    ["body-without-right", "204 with a coding", "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ["body-without-right", "1xx with a length", "HTTP/1.1 103 Hints\r\nContent-Length: 3\r\n\r\n"],
    ["bad-chunk-size", "empty", `${CHUNKED}\r\n`],
    ["bad-chunk-size", "not hex", `${CHUNKED}g\r\n`],
    ["bad-chunk-size", "0x", `${CHUNKED}0x3\r\nabc`],
    ["bad-chunk-size", "negative", `${CHUNKED}-3\r\nabc`],
    ["bad-chunk-size", "space before", `${CHUNKED} 3\r\nabc`],
    ["bad-chunk-size", "space after", `${CHUNKED}3 \r\nabc`],
    ["bad-chunk-size", "space before an extension", `${CHUNKED}3 ;a=b\r\nabc`],
    ["bad-chunk-size", "bare LF", `${CHUNKED}3\nabc`],
    ["bad-chunk-size", "bare CR", `${CHUNKED}3\rabc`],
    ["bad-chunk-size", "14 digits", `${CHUNKED}00000000000003\r\nabc`],
    ["bad-chunk-extension", "bare LF", `${CHUNKED}3;a\nabc`],
    ["bad-chunk-extension", "empty", `${CHUNKED}3;\r\nabc`],
    ["bad-chunk-extension", "a control byte", `${CHUNKED}3;a=\x01\r\nabc`],
    ["bad-chunk-extension", "an open quote", `${CHUNKED}3;a="b\r\nabc`],
    ["chunk-extension-too-large", "in one chunk", `${CHUNKED}3;${"a".repeat(5000)}\r\nabc`],
    ["chunk-extension-too-large", "over many chunks", CHUNKED + `1;${"a".repeat(1000)}\r\nx\r\n`.repeat(5)],
    ["bad-chunk-end", "data longer than its size", `${CHUNKED}3\r\nabcd\r\n0\r\n\r\n`],
    ["bad-chunk-end", "bare LF", `${CHUNKED}3\r\nabc\n0\r\n\r\n`],
    ["bad-chunk-end", "bare CR", `${CHUNKED}3\r\nabc\r0\r\n\r\n`],
    ["obs-fold", "in trailers", `${CHUNKED}0\r\nA: b\r\n c\r\n\r\n`],
    ["bare-lf", "in trailers", `${CHUNKED}0\r\nA: b\n\r\n`],
    ["head-too-large", "trailers", `${CHUNKED}0\r\nA: ${"b".repeat(16_384)}\r\n\r\n`],
    ["too-many-fields", "201 fields", `${OK}${"A: b\r\n".repeat(201)}\r\n`],
    ["too-many-fields", "201 trailers", `${CHUNKED}0\r\n${"A: b\r\n".repeat(201)}\r\n`],
    ["head-too-large", "a line without end", OK + "a".repeat(65_536)],
    ["head-too-large", "many lines", OK + `${"A".repeat(60)}: ${"b".repeat(1000)}\r\n`.repeat(62)],
    ["unexpected-upgrade", "101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"],
    ["interim-in-http-1.0", "which has no 1xx", `HTTP/1.0 100 Continue\r\n\r\n${OK}\r\n`],
    ["too-many-interim", "17 times 1xx", "HTTP/1.1 103 Hints\r\n\r\n".repeat(17)],
  ];
  for (const [reason, what, text] of rows) {
    test(`${reason}: ${what}`, () => {
      assert.equal(readResponse(text, { hasEnd: true }).outcome, reason, "at once");
      assert.equal(readResponse(text, { hasEnd: true, pieces: [1] }).outcome, reason, "byte by byte");
      assert.equal(readResponse(text, { hasEnd: true, pieces: [7, 3, 64] }).outcome, reason, "in pieces");
    });
  }
});

describe("the response parser", () => {
  test("takes a response for incomplete until its last byte", () => {
    const texts = [`${OK}Content-Length: 3\r\n\r\nabc`, `${CHUNKED}3\r\nabc\r\n0\r\nT: 1\r\n\r\n`, "HTTP/1.1 204 No\r\n\r\n"];
    for (const text of texts) {
      for (let length = 0; length < text.length; length++) {
        assert.equal(readResponse(text.slice(0, length), { hasEnd: true }).outcome, "incomplete", text.slice(0, length));
      }
      assert.equal(readResponse(text).outcome, "complete");
    }
  });

  test("takes heads exactly as large as the limits", () => {
    const limits = { ...DEFAULT_HTTP1_LIMITS, maxHeadBytes: 100, maxFields: 3 };
    const head = (bytes: number) => `${OK}Content-Length: 0\r\nA: ${"b".repeat(bytes - 43)}\r\n\r\n`;
    assert.equal(head(100).length, 100);
    for (const pieces of [[1], [1000]]) {
      assert.equal(readResponse(head(100), { limits, pieces }).outcome, "complete");
      assert.equal(readResponse(head(101), { limits, pieces }).outcome, "head-too-large");
    }
    assert.equal(readResponse(`${OK}A: 1\r\nA: 2\r\nContent-Length: 0\r\n\r\n`, { limits }).outcome, "complete");
  });

  test("can be used for one response after another, whatever became of the last", () => {
    const seen: string[] = [];
    const parser = new ResponseParser({
      onInterim: (status, headers) => seen.push(`${status} ${headers.join()}`),
      onHead: (status, headers, bodyLength) => seen.push(`${status} ${headers.join()} ${bodyLength}`) > 0,
      onBody: (chunk) => seen.push(Buffer.from(chunk).toString()) > 0,
    });
    const feed = (method: string, text: string) => {
      parser.start(method);
      const bytes = Buffer.from(text, "latin1");
      parser.feed(bytes as Buffer & Latin1Bytes, 0, bytes.length);
    };
    feed("GET", `${CHUNKED}1\r\nx\r\n0\r\nT: 1\r\n\r\n`);
    assert.deepEqual(parser.trailers, ["t", "1"]);
    feed("HEAD", `${OK}Keep-Alive: max=10, timeout=7\r\nConnection: close\r\nContent-Length: 4\r\n\r\n`);
    assert.deepEqual([parser.trailers, parser.isComplete, parser.canPersist, parser.keepAliveTimeoutS], [null, true, false, 7]);
    feed("GET", `${CHUNKED}3;broken`);
    feed("GET", `${OK}bad line\r\n`);
    assert.equal(parser.refusal, "missing-colon");
    feed("GET", `${OK}Content-Length: 2\r\n\r\nok`);
    assert.deepEqual([parser.refusal, parser.isComplete, parser.canPersist, parser.keepAliveTimeoutS], [null, true, true, -1]);
    assert.deepEqual(seen, ["200  -1", "x", "200  4", "200  -1", "200  2", "ok"]);
  });

  test("is quick with a long line that comes byte by byte", () => {
    const started = process.cpuUsage().user;
    const text = `${OK}A: ${"b".repeat(60_000)}\r\nContent-Length: 0\r\n\r\n`;
    assert.equal(readResponse(text, { pieces: [1] }).outcome, "complete");
    assert.ok(process.cpuUsage().user - started < 2_000_000, "cost grows with the square of the length");
  });
});
