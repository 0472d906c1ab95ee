import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Probe } from "./probe.js";
import * as raw from "./raw-frames.js";

const LIMITS = { maxStreamWindowBytes: 262_144, connectionWindowBytes: 131_072, maxConnectionWindowBytes: 524_288 };
const FRAME = Buffer.alloc(16_000);

/** A server in the middle of an upload, with the round trip known: `frames` of it are sent and answered each `tripMs`. */
class Upload {
  readonly probe = Probe.ready("server", LIMITS);
  windowBytes = 65_535;

  constructor() {
    this.probe.feed(raw.headers(1, raw.POST, false));
  }

  /** Sends what the window allows, as if it all arrived after `tripMs`. Returns how much that was. */
  trip(tripMs: number): number {
    this.probe.nowMs += tripMs;
    let bytes = 0;
    for (; this.windowBytes >= FRAME.length; this.windowBytes -= FRAME.length, bytes += FRAME.length) this.probe.feed(raw.data(1, FRAME));
    this.#read();
    return bytes;
  }

  #read(): void {
    for (const frame of this.probe.frames()) {
      const [type, id, increment] = frame.split(" ");
      if (type === "WINDOW_UPDATE" && id === "1") this.windowBytes += Number(increment);
      if (type === "PING") {
        this.probe.nowMs += 50;
        this.probe.feed(raw.ping("wnd-size", 1));
      }
    }
  }
}

describe("windows of what we receive", () => {
  it("grow while the sender needs them within two round trips, and no further than the limit", () => {
    const upload = new Upload();
    const amounts = Array.from({ length: 12 }, () => upload.trip(50));
    assert.ok(amounts[0] === 64_000 && Math.max(...amounts) > 190_000 && (amounts.at(-1) as number) > 130_000, amounts.join(" "));
    assert.ok(amounts.every((bytes) => bytes <= 262_144));
    assert.deepEqual(upload.probe.refusal(), "");
    assert.ok(!upload.probe.events.includes("ping ack"), "the owner's pings are others");
  });

  it("stay as they are for a sender that is slower than they allow", () => {
    const upload = new Upload();
    upload.trip(50);
    const amounts = Array.from({ length: 6 }, () => upload.trip(1_000));
    assert.ok(
      amounts.every((bytes) => bytes <= 2 * 65_535),
      amounts.join(" "),
    );
  });

  it("shrink again when the sender, or the owner, is slow", () => {
    const upload = new Upload();
    for (let i = 0; i < 12; i++) upload.trip(50);
    const { probe } = upload;
    probe.isConsuming = false;
    const amounts: number[] = [];
    for (let i = 0; i < 12; i++) {
      amounts.push(upload.trip(2_000));
      for (let bytes = amounts.at(-1) as number; bytes > 0; bytes -= FRAME.length) probe.connection.consume(probe.stream(1), FRAME.length);
      upload.trip(0);
    }
    assert.ok((amounts[0] as number) > 130_000 && (amounts.at(-1) as number) <= 80_000, amounts.join(" "));
  });

  it("do not grow on answers to pings that were not sent", () => {
    const probe = Probe.ready("server", LIMITS);
    probe.feed(raw.ping("wnd-size", 1), raw.headers(1, raw.POST, false), raw.data(1, FRAME), raw.data(1, FRAME), raw.data(1, FRAME));
    assert.deepEqual(
      probe.frames().filter((frame) => frame.startsWith("WINDOW_UPDATE")),
      ["WINDOW_UPDATE 1 +48000"],
    );
  });
});
