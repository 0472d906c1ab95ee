import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Latin1Bytes } from "../../../../src/wire/http1/bytes.js";
import { ResponseParser } from "../../../../src/wire/http1/response-parser.js";

/** The header list of a response whose head holds these fields. */
function headersOf(...fields: string[]): string[] {
  let seen: string[] = [];
  const parser = new ResponseParser({
    onInterim: () => undefined,
    onHead(_status, headers) {
      seen = headers;
      return true;
    },
    onBody: () => true,
  });
  parser.start("GET");
  const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n`, "latin1");
  parser.feed(bytes as Buffer & Latin1Bytes, 0, bytes.length);
  assert.equal(parser.refusal, null);
  return seen;
}

describe("the header list of a response", () => {
  it("keeps end-to-end fields in order with duplicates", () => {
    assert.deepEqual(headersOf("set-cookie: a=1", "x: 1", "set-cookie: b=2"), ["set-cookie", "a=1", "x", "1", "set-cookie", "b=2"]);
  });

  it("is free of hop-by-hop and framing fields", () => {
    const steering = ["Keep-Alive: x", "Upgrade: h2c", "TE: x", "Trailer: x", "Proxy-Connection: x", "HTTP2-Settings: x"];
    const authentication = ["Proxy-Authenticate: Basic", "Proxy-Authentication-Info: x"];
    for (const framing of ["Content-Length: 3", "Transfer-Encoding: chunked"]) {
      assert.deepEqual(headersOf(framing, "a: 1", ...steering, "b: 2", ...authentication), ["a", "1", "b", "2"]);
    }
  });

  it("is free of what Connection names, over several Connection fields", () => {
    const fields = ["Connection: X-Hop", "x-hop: 1", "x-end: 2", "Connection: close, x-hop-too", "x-hop-too: 3"];
    assert.deepEqual(headersOf(...fields), ["x-end", "2"]);
  });
});
