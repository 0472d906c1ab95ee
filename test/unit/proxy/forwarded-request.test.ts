import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { headerValue, RequestHead } from "../../../src/engine/model/request.js";
import type { ListenerSpec } from "../../../src/engine/model/snapshot.js";
import { compileRoutes } from "../../../src/engine/routing/compile-routes.js";
import { prepareRequest } from "../../../src/proxy/forwarded-request.js";
import type { ListenerRuntime } from "../../../src/proxy/runtime.js";
import { createTrustedPeers } from "../../../src/proxy/trusted-peers.js";

const VIA = "windrose-abc-public";
const TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

function listener(options: { isHardened?: boolean; trusted?: string[] } = {}): ListenerRuntime {
  const hardening = {
    normalisePath: true,
    refuseEncodedSlashes: true,
    refuseUnderscoreHeaders: true,
    dropForwardedHeaders: options.isHardened ?? true,
  };
  const spec = { name: "public", hardening } as ListenerSpec;
  return { spec, table: compileRoutes([], "public"), trustedPeers: createTrustedPeers(options.trusted ?? []) };
}

function prepare(headers: string[], options: { isHardened?: boolean; trusted?: string[]; peer?: string } = {}) {
  const head = new RequestHead("GET", "https", "api.example.com:8443", "/", undefined, headers);
  head.remoteAddress = options.peer ?? "192.0.2.7";
  return prepareRequest(head, listener(options), VIA);
}

function values(headers: readonly string[], name: string): string[] {
  return headers.filter((_, i) => i % 2 === 1 && headers[i - 1] === name);
}

describe("prepareRequest", () => {
  it("passes end-to-end fields in order, duplicates included", () => {
    const { headers } = prepare(["accept", "a", "x-one", "1", "accept", "b"]);
    assert.deepEqual(headers.slice(0, 6), ["accept", "a", "x-one", "1", "accept", "b"]);
  });

  it("removes every hop-by-hop and framing field", () => {
    const hop = [
      "host",
      "content-length",
      "transfer-encoding",
      "keep-alive",
      "proxy-connection",
      "proxy-authorization",
      "te",
      "trailer",
      "upgrade",
    ];
    const { headers } = prepare([...hop, "http2-settings", "expect", "connection"].flatMap((name) => [name, "x"]));
    for (const name of hop) assert.equal(headerValue(headers, name), undefined, name);
    assert.equal(headerValue(headers, "expect"), undefined);
  });

  it("removes the fields that Connection names, but never the ones it adds itself", () => {
    const { headers } = prepare(["connection", "close, X-Secret , x-forwarded-for, x-request-id", "x-secret", "1", "x-open", "2"]);
    assert.equal(headerValue(headers, "x-secret"), undefined);
    assert.equal(headerValue(headers, "x-open"), "2");
    assert.deepEqual(values(headers, "x-forwarded-for"), ["192.0.2.7"]);
    assert.equal(values(headers, "x-request-id").length, 1);
  });

  it("drops a stranger's forwarding claims and states its own", () => {
    const claims = ["x-forwarded-for", "6.6.6.6", "x-forwarded-proto", "ftp", "x-forwarded-host", "evil", "forwarded", "for=6.6.6.6"];
    const { headers, clientAddress, requestId } = prepare([
      ...claims,
      "x-real-ip",
      "6.6.6.6",
      "x-forwarded-client-cert",
      "By=me",
      "x-request-id",
      "mine",
    ]);
    assert.deepEqual(values(headers, "x-forwarded-for"), ["192.0.2.7"]);
    assert.deepEqual(values(headers, "x-forwarded-proto"), ["https"]);
    assert.deepEqual(values(headers, "x-forwarded-host"), ["api.example.com:8443"]);
    for (const name of ["forwarded", "x-real-ip", "x-forwarded-client-cert"]) assert.equal(headerValue(headers, name), undefined, name);
    assert.equal(clientAddress, "192.0.2.7");
    assert.notEqual(requestId, "mine");
  });

  it("drops the underscore spelling of a forwarding claim too", () => {
    const { headers } = prepare(["x_forwarded_for", "6.6.6.6", "x_other", "1"]);
    assert.equal(headerValue(headers, "x_forwarded_for"), undefined);
    assert.equal(headerValue(headers, "x_other"), "1");
  });

  it("believes a trusted peer, extends its chain, and takes the rightmost untrusted hop for the client", () => {
    const given = ["x-forwarded-for", "6.6.6.6, 198.51.100.9, 10.0.0.2", "x-forwarded-proto", "http", "x-request-id", "abc"];
    const result = prepare(given, { trusted: ["10.0.0.0/8"], peer: "10.0.0.1" });
    assert.deepEqual(values(result.headers, "x-forwarded-for"), ["6.6.6.6, 198.51.100.9, 10.0.0.2, 10.0.0.1"]);
    assert.deepEqual(values(result.headers, "x-forwarded-proto"), ["http"]);
    assert.equal(result.clientAddress, "198.51.100.9");
    assert.equal(result.requestId, "abc");
  });

  it("makes a new request id when the given one is unusable", () => {
    for (const id of ["", "a b", "x".repeat(129), "é"]) {
      assert.match(prepare(["x-request-id", id], { isHardened: false }).requestId, /^[0-9a-f-]{36}$/);
    }
  });

  it("appends itself to Via and recognises its own name", () => {
    assert.equal(headerValue(prepare([]).headers, "via"), `1.1 ${VIA}`);
    const passed = prepare(["via", "1.0 fred", "via", "1.1 other"]);
    assert.equal(headerValue(passed.headers, "via"), `1.0 fred, 1.1 other, 1.1 ${VIA}`);
    assert.equal(passed.isLoop, false);
    assert.equal(prepare(["via", `1.1 x, 1.1 ${VIA}`]).isLoop, true);
  });

  it("passes a valid traceparent on unchanged and drops a broken one", () => {
    const passed = prepare(["traceparent", TRACEPARENT, "tracestate", "a=1"]);
    assert.equal(headerValue(passed.headers, "traceparent"), TRACEPARENT);
    assert.equal(passed.traceId, "4bf92f3577b34da6a3ce929d0e0e4736");
    const zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
    for (const broken of ["", "00-xyz", zeros, TRACEPARENT.toUpperCase(), `ff${TRACEPARENT.slice(2)}`, `${TRACEPARENT}x`]) {
      const dropped = prepare(["traceparent", broken]);
      assert.equal(headerValue(dropped.headers, "traceparent"), undefined, broken);
      assert.equal(dropped.traceId, "");
    }
  });
});
