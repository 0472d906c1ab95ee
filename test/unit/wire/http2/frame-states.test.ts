/** Every frame type in every state of a stream, both roles (RFC 9113 §5.1). */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CANCEL } from "../../../../src/wire/http2/error-codes.js";
import { OK, Probe } from "./probe.js";
import * as raw from "./raw-frames.js";

type State = "idle" | "open" | "half-closed (remote)" | "half-closed (local)" | "closed" | "reset by us" | "reset by peer";

const STATES: readonly State[] = ["idle", "open", "half-closed (remote)", "half-closed (local)", "closed", "reset by us", "reset by peer"];

/** What may be sent on stream 1 in each state; the type's number leads. */
const FRAMES: Readonly<Record<string, Buffer>> = {
  DATA: raw.data(1, "x"),
  "HEADERS, final": raw.headers(1, ["x: y"]),
  "HEADERS, unfinished": raw.headers(1, ["x: y"], false),
  PRIORITY: raw.priority(1, 3),
  RST_STREAM: raw.reset(1, CANCEL),
  SETTINGS: raw.rawFrame(4, 0, 1),
  PUSH_PROMISE: raw.rawFrame(5, 4, 1, raw.uint32(2)),
  PING: raw.rawFrame(6, 0, 1, Buffer.alloc(8)),
  GOAWAY: raw.rawFrame(7, 0, 1, Buffer.alloc(8)),
  WINDOW_UPDATE: raw.windowUpdate(1, 5),
  CONTINUATION: raw.continuation(1, ["x: y"]),
  unknown: raw.rawFrame(0x42, 0xff, 1, Buffer.from("whatever")),
};

/** These do not depend on the state: their stream identifier or their coming at all is wrong, or they mean nothing. */
const ALWAYS: Readonly<Record<string, string>> = {
  PRIORITY: "",
  SETTINGS: "bad-stream-id PROTOCOL_ERROR",
  PUSH_PROMISE: "push-promise PROTOCOL_ERROR",
  PING: "bad-stream-id PROTOCOL_ERROR",
  GOAWAY: "bad-stream-id PROTOCOL_ERROR",
  CONTINUATION: "unexpected-continuation PROTOCOL_ERROR",
  unknown: "",
};

/** "": accepted or ignored; `reset …` ends the stream, else the connection. */
const SERVER: Readonly<Record<string, Readonly<Record<State, string>>>> = {
  DATA: {
    idle: "idle-stream PROTOCOL_ERROR",
    open: "data",
    "half-closed (remote)": "reset 1 half-closed-stream STREAM_CLOSED",
    "half-closed (local)": "data",
    closed: "closed-stream STREAM_CLOSED",
    "reset by us": "",
    "reset by peer": "closed-stream STREAM_CLOSED",
  },
  "HEADERS, final": {
    idle: "refused 1 missing-pseudo-field PROTOCOL_ERROR",
    open: "trailers",
    "half-closed (remote)": "reset 1 half-closed-stream STREAM_CLOSED",
    "half-closed (local)": "trailers",
    closed: "closed-stream STREAM_CLOSED",
    "reset by us": "",
    "reset by peer": "closed-stream STREAM_CLOSED",
  },
  "HEADERS, unfinished": {
    idle: "refused 1 missing-pseudo-field PROTOCOL_ERROR",
    open: "reset 1 trailers-without-end PROTOCOL_ERROR",
    "half-closed (remote)": "reset 1 half-closed-stream STREAM_CLOSED",
    "half-closed (local)": "reset 1 trailers-without-end PROTOCOL_ERROR",
    closed: "closed-stream STREAM_CLOSED",
    "reset by us": "",
    "reset by peer": "closed-stream STREAM_CLOSED",
  },
  RST_STREAM: {
    idle: "idle-stream PROTOCOL_ERROR",
    open: "reset 1 by peer CANCEL",
    "half-closed (remote)": "reset 1 by peer CANCEL",
    "half-closed (local)": "reset 1 by peer CANCEL",
    closed: "",
    "reset by us": "",
    "reset by peer": "",
  },
  WINDOW_UPDATE: {
    idle: "idle-stream PROTOCOL_ERROR",
    open: "",
    "half-closed (remote)": "",
    "half-closed (local)": "",
    closed: "",
    "reset by us": "",
    "reset by peer": "",
  },
};

