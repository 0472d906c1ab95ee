/** Every budget: what it allows at once, that it ends the connection by name, and that honest connections never meet it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CANCEL } from "../../../../src/wire/http2/error-codes.js";
import type { FloodKind } from "../../../../src/wire/http2/flood-budgets.js";
import { DEFAULT_FLOOD_LIMITS } from "../../../../src/wire/http2/flood-budgets.js";
import type { Http2Limits } from "../../../../src/wire/http2/limits.js";
import { OK, Probe } from "./probe.js";
import * as raw from "./raw-frames.js";

interface Flood {
  readonly kind: FloodKind;
  readonly name: string;
  readonly limits?: Partial<Http2Limits>;
  /** Sent once before. */
  readonly start?: Buffer;
  /** The frames that cost the n-th unit. */
  readonly unit: (n: number) => Buffer;
}

const id = (n: number) => 2 * n + 1;
const malformed = [...raw.GET, "connection: close"];

const FLOODS: readonly Flood[] = [
  {
    kind: "rapid-reset",
    name: "requests that are reset at once",
    unit: (n) => Buffer.concat([raw.headers(id(n), raw.GET), raw.reset(id(n), CANCEL)]),
  },
  { kind: "provoked-reset", name: "malformed requests", unit: (n) => raw.headers(id(n), malformed) },
  {
    kind: "provoked-reset",
    name: "requests that are broken by a WINDOW_UPDATE of 0",
    unit: (n) => Buffer.concat([raw.headers(id(n), raw.GET), raw.windowUpdate(id(n), 0)]),
  },
  {
    kind: "provoked-reset",
    name: "requests with data behind their end",
    unit: (n) => Buffer.concat([raw.headers(id(n), raw.GET), raw.data(id(n), "x")]),
  },
  {
    kind: "refused-streams",
    name: "streams over the limit",
    limits: { maxConcurrentStreams: 0 },
    unit: (n) => raw.headers(id(n), raw.GET),
  },
  { kind: "settings-flood", name: "SETTINGS", unit: () => raw.settings([1, 0]) },
  { kind: "settings-flood", name: "acknowledgements of SETTINGS", unit: () => raw.SETTINGS_ACK },
  { kind: "settings-flood", name: "GOAWAYs", unit: () => raw.goAway(0, 0) },
  { kind: "ping-flood", name: "PINGs", unit: () => raw.ping() },
  { kind: "ping-flood", name: "answers to no PING", unit: () => raw.ping("12345678", 1) },
  { kind: "window-update-flood", name: "WINDOW_UPDATEs", unit: () => raw.windowUpdate(0, 1) },
  { kind: "priority-flood", name: "PRIORITYs", unit: () => raw.priority(1, 3) },
  { kind: "empty-frames", name: "empty DATA", start: raw.headers(1, raw.POST, false), unit: () => raw.data(1, "") },
  { kind: "empty-frames", name: "DATA of padding", start: raw.headers(1, raw.POST, false), unit: () => raw.padded(raw.data(1, ""), 9) },
  {
    kind: "empty-frames",
    name: "empty HEADERS",
    unit: (n) => Buffer.concat([raw.rawFrame(1, 1, id(n)), raw.continuation(id(n), raw.GET), raw.reset(id(n), CANCEL)]),
    limits: { floods: { ...DEFAULT_FLOOD_LIMITS, "rapid-reset": { burst: 1e9, perSecond: 0, credit: "nothing" } } },
  },
  { kind: "unknown-frames", name: "frames of an unknown type", unit: () => raw.rawFrame(0x77, 0, 0, Buffer.from("x")) },
  {
    kind: "late-frames",
    name: "DATA on a stream that was reset",
    start: Buffer.concat([raw.headers(1, malformed, false)]),
    unit: () => raw.data(1, "x".repeat(100)),
  },
  { kind: "late-frames", name: "RST_STREAM on a stream that is over", start: raw.headers(1, malformed), unit: () => raw.reset(1, CANCEL) },
  {
    kind: "oversized-heads",
    name: "heads over the limit",
    limits: { maxListBytes: 500, maxConcurrentStreams: 1000 },
    unit: (n) => raw.headers(id(n), [...raw.GET, `x: ${"y".repeat(600)}`]),
  },
];

