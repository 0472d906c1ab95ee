/**
 * The cases of h2spec by their numbers there, as a table: what the client sends and how the server must react. h2spec takes an
 * error of the connection for one of a stream; here it is said which one comes. Streams that are half-closed there are closed here
 * when the answer leaves at once; `frame-states.test.ts` has all states.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OK, Probe } from "./probe.js";
import * as raw from "./raw-frames.js";

interface Case {
  readonly name: string;
  readonly send: readonly Buffer[];
  /** Frames that must be among the output, in order. */
  readonly expect: readonly string[];
}

const CLOSE = (code: string, lastId = 0) => [`GOAWAY ${lastId} ${code}`];
const RESET = (code: string, id = 1) => [`RST_STREAM ${id} ${code}`];
const ANSWER = (id = 1) => [`HEADERS ${id}`, `DATA ${id} 5 END`];
const LONG = (length: number) => "x".repeat(length);

const get = raw.headers(1, raw.GET);
const post = raw.headers(1, raw.POST, false);
const unfinished = raw.headers(1, raw.GET, true, false);
const without = (name: string) => raw.GET.filter((field) => !field.startsWith(name));
const getWith = (...fields: string[]) => raw.headers(1, [...raw.GET, ...fields]);
const bytes = (...values: number[]) => Buffer.from(values);
const withPriority = (dependency: number) =>
  raw.rawFrame(1, 0x25, 1, Buffer.concat([raw.uint32(dependency), bytes(255), raw.block(raw.GET)]));

const GENERIC: readonly Case[] = [
  { name: "generic 1/1 client connection preface", send: [], expect: [] },
  { name: "generic 2/1 PRIORITY on an idle stream, then HEADERS", send: [raw.priority(1, 0), get], expect: ANSWER() },
  { name: "generic 2/2 WINDOW_UPDATE on half-closed (remote)", send: [get, raw.windowUpdate(1, 1)], expect: ANSWER() },
  { name: "generic 2/3 PRIORITY on half-closed (remote)", send: [get, raw.priority(1, 0)], expect: ANSWER() },
  { name: "generic 2/4 RST_STREAM on half-closed (remote)", send: [get, raw.reset(1, 8), raw.ping()], expect: ["PING ACK 12345678"] },
  { name: "generic 2/5 PRIORITY on closed", send: [get, raw.priority(1, 0), raw.ping()], expect: [...ANSWER(), "PING ACK 12345678"] },
  { name: "generic 3.1/1 DATA", send: [post, raw.data(1, "test", true)], expect: ANSWER() },
  {
    name: "generic 3.1/2 several DATA",
    send: [post, raw.data(1, "test"), raw.data(1, "test", true)],
    expect: ANSWER(),
  },
  { name: "generic 3.1/3 padded DATA", send: [post, raw.padded(raw.data(1, "test", true), 6)], expect: ANSWER() },
  { name: "generic 3.2/1 HEADERS", send: [get], expect: ANSWER() },
  { name: "generic 3.2/2 padded HEADERS", send: [raw.padded(get, 6)], expect: ANSWER() },
  { name: "generic 3.2/3 HEADERS with priority", send: [withPriority(0)], expect: ANSWER() },
  { name: "generic 3.3/1–3 PRIORITY with weights and dependencies", send: [raw.priority(1, 0), raw.priority(3, 1), get], expect: ANSWER() },
  { name: "generic 3.3/4 PRIORITY with a dependency on a stream to come", send: [raw.priority(1, 0x8000_0005), get], expect: ANSWER() },
  { name: "generic 3.4/1 RST_STREAM", send: [get, raw.reset(1, 8), raw.ping()], expect: ["PING ACK 12345678"] },
  { name: "generic 3.5/1 SETTINGS", send: [raw.settings([3, 100])], expect: ["SETTINGS ACK"] },
  { name: "generic 3.7/1 PING", send: [raw.ping("h2spec!!")], expect: ["PING ACK h2spec!!"] },
  { name: "generic 3.8/1 GOAWAY", send: [raw.goAway(0, 0), raw.ping()], expect: ["PING ACK 12345678"] },
  { name: "generic 3.9/1 WINDOW_UPDATE on the connection", send: [raw.windowUpdate(0, 1), get], expect: ANSWER() },
  { name: "generic 3.9/2 WINDOW_UPDATE on a stream", send: [post, raw.windowUpdate(1, 1), raw.data(1, "", true)], expect: ANSWER() },
  { name: "generic 3.10/1 CONTINUATION", send: [unfinished, raw.continuation(1, ["a: b"])], expect: ANSWER() },
  {
    name: "generic 3.10/2 several CONTINUATIONs",
    send: [unfinished, raw.continuation(1, ["a: b"], false), raw.continuation(1, ["c: d"])],
    expect: ANSWER(),
  },
  { name: "generic 4/1–2 GET and HEAD", send: [raw.headers(1, [":method: HEAD", ...without(":method")])], expect: ["HEADERS 1 END"] },
  { name: "generic 4/3 POST with trailers", send: [post, raw.data(1, "test"), raw.headers(1, ["x-test: ok"])], expect: ANSWER() },
];