/** Where a client differs: nobody but itself opens streams, and the answer has begun in the open states. */
const CLIENT: typeof SERVER = {
  ...SERVER,
  "HEADERS, final": { ...(SERVER["HEADERS, final"] as Record<State, string>), idle: "idle-stream PROTOCOL_ERROR" },
  "HEADERS, unfinished": { ...(SERVER["HEADERS, unfinished"] as Record<State, string>), idle: "idle-stream PROTOCOL_ERROR" },
};

function serverIn(state: State): Probe {
  const probe = Probe.ready("server");
  if (state === "idle") return probe;
  probe.feed(raw.headers(1, raw.POST, state === "half-closed (remote)" || state === "closed"));
  const stream = probe.stream(1);
  if (state === "half-closed (local)" || state === "closed") probe.connection.sendResponse(stream, OK, true);
  return cutOff(probe, state);
}

function clientIn(state: State): Probe {
  const probe = Probe.ready("client");
  if (state === "idle") return probe;
  const isSent = state === "half-closed (local)" || state === "closed";
  probe.request(
    { method: "POST", scheme: "https", authority: "a", path: "/", protocol: "", headers: [], bodyLength: -1, acceptsTrailers: false },
    isSent,
  );
  probe.feed(raw.headers(1, [":status: 200"], state === "half-closed (remote)" || state === "closed"));
  return cutOff(probe, state);
}

function cutOff(probe: Probe, state: State): Probe {
  if (state === "reset by us") probe.connection.reset(probe.stream(1), CANCEL);
  if (state === "reset by peer") probe.feed(raw.reset(1, CANCEL));
  probe.frames();
  probe.events.length = 0;
  return probe;
}

/** In one word: the refusal, else the reset, else the kind of event, else "". */
function outcome(probe: Probe): string {
  const event = probe.events[0] ?? "";
  if (probe.refusal() !== "") return probe.refusal();
  return /^(?:reset|refused) /.test(event) ? event : (event.split(" ")[0] as string);
}

for (const [role, create, table] of [["server", serverIn, SERVER] as const, ["client", clientIn, CLIENT] as const]) {
  describe(`frames a ${role} gets`, () => {
    for (const [name, bytes] of Object.entries(FRAMES)) {
      for (const state of STATES) {
        const expected = ALWAYS[name] ?? table[name]?.[state];
        it(`${name} in state ${state}: ${expected === "" ? "nothing happens" : expected}`, () => {
          const probe = create(state).feed(bytes);
          assert.equal(outcome(probe), expected);
          const frames = probe.frames();
          if (probe.refusal() !== "") assert.match(frames.at(-1) ?? "", new RegExp(`^GOAWAY \\d+ ${probe.refusal().split(" ")[1]}$`));
          else if (/^reset 1 (?!by peer)|^refused/.test(expected as string))
            assert.deepEqual(frames, [`RST_STREAM 1 ${expected?.split(" ").at(-1)}`]);
          else assert.deepEqual(frames, []);
        });
      }
    }
  });
}

describe("a stream that we have reset and the peer has ended since", () => {
  for (const [name, end] of Object.entries({
    DATA: raw.data(1, "x", true),
    HEADERS: raw.headers(1, ["x: y"]),
    RST_STREAM: raw.reset(1, CANCEL),
  })) {
    it(`is closed: ${name} was the last frame it may have sent`, () => {
      const probe = serverIn("reset by us").feed(raw.data(1, "x"), end);
      assert.equal(probe.refusal(), "");
      assert.equal(probe.feed(raw.data(1, "x")).refusal(), "closed-stream STREAM_CLOSED");
    });
  }
});

describe("a stream identifier that no client may use", () => {
  for (const [name, bytes] of Object.entries({
    DATA: raw.data(2, "x"),
    RST_STREAM: raw.reset(2, 8),
    WINDOW_UPDATE: raw.windowUpdate(2, 1),
  })) {
    it(`${name} on an even stream is an error of the connection`, () => {
      assert.equal(Probe.ready("server").feed(bytes).refusal(), "idle-stream PROTOCOL_ERROR");
      assert.equal(Probe.ready("client").feed(bytes).refusal(), "idle-stream PROTOCOL_ERROR");
    });
  }

  it("HEADERS on an even stream is an error of the connection", () => {
    assert.equal(Probe.ready("server").feed(raw.headers(2, raw.GET)).refusal(), "bad-stream-id PROTOCOL_ERROR");
    assert.equal(
      Probe.ready("client")
        .feed(raw.headers(2, [":status: 200"]))
        .refusal(),
      "idle-stream PROTOCOL_ERROR",
    );
  });
});
