import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ERRORS, type ErrorCode } from "../../../src/engine/model/errors.js";
import { headerValue, RequestHead } from "../../../src/engine/model/request.js";
import { localReply } from "../../../src/proxy/local-reply.js";

function reply(accept: string | undefined, code: ErrorCode = "route-not-found", detail = "", extra: string[] = []) {
  const head = new RequestHead("GET", "http", "h", "/", undefined, accept === undefined ? [] : ["accept", accept]);
  return localReply(head, code, detail, "id-1", extra);
}

describe("localReply", () => {
  it("is problem details for programs and text for those who prefer text", () => {
    for (const accept of [undefined, "*/*", "application/json", "application/problem+json", "application/json, text/html", "image/png"]) {
      assert.equal(headerValue(reply(accept).headers, "content-type"), "application/problem+json", accept);
    }
    for (const accept of ["text/plain", "text/html,application/xhtml+xml", "TEXT/*"]) {
      assert.equal(headerValue(reply(accept).headers, "content-type"), "text/plain; charset=utf-8", accept);
    }
  });

  it("carries status, code, detail and id", () => {
    const { status, body } = reply(undefined, "rate-limited", "5 per 10s");
    assert.equal(status, 429);
    const problem = {
      type: "about:blank",
      title: "Rate limit exceeded",
      status: 429,
      code: "rate-limited",
      detail: "5 per 10s",
      id: "id-1",
    };
    assert.deepEqual(JSON.parse(body.toString()), problem);
    assert.match(reply("text/plain", "rate-limited", "5 per 10s").body.toString(), /^429 Rate limit exceeded: 5 per 10s\nid: id-1\n$/);
  });

  it("keeps what an upstream did, and our own bugs, from the caller", () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      if (ERRORS[code].origin !== "upstream" && code !== "internal") continue;
      assert.doesNotMatch(reply(undefined, code, "10.0.0.1 SECRET").body.toString(), /SECRET/, code);
    }
  });

  it("adds the headers of the filter that refused and is never cached", () => {
    const { headers } = reply(undefined, "unauthorized", "", ["www-authenticate", "Bearer"]);
    assert.equal(headerValue(headers, "www-authenticate"), "Bearer");
    assert.equal(headerValue(headers, "cache-control"), "no-store");
  });
});