const HTTP2: readonly Case[] = [
  {
    name: "http2 4.1/1 a frame of unknown type",
    send: [raw.rawFrame(0x16, 0, 0, Buffer.alloc(8)), raw.ping()],
    expect: ["PING ACK 12345678"],
  },
  { name: "http2 4.1/2 undefined flags", send: [raw.rawFrame(6, 0x16, 0, Buffer.alloc(8))], expect: ["PING ACK \0\0\0\0\0\0\0\0"] },
  {
    name: "http2 4.1/3 the reserved bit",
    send: [raw.rawFrame(6, 0, 0x8000_0000, Buffer.from("12345678"))],
    expect: ["PING ACK 12345678"],
  },
  { name: "http2 4.2/1 DATA of 2^14 bytes", send: [post, raw.data(1, LONG(16_384), true)], expect: ANSWER() },
  { name: "http2 4.2/2 DATA over the frame size", send: [post, raw.data(1, LONG(16_385), true)], expect: CLOSE("FRAME_SIZE_ERROR", 1) },
  {
    name: "http2 4.2/3 HEADERS over the frame size",
    send: [raw.headers(1, [...raw.GET, `x: ${LONG(16_385)}`])],
    expect: CLOSE("FRAME_SIZE_ERROR"),
  },
  { name: "http2 4.3/1 an invalid header block", send: [raw.rawFrame(1, 5, 1, bytes(0x40))], expect: CLOSE("COMPRESSION_ERROR", 1) },
  { name: "http2 4.3/2 PRIORITY inside a header block", send: [unfinished, raw.priority(1, 0)], expect: CLOSE("PROTOCOL_ERROR", 1) },
  {
    name: "http2 4.3/3 HEADERS of another stream inside a header block",
    send: [unfinished, raw.headers(3, raw.GET)],
    expect: CLOSE("PROTOCOL_ERROR", 1),
  },
  { name: "http2 5.1/1 idle: DATA", send: [raw.data(1, "test", true)], expect: CLOSE("PROTOCOL_ERROR") },
  { name: "http2 5.1/2 idle: RST_STREAM", send: [raw.reset(1, 8)], expect: CLOSE("PROTOCOL_ERROR") },
  { name: "http2 5.1/3 idle: WINDOW_UPDATE", send: [raw.windowUpdate(1, 100)], expect: CLOSE("PROTOCOL_ERROR") },
  { name: "http2 5.1/4 idle: CONTINUATION", send: [raw.continuation(1, raw.GET)], expect: CLOSE("PROTOCOL_ERROR") },
  { name: "http2 5.1/5 half-closed (remote): DATA", send: [get, raw.data(1, "test", true)], expect: CLOSE("STREAM_CLOSED", 1) },
  { name: "http2 5.1/6 half-closed (remote): HEADERS", send: [get, get], expect: CLOSE("STREAM_CLOSED", 1) },
  {
    name: "http2 5.1/7 half-closed (remote): CONTINUATION",
    send: [get, raw.continuation(1, ["a: b"])],
    expect: CLOSE("PROTOCOL_ERROR", 1),
  },
  { name: "http2 5.1/8 reset: DATA", send: [post, raw.reset(1, 8), raw.data(1, "test", true)], expect: CLOSE("STREAM_CLOSED", 1) },
  { name: "http2 5.1/9 reset: HEADERS", send: [post, raw.reset(1, 8), get], expect: CLOSE("STREAM_CLOSED", 1) },
  {
    name: "http2 5.1/10 reset: CONTINUATION",
    send: [post, raw.reset(1, 8), raw.continuation(1, ["a: b"])],
    expect: CLOSE("PROTOCOL_ERROR", 1),
  },
  { name: "http2 5.1.1/1 an even stream identifier", send: [raw.headers(2, raw.GET)], expect: CLOSE("PROTOCOL_ERROR") },
  {
    name: "http2 5.1.1/2 a stream identifier that is smaller than the last",
    send: [raw.headers(5, raw.GET), raw.headers(3, raw.GET)],
    expect: CLOSE("PROTOCOL_ERROR", 5),
  },
  { name: "http2 5.3.1/1 HEADERS that depend on themselves", send: [withPriority(1)], expect: RESET("PROTOCOL_ERROR") },
  { name: "http2 5.3.1/2 PRIORITY that depends on itself", send: [raw.priority(2, 2)], expect: CLOSE("PROTOCOL_ERROR") },
  {
    name: "http2 5.4.1/1 GOAWAY before an error closes the connection",
    send: [raw.ping(), raw.rawFrame(0, 0, 0)],
    expect: CLOSE("PROTOCOL_ERROR"),
  },
  {
    name: "http2 5.5/1 an unknown extension frame",
    send: [raw.rawFrame(0x16, 0, 0, Buffer.alloc(8)), raw.ping()],
    expect: ["PING ACK 12345678"],
  },
  {
    name: "http2 5.5/2 an unknown extension frame inside a header block",
    send: [unfinished, raw.rawFrame(0x16, 0, 1, Buffer.alloc(8))],
    expect: CLOSE("PROTOCOL_ERROR", 1),
  },
  { name: "http2 6.1/1 DATA on stream 0", send: [raw.data(0, "test", true)], expect: CLOSE("PROTOCOL_ERROR") },
  { name: "http2 6.1/2 DATA on a stream that is not open", send: [get, raw.data(1, "test", true)], expect: CLOSE("STREAM_CLOSED", 1) },
  {
    name: "http2 6.1/3 DATA with too much padding",
    send: [post, raw.rawFrame(0, 9, 1, Buffer.concat([bytes(6), Buffer.from("test")]))],
    expect: CLOSE("PROTOCOL_ERROR", 1),
  },
  { name: "http2 6.2/1 HEADERS without an end, then PRIORITY", send: [unfinished, raw.priority(1, 0)], expect: CLOSE("PROTOCOL_ERROR", 1) },
  {
    name: "http2 6.2/2 HEADERS without an end, then HEADERS",
    send: [unfinished, raw.headers(3, raw.GET)],
    expect: CLOSE("PROTOCOL_ERROR", 1),
  },
  { name: "http2 6.2/3 HEADERS on stream 0", send: [raw.headers(0, raw.GET)], expect: CLOSE("PROTOCOL_ERROR") },
  {
    name: "http2 6.2/4 HEADERS with too much padding",
    send: [raw.rawFrame(1, 0xd, 1, Buffer.concat([bytes(100), raw.block(raw.GET)]))],
    expect: CLOSE("PROTOCOL_ERROR"),
  },
  { name: "http2 6.3/1 PRIORITY on stream 0", send: [raw.priority(0, 0)], expect: CLOSE("PROTOCOL_ERROR") },
  {
    name: "http2 6.3/2 PRIORITY of another length",
    send: [post, raw.rawFrame(2, 0, 1, Buffer.alloc(4))],
    expect: CLOSE("FRAME_SIZE_ERROR", 1),
  },
  { name: "http2 6.4/1 RST_STREAM on stream 0", send: [raw.reset(0, 8)], expect: CLOSE("PROTOCOL_ERROR") },
  { name: "http2 6.4/2 RST_STREAM on an idle stream", send: [raw.reset(1, 8)], expect: CLOSE("PROTOCOL_ERROR") },
  {
    name: "http2 6.4/3 RST_STREAM of another length",
    send: [post, raw.rawFrame(3, 0, 1, Buffer.alloc(3))],
    expect: CLOSE("FRAME_SIZE_ERROR", 1),
  },
  {
    name: "http2 6.5/1 SETTINGS with ACK and a payload",
    send: [raw.rawFrame(4, 1, 0, Buffer.alloc(6))],
    expect: CLOSE("FRAME_SIZE_ERROR"),
  },
  { name: "http2 6.5/2 SETTINGS on a stream", send: [raw.rawFrame(4, 0, 1, Buffer.alloc(6))], expect: CLOSE("PROTOCOL_ERROR") },
  { name: "http2 6.5/3 SETTINGS of another length", send: [raw.rawFrame(4, 0, 0, Buffer.alloc(3))], expect: CLOSE("FRAME_SIZE_ERROR") },
  { name: "http2 6.5.2/1 ENABLE_PUSH beyond 1", send: [raw.settings([2, 2])], expect: CLOSE("PROTOCOL_ERROR") },
  { name: "http2 6.5.2/2 INITIAL_WINDOW_SIZE beyond 2^31-1", send: [raw.settings([4, 2 ** 31])], expect: CLOSE("FLOW_CONTROL_ERROR") },
  { name: "http2 6.5.2/3 MAX_FRAME_SIZE below 2^14", send: [raw.settings([5, 16_383])], expect: CLOSE("PROTOCOL_ERROR") },
  { name: "http2 6.5.2/4 MAX_FRAME_SIZE beyond 2^24-1", send: [raw.settings([5, 2 ** 24])], expect: CLOSE("PROTOCOL_ERROR") },
  { name: "http2 6.5.2/5 an unknown setting", send: [raw.settings([0xff, 1]), raw.ping()], expect: ["SETTINGS ACK", "PING ACK 12345678"] },
  {
    name: "http2 6.5.3/1 several INITIAL_WINDOW_SIZEs",
    send: [raw.settings([4, 100, 4, 1]), get],
    expect: ["SETTINGS ACK", "HEADERS 1", "DATA 1 1"],
  },
  { name: "http2 6.5.3/2 SETTINGS are acknowledged", send: [raw.settings()], expect: ["SETTINGS ACK"] },
  { name: "http2 6.7/1 PING", send: [raw.ping()], expect: ["PING ACK 12345678"] },
  { name: "http2 6.7/2 PING with ACK", send: [raw.ping("invalid!", 1), raw.ping()], expect: ["PING ACK 12345678"] },
  { name: "http2 6.7/3 PING on a stream", send: [raw.rawFrame(6, 0, 1, Buffer.alloc(8))], expect: CLOSE("PROTOCOL_ERROR") },
  { name: "http2 6.7/4 PING of another length", send: [raw.rawFrame(6, 0, 0, Buffer.alloc(6))], expect: CLOSE("FRAME_SIZE_ERROR") },
  { name: "http2 6.8/1 GOAWAY on a stream", send: [raw.rawFrame(7, 0, 1, Buffer.alloc(8))], expect: CLOSE("PROTOCOL_ERROR") },
  { name: "http2 6.9/1 WINDOW_UPDATE of 0 on the connection", send: [raw.windowUpdate(0, 0)], expect: CLOSE("PROTOCOL_ERROR") },
  { name: "http2 6.9/2 WINDOW_UPDATE of 0 on a stream", send: [post, raw.windowUpdate(1, 0)], expect: RESET("PROTOCOL_ERROR") },
  {
    name: "http2 6.9/3 WINDOW_UPDATE of another length",
    send: [raw.rawFrame(8, 0, 0, Buffer.alloc(3))],
    expect: CLOSE("FRAME_SIZE_ERROR"),
  },
  { name: "http2 6.9.1/1 DATA within the window", send: [raw.settings([4, 1]), get], expect: ["SETTINGS ACK", "HEADERS 1", "DATA 1 1"] },
  {
    name: "http2 6.9.1/2 the connection's window beyond 2^31-1",
    send: [raw.windowUpdate(0, 2 ** 31 - 1), raw.windowUpdate(0, 2 ** 31 - 1)],
    expect: CLOSE("FLOW_CONTROL_ERROR"),
  },
  {
    name: "http2 6.9.1/3 a stream's window beyond 2^31-1",
    send: [post, raw.windowUpdate(1, 2 ** 31 - 1), raw.windowUpdate(1, 2 ** 31 - 1)],
    expect: RESET("FLOW_CONTROL_ERROR"),
  },
  {
    name: "http2 6.9.2/1 INITIAL_WINDOW_SIZE changes after HEADERS",
    send: [raw.settings([4, 0]), get, raw.settings([4, 1])],
    expect: ["SETTINGS ACK", "HEADERS 1", "SETTINGS ACK", "DATA 1 1"],
  },
  {
    name: "http2 6.9.2/2 a negative window",
    send: [raw.settings([4, 3]), get, raw.settings([4, 2]), raw.windowUpdate(1, 2)],
    expect: ["HEADERS 1", "DATA 1 3", "SETTINGS ACK", "DATA 1 1"],
  },
  {
    name: "http2 6.9.2/3 INITIAL_WINDOW_SIZE beyond 2^31-1 later",
    send: [raw.settings([4, 2 ** 31])],
    expect: CLOSE("FLOW_CONTROL_ERROR"),
  },
  {
    name: "http2 6.10/1 several CONTINUATIONs",
    send: [unfinished, raw.continuation(1, ["a: b"], false), raw.continuation(1, ["c: d"])],
    expect: ANSWER(),
  },
  {
    name: "http2 6.10/2 another frame behind a CONTINUATION that is not the last",
    send: [unfinished, raw.continuation(1, ["a: b"], false), raw.data(1, "test")],
    expect: CLOSE("PROTOCOL_ERROR", 1),
  },
  { name: "http2 6.10/3 CONTINUATION on stream 0", send: [unfinished, raw.continuation(0, ["a: b"])], expect: CLOSE("PROTOCOL_ERROR", 1) },
  {
    name: "http2 6.10/4 CONTINUATION after HEADERS with END_HEADERS",
    send: [post, raw.continuation(1, ["a: b"])],
    expect: CLOSE("PROTOCOL_ERROR", 1),
  },
  {
    name: "http2 6.10/5 CONTINUATION after a CONTINUATION with END_HEADERS",
    send: [raw.headers(1, raw.POST, false, false), raw.continuation(1, ["a: b"]), raw.continuation(1, ["c: d"])],
    expect: CLOSE("PROTOCOL_ERROR", 1),
  },
  {
    name: "http2 6.10/6 CONTINUATION after DATA",
    send: [post, raw.data(1, "test"), raw.continuation(1, ["a: b"])],
    expect: CLOSE("PROTOCOL_ERROR", 1),
  },
  { name: "http2 7/1 GOAWAY with an unknown code", send: [raw.goAway(0, 0xff), raw.ping()], expect: ["PING ACK 12345678"] },
  { name: "http2 7/2 RST_STREAM with an unknown code", send: [get, raw.reset(1, 0xff), raw.ping()], expect: ["PING ACK 12345678"] },
  {
    name: "http2 8.1/1 a second HEADERS without END_STREAM",
    send: [post, raw.headers(1, ["x-test: ok"], false)],
    expect: RESET("PROTOCOL_ERROR"),
  },
  { name: "http2 8.1.2/1 an upper-case field name", send: [getWith("X-TEST: ok")], expect: RESET("PROTOCOL_ERROR") },
  { name: "http2 8.1.2.1/1 an unknown pseudo-field", send: [raw.headers(1, [...raw.GET, ":test: ok"])], expect: RESET("PROTOCOL_ERROR") },
  {
    name: "http2 8.1.2.1/2 a response's pseudo-field",
    send: [raw.headers(1, [...raw.GET, ":status: 200"])],
    expect: RESET("PROTOCOL_ERROR"),
  },
  {
    name: "http2 8.1.2.1/3 a pseudo-field in trailers",
    send: [post, raw.data(1, "test"), raw.headers(1, [":method: GET"])],
    expect: RESET("PROTOCOL_ERROR"),
  },
  {
    name: "http2 8.1.2.1/4 a pseudo-field behind a field",
    send: [raw.headers(1, ["x-test: ok", ...raw.GET])],
    expect: RESET("PROTOCOL_ERROR"),
  },
  { name: "http2 8.1.2.2/1 a connection-specific field", send: [getWith("connection: keep-alive")], expect: RESET("PROTOCOL_ERROR") },
  { name: "http2 8.1.2.2/2 te other than trailers", send: [getWith("te: trailers, deflate")], expect: RESET("PROTOCOL_ERROR") },
  { name: "http2 8.1.2.3/1 an empty :path", send: [raw.headers(1, [...without(":path"), ":path: "])], expect: RESET("PROTOCOL_ERROR") },
  { name: "http2 8.1.2.3/2 no :method", send: [raw.headers(1, without(":method"))], expect: RESET("PROTOCOL_ERROR") },
  { name: "http2 8.1.2.3/3 no :scheme", send: [raw.headers(1, without(":scheme"))], expect: RESET("PROTOCOL_ERROR") },
  { name: "http2 8.1.2.3/4 no :path", send: [raw.headers(1, without(":path"))], expect: RESET("PROTOCOL_ERROR") },
  { name: "http2 8.1.2.3/5 :method twice", send: [raw.headers(1, [...raw.GET, ":method: GET"])], expect: RESET("PROTOCOL_ERROR") },
  { name: "http2 8.1.2.3/6 :scheme twice", send: [raw.headers(1, [...raw.GET, ":scheme: https"])], expect: RESET("PROTOCOL_ERROR") },
  { name: "http2 8.1.2.3/7 :path twice", send: [raw.headers(1, [...raw.GET, ":path: /"])], expect: RESET("PROTOCOL_ERROR") },
  {
    name: "http2 8.1.2.6/1 content-length that is not the sum of one DATA",
    send: [raw.headers(1, [...raw.POST, "content-length: 1"], false), raw.data(1, "test", true)],
    expect: RESET("PROTOCOL_ERROR"),
  },
  {
    name: "http2 8.1.2.6/2 content-length that is not the sum of several DATA",
    send: [raw.headers(1, [...raw.POST, "content-length: 1"], false), raw.data(1, "te"), raw.data(1, "st", true)],
    expect: RESET("PROTOCOL_ERROR"),
  },
  { name: "http2 8.2/1 PUSH_PROMISE", send: [post, raw.rawFrame(5, 4, 1, raw.uint32(2))], expect: CLOSE("PROTOCOL_ERROR", 1) },
];

