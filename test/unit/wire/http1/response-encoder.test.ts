import assert from "node:assert/strict";
import { STATUS_CODES } from "node:http";
import { describe, test } from "node:test";
import { chunkSizeLine, encodeLastChunk } from "../../../../src/wire/http1/chunk-encoder.js";
import { reasonPhrase } from "../../../../src/wire/http1/reason-phrases.js";
import type { BodyFraming, OutgoingResponse } from "../../../../src/wire/http1/response-encoder.js";
import { bodyFraming, encodeInterimHead, encodeResponseHead, encodeUpgradeHead } from "../../../../src/wire/http1/response-encoder.js";
import { readResponse } from "./read-response.js";

const PLAIN: OutgoingResponse = {
  status: 200,
  headers: ["content-type", "text/plain", "x-b", "1", "x-b", "\xe9"],
  bodyLength: 5,
  method: "GET",
  minorVersion: 1,
  canPersist: true,
  date: "",
};
const DATE = "Thu, 01 Jan 2026 00:00:00 GMT";
const BAD = ["a\rb", "a\nb", "a\r\nx: y", "a\0b", "\u010a", "\u010d", "\u20ac"];

/** The lines after the status line. */
function linesOf(change: Partial<OutgoingResponse>): string[] {
  const head = encodeResponseHead({ ...PLAIN, headers: [], ...change }) as string;
  assert.ok(head.endsWith("\r\n\r\n"), head);
  return head.slice(0, -4).split("\r\n").slice(1);
}

describe("a response head", () => {
  test("begins with the status line, then has the headers as given", () => {
    const expected = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-b: 1\r\nx-b: \xe9\r\ncontent-length: 5\r\n\r\n";
    assert.equal(encodeResponseHead(PLAIN), expected);
  });

  test("RFC 9112 §4: keeps the space before an empty reason", () => {
    assert.ok(encodeResponseHead({ ...PLAIN, status: 599 })?.startsWith("HTTP/1.1 599 \r\n"));
  });

  const rows: [string, Partial<OutgoingResponse>, BodyFraming, string[]][] = [
    ["RFC 9112 §6.3: a known length", { bodyLength: 12 }, "length", ["content-length: 12"]],
    ["RFC 9110 §8.6: a length of zero", { bodyLength: 0 }, "length", ["content-length: 0"]],
    ["RFC 9112 §6.1: chunks when the length is unknown", { bodyLength: -1 }, "chunked", ["transfer-encoding: chunked"]],
    [
      "RFC 9112 §6.1: no chunks for HTTP/1.0, and an end",
      { bodyLength: -1, minorVersion: 0, canPersist: true },
      "until-end",
      ["connection: close"],
    ],
    ["RFC 9112 §9.3: HTTP/1.0 that persists is told so", { minorVersion: 0 }, "length", ["content-length: 5", "connection: keep-alive"]],
    [
      "RFC 9112 §9.3: HTTP/1.0 that does not persist is told so by a 1.1 server",
      { minorVersion: 0, canPersist: false },
      "length",
      ["content-length: 5", "connection: close"],
    ],
    ["RFC 9112 §9.6: HTTP/1.1 that does not persist", { canPersist: false }, "length", ["content-length: 5", "connection: close"]],
    [
      "RFC 9112 §9.6: chunks before the end of the connection",
      { bodyLength: -1, canPersist: false },
      "chunked",
      ["transfer-encoding: chunked", "connection: close"],
    ],
    ["RFC 9110 §9.3.2: HEAD with the length of GET", { method: "HEAD", bodyLength: 99 }, "none", ["content-length: 99"]],
    ["RFC 9110 §9.3.2: HEAD with an unknown length", { method: "HEAD", bodyLength: -1 }, "none", []],
    [
      "RFC 9110 §9.3.2: HEAD with an unknown length persists in HTTP/1.0, too",
      { method: "HEAD", bodyLength: -1, minorVersion: 0 },
      "none",
      ["connection: keep-alive"],
    ],
    ["RFC 9110 §8.6: 204 without a length", { status: 204, bodyLength: 0 }, "none", []],
    ["RFC 9112 §6.1: 204 without a coding", { status: 204, bodyLength: -1 }, "none", []],
    ["RFC 9110 §15.4.5: 304 without a length", { status: 304, bodyLength: 5 }, "none", []],
    ["RFC 9110 §15.4.5: 304 to HEAD", { status: 304, method: "HEAD", bodyLength: 5 }, "none", []],
    ["RFC 9110 §8.6: 2xx to CONNECT is nothing but a head", { method: "CONNECT", bodyLength: -1, canPersist: false }, "none", []],
    ["RFC 9110 §9.3.6: a refused CONNECT has a body", { method: "CONNECT", status: 403 }, "length", ["content-length: 5"]],
    ["RFC 9110 §6.6.1: a date", { date: DATE }, "length", [`date: ${DATE}`, "content-length: 5"]],
    [
      "RFC 9110 §6.6.1: the date of the origin",
      { date: DATE, headers: ["date", "yesterday"] },
      "length",
      ["date: yesterday", "content-length: 5"],
    ],
    [
      "RFC 9110 §6.6.1: a date beside a value of that name",
      { date: DATE, headers: ["x", "date"] },
      "length",
      ["x: date", `date: ${DATE}`, "content-length: 5"],
    ],
    [
      "RFC 9110 §15.5.22: 426 says what to upgrade to",
      { status: 426, headers: ["upgrade", "websocket"], bodyLength: 0 },
      "length",
      ["upgrade: websocket", "content-length: 0", "connection: keep-alive, upgrade"],
    ],
    [
      "RFC 9110 §15.5.22: 426 before the end of the connection",
      { status: 426, headers: ["upgrade", "websocket"], bodyLength: 0, canPersist: false },
      "length",
      ["upgrade: websocket", "content-length: 0", "connection: close, upgrade"],
    ],
    [
      "framing and hop-by-hop fields are left out in any case",
      {
        headers: [
          "Content-Length",
          "9",
          "transfer-encoding",
          "gzip",
          "Connection",
          "x",
          "keep-alive",
          "1",
          "upgrade",
          "y",
          "te",
          "z",
          "A",
          "b",
        ],
      },
      "length",
      ["a: b", "content-length: 5"],
    ],
  ];
  for (const [name, change, framing, lines] of rows) {
    test(name, () => {
      assert.equal(bodyFraming({ ...PLAIN, ...change }), framing);
      assert.deepEqual(linesOf(change), lines);
    });
  }

  test("is refused when a part could be read as more than itself", () => {
    for (const text of BAD) {
      for (const change of [{ headers: ["x", text] }, { headers: [text, "x"] }, { date: text }]) {
        assert.equal(encodeResponseHead({ ...PLAIN, ...change }), null, JSON.stringify(change));
      }
      assert.equal(encodeInterimHead(103, ["x", text]), null);
      assert.equal(encodeUpgradeHead("websocket", ["x", text]), null);
      assert.equal(encodeUpgradeHead(text, []), null);
      assert.equal(encodeLastChunk(["x", text]), null);
      assert.equal(encodeLastChunk([text, "x"]), null);
    }
    for (const name of ["", "a b", "a:", "\xe9"]) assert.equal(encodeResponseHead({ ...PLAIN, headers: [name, "x"] }), null, name);
  });

  test("is refused for what is no final status", () => {
    for (const status of [0, 99, 100, 101, 103, 199, 600, 1000, 200.5, Number.NaN, -200]) {
      assert.equal(encodeResponseHead({ ...PLAIN, status }), null, `${status}`);
    }
  });

  test("is read by the response parser as it was meant", () => {
    const statuses = [200, 204, 304, 404, 500];
    for (const status of statuses) {
      for (const method of ["GET", "HEAD"]) {
        for (const bodyLength of [-1, 0, 5]) {
          for (const minorVersion of [0, 1] as const) {
            for (const canPersist of [true, false]) {
              const response = { ...PLAIN, status, method, bodyLength, minorVersion, canPersist, date: DATE };
              const framing = bodyFraming(response);
              const body = framing === "none" || bodyLength === 0 ? "" : "hello";
              const sent = framing === "chunked" ? `${chunkSizeLine(5)}hello\r\n${encodeLastChunk(["t", "1"])}` : body;
              const reading = readResponse(encodeResponseHead(response) + sent, { method, hasEnd: framing === "until-end" });
              const expectedBody = framing === "chunked" ? "hello" : body;
              assert.deepEqual([reading.outcome, reading.status, reading.body, reading.rest], ["complete", status, expectedBody, ""]);
              assert.equal(reading.canPersist, canPersist && framing !== "until-end");
              assert.deepEqual(reading.headers, [...PLAIN.headers, "date", DATE]);
              assert.deepEqual(reading.trailers, framing === "chunked" ? ["t", "1"] : null);
            }
          }
        }
      }
    }
  });
});

