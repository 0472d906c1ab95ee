import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { downstreamHeaders } from "../../../src/proxy/response-headers.js";

describe("downstreamHeaders", () => {
  it("keeps end-to-end fields in order with duplicates", () => {
    const headers = ["set-cookie", "a=1", "x", "1", "set-cookie", "b=2"];
    assert.deepEqual(downstreamHeaders([...headers]), headers);
  });

  it("removes hop-by-hop and framing fields", () => {
    const headers = [
      "content-length",
      "3",
      "a",
      "1",
      "transfer-encoding",
      "chunked",
      "keep-alive",
      "x",
      "upgrade",
      "h2c",
      "b",
      "2",
      "te",
      "x",
    ];
    assert.deepEqual(downstreamHeaders(headers), ["a", "1", "b", "2"]);
  });

  it("removes what Connection names, over several Connection fields", () => {
    const headers = ["connection", "X-Hop", "x-hop", "1", "x-end", "2", "connection", "close, x-hop-too", "x-hop-too", "3"];
    assert.deepEqual(downstreamHeaders(headers), ["x-end", "2"]);
  });
});
