import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CANCEL } from "../../../../src/wire/http2/error-codes.js";
import type { Http2Stream } from "../../../../src/wire/http2/stream.js";
import { OK, Probe } from "./probe.js";
import * as raw from "./raw-frames.js";

/** A server with requests on the first `count` streams, heads answered, output empty. */
function answering(count: number, limits = {}): Probe {
  const probe = Probe.ready("server", limits);
  for (let n = 0; n < count; n++) {
    probe.feed(raw.headers(2 * n + 1, raw.GET));
    probe.connection.sendResponse(probe.stream(2 * n + 1), OK, false);
  }
  probe.frames();
  probe.events.length = 0;
  return probe;
}

/** Offers `bytes` and, when asked again, the rest. */
function send(probe: Probe, stream: Http2Stream, bytes: number): void {
  const rests = (probe as unknown as { rests?: Map<Http2Stream, number> }).rests ?? new Map<Http2Stream, number>();
  (probe as unknown as { rests: Map<Http2Stream, number> }).rests = rests;
  const offer = (its: Http2Stream) => {
    const rest = rests.get(its) ?? 0;
    rests.set(its, rest - probe.connection.sendData(its, Buffer.alloc(rest), true));
  };
  rests.set(stream, bytes);
  probe.onEvent = (its, event) => {
    if (its !== null && event.startsWith("writable")) offer(its);
  };
  offer(stream);
}

const dataOf = (frames: readonly string[]) => frames.filter((frame) => frame.startsWith("DATA"));

describe("what is sent", () => {
  it("ends at the stream's window and goes on when that grows", () => {
    const probe = answering(1);
    send(probe, probe.stream(1), 70_000);
    assert.equal(probe.stream(1).isBlocked, true);
    assert.equal(dataOf(probe.frames()).length, 4);
    assert.equal(probe.stream(1).sentBytes, 65_535);
    probe.feed(raw.windowUpdate(0, 100_000));
    assert.deepEqual(probe.frames(), []);
    assert.deepEqual(probe.feed(raw.windowUpdate(1, 10)).frames(), ["DATA 1 10"]);
    assert.deepEqual(probe.feed(raw.windowUpdate(1, 100_000)).frames(), ["DATA 1 4455 END"]);
    assert.equal(probe.connection.openStreams, 0);
  });

  it("ends at the connection's window, and then streams take turns", () => {
    const probe = answering(3);
    for (const id of [1, 3, 5]) send(probe, probe.stream(id), 50_000);
    probe.frames();
    probe.feed(raw.windowUpdate(0, 16_384 * 4));
    const turns = dataOf(probe.frames()).map((frame) => frame.split(" ")[1]);
    assert.deepEqual(new Set(turns.slice(0, 2)), new Set(["3", "5"]));
    assert.ok(turns.length >= 4);
  });

  it("a stream that never had to wait is not held up by those that have", () => {
    const probe = answering(2);
    send(probe, probe.stream(1), 60_000);
    const blocked = answering(2, { maxPendingDataBytes: 20_000 });
    send(blocked, blocked.stream(1), 60_000);
    assert.equal(blocked.stream(1).isBlocked, true);
    blocked.connection.takeOutput();
    assert.ok(probe.connection.sendData(probe.stream(3), Buffer.alloc(100), true) === 100);
  });

  it("waits while output waits, and fills it again only as it is taken", () => {
    const probe = answering(1, { maxPendingDataBytes: 16_384 });
    probe.feed(raw.windowUpdate(0, 1_000_000), raw.windowUpdate(1, 1_000_000));
    send(probe, probe.stream(1), 500_000);
    assert.equal(probe.connection.isOutputFull, true);
    assert.ok(probe.stream(1).sentBytes <= 32_768);
    probe.connection.takeOutput();
    assert.ok(probe.stream(1).sentBytes <= 3 * 32_768);
    probe.output();
    assert.equal(probe.stream(1).sentBytes, 500_000);
  });

  it("an end without data needs no window", () => {
    const probe = answering(1);
    probe.feed(raw.settings([4, 0]));
    probe.connection.sendData(probe.stream(1), Buffer.alloc(0), true);
    assert.deepEqual(probe.frames(), ["SETTINGS ACK", "DATA 1 0 END"]);
  });

  it("a smaller initial window makes the stream's negative", () => {
    const probe = answering(1);
    send(probe, probe.stream(1), 66_000);
    probe.frames();
    probe.feed(raw.settings([4, 10]));
    assert.equal(probe.stream(1).sendWindow, 10 - 65_535);
  });

  it("a setting that lifts a stream's window beyond 2^31-1 is an error of the connection", () => {
    const probe = answering(1).feed(raw.windowUpdate(1, 0x7fff_ffff - 65_535));
    assert.equal(probe.refusal(), "");
    assert.equal(probe.feed(raw.settings([4, 65_536])).refusal(), "window-overflow FLOW_CONTROL_ERROR");
  });

  it("of a stream that waits, nothing is taken before its turn", () => {
    const probe = answering(1);
    const stream = probe.stream(1);
    assert.equal(probe.connection.sendData(stream, Buffer.alloc(70_000), true), 65_535);
    probe.feed(raw.windowUpdate(0, 10_000), raw.windowUpdate(1, 10_000));
    assert.equal(probe.connection.sendData(stream, Buffer.alloc(4465), true), 0);
    probe.output();
    assert.equal(probe.events.at(-1), "writable 1");
    assert.equal(probe.connection.sendData(stream, Buffer.alloc(4465), true), 4465);
  });

  it("a head that is larger than a frame goes on in CONTINUATIONs, and only its first frame ends the stream", () => {
    const probe = Probe.ready("server").feed(raw.headers(1, raw.GET));
    probe.connection.sendResponse(probe.stream(1), { ...OK, headers: ["x-long", "\u00ff".repeat(40_000)] }, true);
    const frames = raw.parseFrames(probe.output());
    assert.deepEqual(
      frames.map(({ flags, type }) => [type, flags]),
      [
        [1, 1],
        [9, 0],
        [9, 4],
      ],
    );
    const client = Probe.ready("client", { maxListBytes: 100_000 });
    client.get();
    for (const { flags, payload, streamId, type } of frames) client.feed(raw.rawFrame(type, flags, streamId, payload));
    assert.deepEqual(client.events, ["response 1 200 END"]);
  });

  it("a stream that is reset while it waits is forgotten", () => {
    const probe = answering(2);
    send(probe, probe.stream(1), 100_000);
    probe.feed(raw.reset(1, CANCEL), raw.windowUpdate(0, 100_000));
    assert.equal(probe.connection.sendData(probe.stream(1), Buffer.alloc(10), true), 10);
    assert.deepEqual(probe.frames().slice(4), []);
  });
});