const HPACK: readonly Case[] = [
  { name: "hpack 2.3.3/1 an index beyond the tables", send: [block(0xc6)], expect: CLOSE("COMPRESSION_ERROR", 1) },
  {
    name: "hpack 2.3.3/2 a literal whose name's index is beyond them",
    send: [block(0x7f, 0x07, 1, 0x61)],
    expect: CLOSE("COMPRESSION_ERROR", 1),
  },
  { name: "hpack 4.2/1 a table size update at the end", send: [blockThen(0x20)], expect: CLOSE("COMPRESSION_ERROR", 1) },
  {
    name: "hpack 5.2/1 Huffman padding beyond 7 bits",
    send: [blockThen(0, 1, 0x61, 0x83, 0x1f, 0xff, 0xff)],
    expect: CLOSE("COMPRESSION_ERROR", 1),
  },
  { name: "hpack 5.2/2 Huffman padding of zeros", send: [blockThen(0, 1, 0x61, 0x81, 0x18)], expect: CLOSE("COMPRESSION_ERROR", 1) },
  {
    name: "hpack 5.2/3 EOS inside",
    send: [blockThen(0, 1, 0x61, 0x84, 0xff, 0xff, 0xff, 0xff)],
    expect: CLOSE("COMPRESSION_ERROR", 1),
  },
  { name: "hpack 6.1/1 index 0", send: [block(0x80)], expect: CLOSE("COMPRESSION_ERROR", 1) },
  { name: "hpack 6.3/1 a table size update beyond the setting", send: [block(0x3f, 0xe2, 0x1f)], expect: CLOSE("COMPRESSION_ERROR", 1) },
];