function limitOf({ kind, limits }: Flood) {
  return (limits?.floods ?? DEFAULT_FLOOD_LIMITS)[kind];
}

/** How many units pass until the connection is refused. Output is taken, as by a peer that reads. */
function countUntilRefused(probe: Probe, flood: Flood, max: number, first = 0): number {
  for (let n = first; n < first + max; n++) {
    probe.feed(flood.unit(n)).frames();
    if (probe.refusal() !== "") return n - first;
  }
  return max;
}

describe("a flood ends the connection with ENHANCE_YOUR_CALM", () => {
  for (const flood of FLOODS) {
    it(`${flood.kind}: ${flood.name}`, () => {
      const probe = Probe.ready("server", flood.limits).feed(flood.start ?? Buffer.alloc(0));
      const { burst } = limitOf(flood);
      const passed = countUntilRefused(probe, flood, burst + 60_000);
      // The handshake and the start have spent a few.
      assert.ok(passed <= burst + 1 && passed >= burst - 3, `${passed} of ${burst}`);
      assert.equal(probe.refusal(), `${flood.kind} ENHANCE_YOUR_CALM`);
      const before = probe.events.length;
      probe.feed(flood.unit(99_999));
      assert.equal(probe.events.length, before);
    });

    it(`${flood.kind}: ${flood.name}, at the pace of the refill, goes on for ever`, () => {
      const probe = Probe.ready("server", flood.limits).feed(flood.start ?? Buffer.alloc(0));
      const { burst, perSecond } = limitOf(flood);
      const perRound = Math.max(1, Math.floor(perSecond / 2));
      for (let n = 0; n < burst + 1000 && n < 4000; n += perRound) {
        assert.equal(countUntilRefused(probe, flood, perRound, n), perRound, probe.refusal());
        probe.nowMs += perSecond === 0 ? 0 : Math.ceil((perRound * 1000) / perSecond);
      }
    });
  }

  it("one header block in too many CONTINUATIONs", () => {
    const probe = Probe.ready("server").feed(raw.headers(1, raw.GET, true, false));
    for (let i = 0; i < 32; i++) probe.feed(raw.continuation(1, ["a: b"], false));
    assert.equal(probe.refusal(), "");
    assert.equal(probe.feed(raw.continuation(1, ["a: b"], false)).refusal(), "too-many-continuations ENHANCE_YOUR_CALM");
  });

  it("one header block of too many bytes", () => {
    const probe = Probe.ready("server", { maxContinuations: 1000 }).feed(raw.headers(1, raw.GET, true, false));
    const piece = raw.continuation(1, [`x: ${"y".repeat(16_000)}`], false);
    let sent = 0;
    for (; probe.refusal() === ""; sent += 16_000) probe.feed(piece);
    assert.equal(probe.refusal(), "header-block-too-large ENHANCE_YOUR_CALM");
    assert.ok(sent <= 131_072 + 16_000);
  });

  it("one SETTINGS frame of too many settings", () => {
    assert.equal(
      Probe.ready("server")
        .feed(raw.settings(Array.from({ length: 130 }, () => 3)))
        .refusal(),
      "too-many-settings ENHANCE_YOUR_CALM",
    );
  });

  it("output that nobody reads", () => {
    const floods = { ...DEFAULT_FLOOD_LIMITS, "ping-flood": { burst: 1e9, perSecond: 0, credit: "nothing" as const } };
    const probe = Probe.ready("server", { floods });
    let pings = 0;
    for (; probe.refusal() === "" && pings < 1e6; pings++) probe.feed(raw.ping());
    assert.equal(probe.refusal(), "unread-output ENHANCE_YOUR_CALM");
    assert.ok(pings * 17 <= 1_048_576 + 17);
  });

  it("answers that nobody reads are bounded, too", () => {
    const probe = Probe.ready("server");
    probe.onEvent = (stream, event) => {
      if (stream !== null && event.startsWith("request"))
        probe.connection.sendResponse(stream, { ...OK, headers: ["x-long", "y".repeat(1000)] }, true);
    };
    let requests = 0;
    for (; probe.refusal() === "" && requests < 1e5; requests++) {
      probe.feed(raw.headers(id(requests), raw.GET));
      assert.equal(probe.connection.isOutputFull, requests * 1000 > 60_000 ? probe.connection.isOutputFull : false);
    }
    assert.equal(probe.refusal(), "unread-output ENHANCE_YOUR_CALM");
    assert.equal(probe.connection.isOutputFull, true);
  });
});

