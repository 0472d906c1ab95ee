/** RFC 9218: what clients say about the order of answers, by field and by PRIORITY_UPDATE, and what is sent first then. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CANCEL } from "../../../../src/wire/http2/error-codes.js";
import { DEFAULT_FLOOD_LIMITS } from "../../../../src/wire/http2/flood-budgets.js";
import { OK, Probe } from "./probe.js";
import * as raw from "./raw-frames.js";

const FRAME = 16_384;

function update(streamId: number, value: string, frameStreamId = 0): Buffer {
  return raw.rawFrame(0x10, 0, frameStreamId, Buffer.concat([raw.uint32(streamId), Buffer.from(value, "latin1")]));
}

/** A server whose streams all have `bytes` to say, in the order of their requests, and a connection that is the bottleneck. */
class Bottleneck {
  readonly probe = Probe.ready("server", { maxPendingDataBytes: 4_194_304 });
  readonly #rests = new Map<number, number>();

  constructor() {
    this.probe.onEvent = (stream, event) => {
      if (stream === null) return;
      if (event.startsWith("request")) this.probe.connection.sendResponse(stream, OK, false);
      if (event.startsWith("writable")) this.offer(stream.id);
    };
    // The connection's window is spent, and none but this stream has said anything.
    this.request(1, []);
    this.say(1, 70_000);
    this.probe.frames();
    this.probe.feed(raw.reset(1, CANCEL)).frames();
  }

  request(id: number, fields: readonly string[]): this {
    this.probe.feed(raw.headers(id, [...raw.GET, ...fields]), raw.windowUpdate(id, 10_000_000));
    return this;
  }

  say(id: number, bytes: number): this {
    this.#rests.set(id, bytes);
    this.offer(id);
    return this;
  }

  offer(id: number): void {
    const rest = this.#rests.get(id) ?? 0;
    this.#rests.set(id, rest - this.probe.connection.sendData(this.probe.stream(id), Buffer.alloc(rest), true));
  }

  /** Streams in the order of their frames, when the connection may send so many. */
  turns(frames: number): string {
    this.probe.feed(raw.windowUpdate(0, frames * FRAME));
    const sent = this.probe.frames().filter((frame) => frame.startsWith("DATA"));
    return sent.map((frame) => frame.split(" ")[1]).join(" ");
  }
}

/** Streams 3, 5, 7… with these fields, each with three frames to say. */
function waiting(...priorities: readonly string[]): Bottleneck {
  const bottleneck = new Bottleneck();
  priorities.forEach((priority, index) => {
    bottleneck.request(3 + 2 * index, priority === "-" ? [] : [`priority: ${priority}`]).say(3 + 2 * index, 3 * FRAME);
  });
  return bottleneck;
}

const ORDERS: readonly (readonly [what: string, priorities: readonly string[], expected: string])[] = [
  ["without priorities streams take turns", ["-", "-", "-"], "3 5 7 3 5 7 3 5 7"],
  ["the most urgent come first", ["u=5", "u=1", "u=3"], "5 5 5 7 7 7 3 3 3"],
  ["one that says nothing has urgency 3", ["u=4", "-", "u=2"], "7 7 7 5 5 5 3 3 3"],
  ["of one urgency they come whole, in the order of requests", ["u=3", "u=3", "u=3"], "3 3 3 5 5 5 7 7 7"],
  ["incremental ones take turns", ["u=3, i", "u=3, i", "u=3, i"], "3 5 7 3 5 7 3 5 7"],
  ["those that say nothing take turns, too", ["-", "u=7", "-"], "3 7 3 7 3 7 5 5 5"],
  ["whole ones and incremental ones share an urgency", ["u=3", "u=3, i", "u=3"], "3 5 3 5 3 5 7 7 7"],
  ["a malformed field says nothing", ["u=3, i", "u=0,", "u=3, i"], "3 5 7 3 5 7 3 5 7"],
  ["a value out of range is the default", ["u=4, i", "u=9, i", "u=2, i"], "7 7 7 5 5 5 3 3 3"],
];