function block(...values: number[]): Buffer {
  return raw.rawFrame(1, 5, 1, Buffer.from(values));
}

function blockThen(...values: number[]): Buffer {
  return raw.rawFrame(1, 5, 1, Buffer.concat([raw.block(raw.GET), Buffer.from(values)]));
}

/** Answers every complete request with five bytes; h2spec's servers do the like. */
function createServer(): Probe {
  const probe = Probe.ready("server");
  const rests = new Map<number, number>();
  probe.onEvent = (stream, event) => {
    if (stream === null) return;
    const offer = (bytes: number) => rests.set(stream.id, bytes - probe.connection.sendData(stream, Buffer.alloc(bytes), true));
    if (event.startsWith("writable")) offer(rests.get(stream.id) ?? 0);
    else if (/^trailers|END$/.test(event)) {
      probe.connection.sendResponse(stream, OK, event.includes("HEAD"));
      offer(5);
    }
  };
  return probe;
}

/** Whether `expected` is in `frames` in this order; other frames may stand between. */
function includesInOrder(frames: readonly string[], expected: readonly string[]): boolean {
  let at = 0;
  for (const frame of frames) if (frame === expected[at]) at++;
  return at === expected.length;
}

for (const [section, cases] of Object.entries({ generic: GENERIC, http2: HTTP2, hpack: HPACK })) {
  describe(`h2spec ${section}`, () => {
    for (const { expect, name, send } of cases) {
      it(name, () => {
        const probe = createServer();
        const frames: string[] = [];
        for (const bytes of send) frames.push(...probe.feed(bytes).frames());
        assert.ok(includesInOrder(frames, expect), `${frames.join(", ")} instead of ${expect.join(", ")}`);
        const isClosed = expect.some((frame) => frame.startsWith("GOAWAY"));
        assert.equal(probe.refusal() !== "", isClosed, probe.refusal());
      });
    }
  });
}

