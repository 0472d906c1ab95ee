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

  it("is a status in the head for gRPC, whatever Accept says", () => {
    for (const contentType of ["application/grpc", "application/grpc+proto", "Application/gRPC; a=b"]) {
      const head = new RequestHead("POST", "http", "h", "/pkg.Service/Method", undefined, ["accept", "*/*", "content-type", contentType]);
      const { status, headers, body } = localReply(head, "rate-limited", "100 % of 5 per 1s, \u00e9\n\ud800", "id-1", ["retry-after", "1"]);
      assert.equal(status, 200);
      assert.equal(body.length, 0);
      assert.equal(headerValue(headers, "content-type"), "application/grpc");
      assert.equal(headerValue(headers, "grpc-status"), "14");
      assert.equal(headerValue(headers, "grpc-message"), "Rate limit exceeded: 100 %25 of 5 per 1s, %C3%A9%0A%EF%BF%BD");
      assert.equal(headerValue(headers, "retry-after"), "1");
    }
  });

  it("is no gRPC for other content types that begin so", () => {
    const head = new RequestHead("POST", "http", "h", "/", undefined, ["content-type", "application/grpc-web+proto"]);
    assert.equal(localReply(head, "unauthorized", "", "id-1", []).status, 401);
  });

  it("has a gRPC status for every error, as gRPC prescribes it for HTTP", () => {
    const statusOf = (code: ErrorCode): string | undefined => {
      const head = new RequestHead("POST", "http", "h", "/", undefined, ["content-type", "application/grpc"]);
      return headerValue(localReply(head, code, "", "id-1", []).headers, "grpc-status");
    };
    for (const code of Object.keys(ERRORS) as ErrorCode[]) assert.match(statusOf(code) ?? "", /^(?:[1-9]|1[0-6])$/, code);
    assert.deepEqual(
      (["unauthorized", "forbidden", "route-not-found", "upstream-timeout", "connect-failed", "internal"] as const).map(statusOf),
      ["16", "7", "12", "4", "14", "13"],
    );
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