describe("what is received", () => {
  const upload = () => {
    const probe = Probe.ready("server").feed(raw.headers(1, raw.POST, false));
    probe.isConsuming = false;
    return probe;
  };
  const fill = (probe: Probe, bytes: number) => {
    for (let left = bytes; left > 0; left -= 16_384) probe.feed(raw.data(1, Buffer.alloc(Math.min(left, 16_384))));
  };

  it("is given back in halves of the window", () => {
    const probe = upload();
    fill(probe, 40_000);
    probe.connection.consume(probe.stream(1), 32_000);
    assert.deepEqual(probe.frames(), []);
    probe.connection.consume(probe.stream(1), 8000);
    assert.deepEqual(probe.frames(), ["WINDOW_UPDATE 1 +40000"]);
  });

  it("beyond the stream's window ends the stream", () => {
    const probe = upload();
    fill(probe, 65_536);
    assert.equal(probe.events.filter((event) => event.startsWith("reset")).length, 0);
    probe.feed(raw.data(1, "x"));
    assert.equal(probe.events.at(-1), "reset 1 stream-window-exceeded FLOW_CONTROL_ERROR");
    assert.deepEqual(probe.frames(), ["RST_STREAM 1 FLOW_CONTROL_ERROR"]);
  });

  it("beyond the connection's window ends the connection", () => {
    const probe = Probe.ready("server", { streamWindowBytes: 200_000, connectionWindowBytes: 65_535 }).feed(
      raw.headers(1, raw.POST, false),
    );
    probe.isConsuming = false;
    fill(probe, 65_535);
    assert.equal(probe.refusal(), "");
    assert.equal(probe.feed(raw.data(1, "x")).refusal(), "window-exceeded FLOW_CONTROL_ERROR");
  });

  it("padding counts and is given back without anybody's doing", () => {
    const probe = upload();
    for (let i = 0; i < 140; i++) probe.feed(raw.padded(raw.data(1, "x"), 255));
    assert.equal(probe.stream(1).unconsumedBytes, 140);
    assert.match(probe.frames().join(), /^WINDOW_UPDATE 1 \+3\d{4}$/);
  });

  it("a reset returns what was not consumed to the connection", () => {
    const probe = Probe.ready("server", { connectionWindowBytes: 65_535 }).feed(raw.headers(1, raw.POST, false));
    probe.isConsuming = false;
    fill(probe, 60_000);
    probe.connection.reset(probe.stream(1), CANCEL);
    assert.deepEqual(probe.frames(), ["RST_STREAM 1 CANCEL", "WINDOW_UPDATE 0 +60000"]);
    probe.connection.consume(probe.stream(1), 60_000);
    assert.deepEqual(probe.frames(), []);
  });

  it("data that was consumed after its stream's end still opens the connection's window", () => {
    const probe = Probe.ready("server", { connectionWindowBytes: 65_535 }).feed(raw.headers(1, raw.POST, false));
    probe.isConsuming = false;
    fill(probe, 60_000);
    probe.feed(raw.data(1, "", true));
    probe.connection.sendResponse(probe.stream(1), OK, true);
    probe.frames();
    probe.connection.consume(probe.stream(1), 60_000);
    assert.deepEqual(probe.frames(), ["WINDOW_UPDATE 0 +60000"]);
  });
});