describe("an interim response", () => {
  test("is a head without framing", () => {
    assert.equal(encodeInterimHead(100), "HTTP/1.1 100 Continue\r\n\r\n");
    assert.equal(encodeInterimHead(103, ["Link", "</a>", "content-length", "5"]), "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
  });

  test("has an interim status, but not 101", () => {
    for (const status of [99, 101, 200, 100.5]) assert.equal(encodeInterimHead(status), null, `${status}`);
  });
});

describe("a switch of protocols", () => {
  test("RFC 9110 §7.8: names the protocol and adds the handshake", () => {
    const head = encodeUpgradeHead("websocket", ["sec-websocket-accept", "x=", "upgrade", "y"]);
    assert.equal(head, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x=\r\n\r\n");
  });

  test("RFC 9110 §7.8: takes one protocol, perhaps with a version", () => {
    assert.notEqual(encodeUpgradeHead("IRC/6.9", []), null);
    for (const protocol of ["", "a b", "a, b", "a/b/c", "/a"]) assert.equal(encodeUpgradeHead(protocol, []), null, protocol);
  });
});

describe("the end of a chunked body", () => {
  test("is the last chunk", () => {
    assert.equal(encodeLastChunk(null), "0\r\n\r\n");
    assert.equal(encodeLastChunk([]), "0\r\n\r\n");
  });

  test("RFC 9110 §6.5.1: has the trailers that may be ones", () => {
    assert.equal(encodeLastChunk(["X-Sum", "1", "content-length", "5", "authorization", "x", "x-b", ""]), "0\r\nx-sum: 1\r\nx-b: \r\n\r\n");
    assert.equal(encodeLastChunk(["host", "x"]), "0\r\n\r\n");
  });
});

test("reason phrases are those of the registry", () => {
  // Node has older names for some, and one that was never registered.
  const newer = new Map([
    [302, "Found"],
    [413, "Content Too Large"],
    [418, ""],
    [422, "Unprocessable Content"],
    [509, ""],
  ]);
  for (const [status, phrase] of Object.entries(STATUS_CODES)) {
    assert.equal(reasonPhrase(Number(status)), newer.get(Number(status)) ?? phrase, status);
  }
});
