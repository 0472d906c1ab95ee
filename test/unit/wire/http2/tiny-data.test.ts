/** Streams of tiny messages: gathered per read, unlimited while somebody reads them, and ended when nobody does. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CANCEL } from "../../../../src/wire/http2/error-codes.js";
import type { Http2Limits } from "../../../../src/wire/http2/limits.js";
import { Probe } from "./probe.js";
import * as raw from "./raw-frames.js";

/** Frames of `bytes` each that fit into the stream's window. */
function windowful(bytes: number): Buffer {
  const frame = raw.data(1, "x".repeat(bytes));
  return Buffer.concat(Array.from({ length: Math.floor(65_535 / bytes) }, () => frame));
}

function uploading(limits: Partial<Http2Limits> = {}): Probe {
  const probe = Probe.ready("server", limits).feed(raw.headers(1, raw.POST, false));
  probe.events.length = 0;
  return probe;
}

function dataCalls(probe: Probe, ...parts: readonly Buffer[]): number {
  let calls = 0;
  probe.onEvent = (_, event) => {
    if (event.startsWith("data")) calls++;
  };
  probe.feed(...parts);
  return calls;
}

describe("tiny data", () => {
  it("of one read comes in few calls, whole and in order", () => {
    const probe = uploading();
    const frames = Array.from({ length: 5000 }, (_, n) => raw.data(1, String.fromCharCode(97 + (n % 26))));
    assert.equal(dataCalls(probe, ...frames), 1);
    const text = "abcdefghijklmnopqrstuvwxyz".repeat(200).slice(0, 5000);
    assert.deepEqual(probe.events, [`data 1 ${text}`]);
  });

  it("comes before whatever comes behind it", () => {
    const probe = uploading().feed(raw.headers(3, raw.POST, false));
    const mixed = [
      raw.data(1, "a"),
      raw.data(1, "b"),
      raw.data(3, "c"),
      raw.data(1, "d"),
      raw.data(1, "x".repeat(2000)),
      raw.data(3, "e", true),
    ];
    assert.equal(dataCalls(probe, ...mixed, raw.data(1, "f"), raw.reset(1, CANCEL)), 6);
    assert.match(probe.events.at(-1) ?? "", /^reset 1 by peer/);
  });

  it("lives at any rate while somebody reads", () => {
    const probe = uploading();
    const second = windowful(1);
    for (let n = 0; n < 8; n++) probe.feed(second).frames();
    assert.equal(probe.refusal(), "");
    assert.equal(probe.stream(1).receivedBytes, 8 * 65_535);
  });

  it("ends the connection when nobody reads", () => {
    for (const bytes of [1, 2]) {
      const probe = uploading();
      probe.isConsuming = false;
      assert.equal(probe.feed(windowful(bytes)).refusal(), "tiny-data ENHANCE_YOUR_CALM");
    }
  });

  it("ends it however the bytes are split", () => {
    const probe = uploading();
    probe.isConsuming = false;
    assert.equal(probe.feedPieces(windowful(1), [997]).refusal(), "tiny-data ENHANCE_YOUR_CALM");
  });

  it("that is unread lives when it could be messages", () => {
    for (const bytes of [5, 6, 31]) {
      const slow = uploading();
      slow.isConsuming = false;
      assert.equal(slow.feed(windowful(bytes)).refusal(), "");
    }
  });

  it("of a service waits for slow clients, whatever it is", () => {
    const probe = Probe.ready("client");
    probe.isConsuming = false;
    const head = {
      method: "GET",
      scheme: "http",
      authority: "a",
      path: "/",
      protocol: "",
      headers: [],
      bodyLength: 0,
      acceptsTrailers: false,
    };
    probe.request(head, true);
    assert.equal(probe.feed(raw.headers(1, [":status: 200"], false), windowful(1)).refusal(), "");
  });
});