describe("the order of answers", () => {
  for (const [what, priorities, expected] of ORDERS) {
    it(what, () => {
      assert.equal(waiting(...priorities).turns(9), expected);
    });
  }

  it("changes with PRIORITY_UPDATE, also for those that wait", () => {
    const bottleneck = waiting("u=3, i", "u=3, i", "-");
    bottleneck.probe.feed(update(7, "u=0"));
    assert.equal(bottleneck.turns(3), "7 7 7");
    bottleneck.probe.feed(update(3, "u=6"));
    assert.equal(bottleneck.turns(6), "5 5 5 3 3 3");
  });

  it("takes what came before the request, and that before the field", () => {
    const bottleneck = new Bottleneck();
    bottleneck.probe.feed(update(7, "u=0"), update(5, "u=6"));
    for (const id of [3, 5, 7]) bottleneck.request(id, ["priority: u=4"]).say(id, FRAME);
    assert.equal(bottleneck.turns(3), "7 3 5");
  });

  it("is kept when a malformed PRIORITY_UPDATE comes", () => {
    const bottleneck = waiting("u=5", "u=1");
    bottleneck.probe.feed(update(3, "u=0,"), update(5, "\xff"), update(5, "x".repeat(2000)), update(9, "?"));
    assert.equal(bottleneck.turns(6), "5 5 5 3 3 3");
  });

  it("holds for one that has not had to wait yet", () => {
    const bottleneck = waiting("u=0");
    bottleneck.probe.feed(raw.windowUpdate(0, FRAME));
    bottleneck.request(5, ["priority: u=6"]).say(5, FRAME);
    assert.equal(bottleneck.turns(3), "3 3 3 5");
  });

  it("leaves something to the least urgent", () => {
    const bottleneck = new Bottleneck().request(3, ["priority: u=0"]).say(3, 200 * FRAME);
    for (const [index, urgency] of [1, 3, 7].entries())
      bottleneck.request(5 + 2 * index, [`priority: u=${urgency}, i`]).say(5 + 2 * index, 9 * FRAME);
    const turns = Array.from({ length: 128 }, () => bottleneck.turns(1));
    for (const id of ["5", "7", "9"]) assert.ok(turns.includes(id), turns.join(" "));
    assert.ok(turns.filter((id) => id === "3").length >= 120);
  });

  it("outlives streams that are reset while they wait", () => {
    const bottleneck = waiting("u=1", "u=1", "u=1, i", "u=5");
    bottleneck.probe.feed(raw.reset(3, CANCEL), raw.reset(9, CANCEL));
    assert.equal(bottleneck.turns(9), "5 7 5 7 5 7");
  });

  it("passes the field on", () => {
    const probe = Probe.ready("server").feed(raw.headers(1, [...raw.GET, "priority: u=1", "x: y", "priority: i"]));
    assert.deepEqual(probe.heads.get(1)?.headers, ["priority", "u=1", "x", "y", "priority", "i"]);
    assert.deepEqual([probe.stream(1).urgency, probe.stream(1).isSequential], [1, false]);
  });
});

describe("PRIORITY_UPDATE", () => {
  const BAD: readonly (readonly [what: string, bytes: Buffer, refusal: string])[] = [
    ["on a stream", update(1, "u=1", 1), "bad-stream-id PROTOCOL_ERROR"],
    ["for stream 0", update(0, "u=1"), "bad-priority-update PROTOCOL_ERROR"],
    ["for a stream that only a server can open", update(2, "u=1"), "bad-priority-update PROTOCOL_ERROR"],
    ["of three bytes", raw.rawFrame(0x10, 0, 0, Buffer.alloc(3)), "bad-frame-length FRAME_SIZE_ERROR"],
    [
      "inside of a header block",
      Buffer.concat([raw.headers(1, raw.GET, true, false), update(1, "u=1")]),
      "expected-continuation PROTOCOL_ERROR",
    ],
  ];
  for (const [what, bytes, refusal] of BAD) {
    it(`${what} ends the connection`, () => {
      assert.equal(Probe.ready("server").feed(bytes).refusal(), refusal);
      assert.equal(Probe.ready("server").feedPieces(bytes, [1]).refusal(), refusal);
    });
  }

  it("is nothing that a client may get", () => {
    assert.equal(Probe.ready("client").feed(update(1, "u=1")).refusal(), "bad-priority-update PROTOCOL_ERROR");
  });

  it("for a stream that is over means nothing", () => {
    const probe = Probe.ready("server").feed(raw.headers(3, raw.GET), raw.reset(3, CANCEL), update(3, "u=1"), update(1, "u=1"));
    assert.equal(probe.refusal(), "");
  });

  it("may come for as many streams as could be open, and no more", () => {
    const probe = Probe.ready("server", { maxConcurrentStreams: 3 }).feed(raw.headers(1, raw.GET), update(5, "u=1"), update(7, "u=1"));
    assert.equal(probe.feed(update(5, "u=2"), update(7, "u=3")).refusal(), "");
    // Stream 5 has been skipped: its place is free again.
    assert.equal(probe.feed(raw.headers(7, raw.GET), raw.reset(1, CANCEL), update(9, "u=1"), update(11, "u=1")).refusal(), "");
    assert.equal(probe.feed(update(13, "u=1")).refusal(), "bad-priority-update PROTOCOL_ERROR");
  });

  it("in numbers is a flood", () => {
    const probe = Probe.ready("server");
    const { burst } = DEFAULT_FLOOD_LIMITS["priority-flood"];
    for (let n = 0; n < burst; n++) probe.feed(update(1, "u=1"));
    assert.equal(probe.refusal(), "");
    assert.equal(probe.feed(update(1, "u=1")).refusal(), "priority-flood ENHANCE_YOUR_CALM");
  });

  it("takes the place of RFC 7540's, and that is settled with the first SETTINGS", () => {
    assert.ok(new Probe("server").output().includes(Buffer.from([0, 9, 0, 0, 0, 1])));
    assert.equal(
      Probe.ready("server")
        .feed(raw.settings([9, 0]))
        .refusal(),
      "",
    );
    assert.equal(
      Probe.ready("server")
        .feed(raw.settings([9, 1]))
        .refusal(),
      "bad-setting PROTOCOL_ERROR",
    );
    const probe = new Probe("server").feed(raw.PREFACE, raw.settings([9, 1]));
    assert.equal(probe.feed(raw.settings([9, 1])).refusal(), "");
    assert.equal(probe.feed(raw.settings([9, 0])).refusal(), "bad-setting PROTOCOL_ERROR");
  });
});