describe("honest connections", () => {
  /** Requests, each answered at once with a small body; `extra` comes with each. */
  function serve(count: number, extra: (n: number) => Buffer): Probe {
    const probe = Probe.ready("server");
    probe.onEvent = (stream, event) => {
      if (stream === null || !event.startsWith("request")) return;
      probe.connection.sendResponse(stream, OK, false);
      probe.connection.sendData(stream, Buffer.from("hello"), true);
    };
    for (let n = 0; n < count && probe.refusal() === ""; n++) {
      probe.feed(raw.headers(id(n), raw.GET), extra(n));
      probe.frames();
    }
    return probe;
  }

  it("may acknowledge every frame on stream and connection", () => {
    assert.equal(serve(5000, (n) => Buffer.concat([raw.windowUpdate(id(n), 5), raw.windowUpdate(0, 5)])).refusal(), "");
  });

  it("may ping with every request, as gRPC does to measure", () => {
    assert.equal(serve(5000, () => Buffer.concat([raw.ping(), raw.windowUpdate(0, 5)])).refusal(), "");
  });

  it("may send PRIORITY or PRIORITY_UPDATE with every request, as browsers do", () => {
    assert.equal(serve(5000, (n) => Buffer.concat([raw.priority(id(n), 0), raw.windowUpdate(0, 5)])).refusal(), "");
    assert.equal(serve(5000, (n) => Buffer.concat([raw.rawFrame(0x10, 0, 0, raw.uint32(id(n))), raw.windowUpdate(0, 5)])).refusal(), "");
  });

  it("may cancel every second request", () => {
    assert.equal(serve(5000, (n) => (n % 2 === 0 ? raw.windowUpdate(0, 5) : raw.reset(id(n), CANCEL))).refusal(), "");
    const probe = Probe.ready("server");
    for (let n = 0; n < 4000 && probe.refusal() === ""; n++) {
      probe.feed(raw.headers(id(n), raw.GET));
      if (n % 2 === 0) probe.connection.sendResponse(probe.stream(id(n)), OK, true);
      else probe.feed(raw.reset(id(n), CANCEL));
      probe.frames();
    }
    assert.equal(probe.refusal(), "");
  });

  it("pay with what they did, and not for ever", () => {
    const probe = serve(100, (n) => raw.windowUpdate(id(n), 5));
    probe.onEvent = () => {};
    let resets = 0;
    for (; probe.refusal() === "" && resets < 1000; resets++) {
      const stream = id(1000 + resets);
      probe.feed(raw.headers(stream, raw.GET), raw.reset(stream, CANCEL)).frames();
    }
    assert.equal(resets, 200 + 100 + 1);
    assert.equal(probe.refusal(), "rapid-reset ENHANCE_YOUR_CALM");
  });

  it("may send what was under way when their stream was reset, and get its window back", () => {
    const probe = Probe.ready("server", { connectionWindowBytes: 65_535 });
    for (let n = 0; n < 200; n++) {
      probe.feed(raw.headers(id(n), raw.POST, false));
      probe.connection.reset(probe.stream(id(n)), CANCEL);
      probe.feed(raw.data(id(n), Buffer.alloc(16_000)), raw.data(id(n), Buffer.alloc(16_000), true)).frames();
    }
    assert.equal(probe.refusal(), "");
  });
});