describe("h2spec, beginnings", () => {
  it("http2 3.5/1 a valid preface and SETTINGS are answered", () => {
    const probe = new Probe("server").feed(raw.PREFACE, raw.settings());
    assert.deepEqual(probe.frames(), ["SETTINGS", "WINDOW_UPDATE 0 +983041", "SETTINGS ACK"]);
  });

  it("http2 3.5/2 an invalid preface ends the connection", () => {
    const probe = new Probe("server").feed(Buffer.from("INVALID CONNECTION PREFACE\r\n\r\n"));
    assert.equal(probe.refusal(), "bad-preface PROTOCOL_ERROR");
  });

  it("http2 5.1/11–13 frames on a closed stream", () => {
    const outcomes = [raw.data(1, "test"), raw.headers(1, raw.GET), raw.continuation(1, ["a: b"])].map((bytes) =>
      createServer().feed(get, bytes).refusal(),
    );
    assert.deepEqual(outcomes, ["closed-stream STREAM_CLOSED", "closed-stream STREAM_CLOSED", "unexpected-continuation PROTOCOL_ERROR"]);
  });

  it("http2 5.1.2/1 streams beyond the limit are refused", () => {
    const probe = Probe.ready("server", { maxConcurrentStreams: 2 });
    probe.feed(get, raw.headers(3, raw.GET), raw.headers(5, raw.GET), raw.ping());
    assert.deepEqual(probe.frames(), ["RST_STREAM 5 REFUSED_STREAM", "PING ACK 12345678"]);
  });

  it("http2 6.5/4 the first frame has to be SETTINGS", () => {
    assert.equal(new Probe("server").feed(raw.PREFACE, raw.ping()).refusal(), "settings-not-first PROTOCOL_ERROR");
    assert.equal(new Probe("server").feed(raw.PREFACE, raw.SETTINGS_ACK).refusal(), "settings-not-first PROTOCOL_ERROR");
    assert.equal(new Probe("client").feed(raw.ping()).refusal(), "settings-not-first PROTOCOL_ERROR");
  });
});
