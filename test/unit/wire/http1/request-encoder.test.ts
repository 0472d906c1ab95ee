import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chunkSizeLine } from "../../../../src/wire/http1/chunk-encoder.js";
import type { OutgoingRequest } from "../../../../src/wire/http1/request-encoder.js";
import { encodeRequestHead } from "../../../../src/wire/http1/request-encoder.js";

const plain: OutgoingRequest = {
  method: "GET",
  target: "/a?b=c",
  authority: "example.com:81",
  headers: ["accept", "*/*", "x-b", "1", "x-b", "\xe9"],
  bodyLength: 0,
  hasZeroLength: false,
  acceptsTrailers: false,
};

describe("a request head", () => {
  test("begins with the request line and host, then the headers as given", () => {
    const expected = "GET /a?b=c HTTP/1.1\r\nhost: example.com:81\r\naccept: */*\r\nx-b: 1\r\nx-b: \xe9\r\n\r\n";
    assert.equal(encodeRequestHead(plain), expected);
  });

  test("frames its body by the announced length alone", () => {
    const framing = (change: Partial<OutgoingRequest>) =>
      encodeRequestHead({ ...plain, headers: [], ...change })
        ?.split("\r\n")
        .slice(2)
        .join("|");
    assert.equal(framing({}), "|");
    assert.equal(framing({ hasZeroLength: true }), "content-length: 0||");
    assert.equal(framing({ bodyLength: 12 }), "content-length: 12||");
    assert.equal(framing({ bodyLength: -1 }), "transfer-encoding: chunked||");
  });

  test("says that trailers are read, but not together with an upgrade", () => {
    const head = { ...plain, headers: [], acceptsTrailers: true };
    assert.equal(
      encodeRequestHead({ ...head, bodyLength: 1 }),
      "GET /a?b=c HTTP/1.1\r\nhost: example.com:81\r\nte: trailers\r\nconnection: te\r\ncontent-length: 1\r\n\r\n",
    );
    assert.doesNotMatch(encodeRequestHead(head, "key") ?? "", /te: trailers|connection: te/);
  });

  test("is refused when a part could be read as more than itself", () => {
    const bad = ["a\rb", "a\nb", "a\r\nx: y", "a\0b", "\u010a", "\u010d", "\u20ac"];
    for (const text of bad) {
      const changes = [{ method: text }, { target: text }, { authority: text }, { headers: ["x", text] }, { headers: [text, "x"] }];
      for (const change of changes) assert.equal(encodeRequestHead({ ...plain, ...change }), null, JSON.stringify(change));
    }
    assert.equal(encodeRequestHead({ ...plain, target: "/a HTTP/1.1" }), null);
    assert.equal(encodeRequestHead({ ...plain, target: "" }), null);
    assert.equal(encodeRequestHead({ ...plain, method: "GET /" }), null);
  });
});

test("a chunk's size line is hexadecimal", () => {
  assert.equal(chunkSizeLine(1), "1\r\n");
  assert.equal(chunkSizeLine(65_535), "ffff\r\n");
});
