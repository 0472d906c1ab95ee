import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { areSendable, http2RequestHead } from "../../../src/upstream/http2-request.js";
import { requestOf } from "./support.js";

describe("the head of an HTTP/2 request", () => {
  test("is that of the attempt, with the scheme of the connection", () => {
    const request = requestOf({
      method: "POST",
      target: "/a?b",
      authority: "a.test:1",
      headers: ["x", "y"],
      bodyLength: -1,
      acceptsTrailers: true,
    });
    assert.deepEqual(http2RequestHead(request, "https"), {
      ...{ method: "POST", scheme: "https", authority: "a.test:1", path: "/a?b", protocol: "" },
      ...{ headers: ["x", "y"], bodyLength: -1, acceptsTrailers: true },
    });
  });

  test("loses white space around values, and is not copied without need", () => {
    const headers = ["a", "b", "c", ""];
    assert.equal(http2RequestHead(requestOf({ headers }), "http")?.headers, headers);
    assert.deepEqual(http2RequestHead(requestOf({ headers: ["a", " \tb c\t", "d", " "] }), "http")?.headers, ["a", "b c", "d", ""]);
  });

  test("is refused when a part could be read as more than itself", () => {
    for (const text of ["a\rb", "a\nb", "a\0b", "a\x7f", "\u010a", "\u20ac"]) {
      for (const change of [{ method: text }, { target: text }, { authority: text }, { headers: ["x", text] }, { headers: [text, "x"] }]) {
        assert.equal(http2RequestHead(requestOf(change), "http"), null, JSON.stringify(change));
      }
    }
    for (const change of [{ method: "" }, { target: "" }, { target: "/a b" }, { method: "GET /" }]) {
      assert.equal(http2RequestHead(requestOf(change), "http"), null, JSON.stringify(change));
    }
  });

  test("may hold tabs and every other byte", () => {
    assert.ok(areSendable(["a", "b\tc", "d", "\x80\xff~"]));
  });
});
