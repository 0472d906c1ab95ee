/** The course of a connection: one request after another, stops, ends, and what is handed over to another protocol. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Latin1Bytes } from "../../../../src/wire/http1/bytes.js";
import type { IncomingRequest } from "../../../../src/wire/http1/incoming-request.js";
import { DEFAULT_HTTP1_LIMITS } from "../../../../src/wire/http1/refusal.js";
import { statusOf } from "../../../../src/wire/http1/refusal-status.js";
import { RequestParser } from "../../../../src/wire/http1/request-parser.js";
import { readRequests } from "./read-request.js";

const HOST = "Host: a.test\r\n";
const get = (path: string): string => `GET ${path} HTTP/1.1\r\n${HOST}\r\n`;
const CHUNKED = `POST /c HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`;

function createParser(): { parser: RequestParser; heads: IncomingRequest[]; feed: (text: string) => number } {
  const heads: IncomingRequest[] = [];
  const parser = new RequestParser({ onHead: (request) => heads.push({ ...request }) > 0, onBody: () => true });
  const feed = (text: string): number => {
    const bytes = Buffer.from(text, "latin1");
    return parser.feed(bytes as Buffer & Latin1Bytes, 0, bytes.length);
  };
  parser.start();
  return { parser, heads, feed };
}

describe("the request parser", () => {
  test("§9.3.2: stops at the end of each request, so that pipelined ones are the caller's to begin", () => {
    const { parser, heads, feed } = createParser();
    const first = get("/1");
    assert.equal(feed(first + get("/2")), first.length);
    assert.deepEqual([parser.isComplete, heads.length], [true, 1]);
    assert.equal(feed(get("/2")), 0, "nothing is taken before the next start");
    parser.start();
    assert.equal(feed(get("/2")), get("/2").length);
    assert.deepEqual(
      heads.map(({ path }) => path),
      ["/1", "/2"],
    );
  });

  test("§9.3.2: reads pipelined requests of all framings in order", () => {
    const body = `POST /b HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`;
    const text = `${get("/1")}${body}\r\n${CHUNKED}3\r\nabc\r\n0\r\nT: 1\r\n\r\n${get("/2")}`;
    const { requests, outcome } = readRequests(text);
    assert.deepEqual(
      requests.map(({ path, body, trailers }) => [path, body, trailers]),
      [
        ["/1", "", null],
        ["/b", "abc", null],
        ["/c", "abc", ["t", "1"]],
        ["/2", "", null],
      ],
    );
    assert.equal(outcome, "idle");
  });

  test("§9.6: leaves what comes after a request that closes the connection", () => {
    const { outcome, rest, completeCount } = readRequests(`GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n${get("/2")}`);
    assert.deepEqual([outcome, rest, completeCount], ["closed", get("/2"), 1]);
  });

  test("RFC 9110 §9.3.6: hands over the bytes behind a CONNECT untouched", () => {
    const tunnel = "\x16\x03\x01\0GET / HTTP/1.1\r\n\n";
    const head = `CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n`;
    const { parser, heads, feed } = createParser();
    assert.equal(feed(head + tunnel), head.length);
    assert.deepEqual([parser.isComplete, heads[0]?.authority, heads[0]?.bodyLength], [true, "b.test:443", 0]);
    for (const pieces of [[1], [7], [1000]]) assert.equal(readRequests(head + tunnel, { pieces }).rest, tunnel);
  });

  test("RFC 9110 §7.8: hands over the bytes behind an upgrade, and behind its body, untouched", () => {
    const frames = "\x81\x85\0\0\0\0hello";
    const upgrade = `${HOST}Connection: upgrade\r\nUpgrade: x\r\n`;
    for (const head of [`GET / HTTP/1.1\r\n${upgrade}\r\n`, `POST / HTTP/1.1\r\n${upgrade}Content-Length: 3\r\n\r\nabc`]) {
      for (const pieces of [[1], [7], [1000]]) assert.equal(readRequests(head + frames, { pieces }).rest, frames);
    }
  });

  test("§8: takes a request for incomplete until its last byte", () => {
    const texts = [get("/"), `POST / HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`, `${CHUNKED}3\r\nabc\r\n0\r\nT: 1\r\n\r\n`];
    for (const text of texts) {
      for (let length = 1; length < text.length; length++) {
        const { completeCount, outcome } = readRequests(text.slice(0, length));
        assert.deepEqual([completeCount, outcome], [0, "incomplete"], text.slice(0, length));
      }
      assert.equal(readRequests(text).completeCount, 1);
    }
  });

  test("has not begun while nothing but an empty line has come", () => {
    const { parser, feed } = createParser();
    assert.equal(parser.hasBegun, false);
    for (const text of ["\r", "\n"]) {
      feed(text);
      assert.equal(parser.hasBegun, false);
    }
    feed("G");
    assert.equal(parser.hasBegun, true);
    feed(get("/").slice(1));
    assert.equal(parser.isComplete, true);
    parser.start();
    assert.equal(parser.hasBegun, false);
    feed("GET / HTTP/1.1\r\n");
    assert.equal(parser.hasBegun, true);
  });

  test("knows the request line of what it refuses later, for the log", () => {
    const { parser, feed } = createParser();
    feed(`DELETE /a?b HTTP/1.1\r\n${HOST}Bad Name: x\r\n\r\n`);
    const { method, path, query } = parser.request;
    assert.deepEqual([parser.refusal, method, path, query], ["bad-field-name", "DELETE", "/a", "b"]);
    parser.start();
    assert.deepEqual([parser.request.method, parser.request.target, parser.refusal], ["", "", null]);
  });

  test("reports nothing after a refusal and takes nothing more", () => {
    const { parser, heads, feed } = createParser();
    feed(`GET / HTTP/1.1\r\n${HOST}A : b\r\n`);
    assert.equal(parser.refusal, "space-before-colon");
    assert.equal(feed(get("/2")), 0);
    assert.deepEqual([heads.length, parser.isComplete], [0, false]);
  });

  test("keeps nothing of one request for the next, whatever became of it", () => {
    const { parser, heads, feed } = createParser();
    const texts = [
      `POST http://b.test/x?y HTTP/1.0\r\n${HOST}Connection: keep-alive, upgrade\r\nContent-Length: 0\r\n\r\n`,
      `POST /c HTTP/1.1\r\n${HOST}TE: trailers\r\nUpgrade: x\r\nConnection: upgrade, y\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: 1\r\n\r\n`,
      "GET /broken",
      `GET / HTTP/1.1\r\n${HOST}Host`,
      `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nab`,
    ];
    for (const text of texts) {
      feed(text);
      parser.start();
      feed(`GET / HTTP/1.1\r\n${HOST}Y: 1\r\n\r\n`);
      assert.deepEqual(heads.at(-1), {
        ...{ method: "GET", target: "/", form: "origin", scheme: "", authority: "a.test", path: "/", query: undefined, minorVersion: 1 },
        ...{ headers: ["y", "1"], bodyLength: 0, hasZeroLength: false, expectsContinue: false, acceptsTrailers: false, upgrades: [] },
        canPersist: true,
      });
      assert.deepEqual([parser.isComplete, parser.trailers], [true, null]);
      parser.start();
    }
  });

  test("takes heads exactly as large as the limits", () => {
    const limits = { ...DEFAULT_HTTP1_LIMITS, maxHeadBytes: 100, maxFields: 2 };
    const head = (bytes: number) => `GET / HTTP/1.1\r\n${HOST}A: ${"b".repeat(bytes - 37)}\r\n\r\n`;
    assert.equal(head(100).length, 100);
    for (const pieces of [[1], [1000]]) {
      assert.equal(readRequests(head(100), { limits, pieces }).outcome, "idle");
      assert.equal(readRequests(head(101), { limits, pieces }).outcome, "head-too-large");
      assert.equal(readRequests(`GET / HTTP/1.1\r\n${HOST}A: 1\r\nA: 2\r\n\r\n`, { limits, pieces }).outcome, "too-many-fields");
    }
  });
});

test("every refusal of a request has a status", () => {
  const rows = { "bad-request-line": 400, "request-line-too-large": 414, "head-too-large": 431, "too-many-fields": 431 } as const;
  for (const [refusal, status] of Object.entries(rows)) assert.equal(statusOf(refusal as keyof typeof rows), status);
  assert.equal(statusOf("body-too-large"), 413);
  assert.equal(statusOf("unsupported-expectation"), 417);
  assert.equal(statusOf("unknown-transfer-coding"), 501);
  assert.equal(statusOf("method-too-long"), 501);
  assert.equal(statusOf("unsupported-version"), 505);
  assert.equal(statusOf("bad-status-line"), 502);
});
