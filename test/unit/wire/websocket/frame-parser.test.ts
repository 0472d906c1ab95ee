import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { FrameEvents } from "../../../../src/wire/websocket/frame-parser.js";
import { FrameParser } from "../../../../src/wire/websocket/frame-parser.js";
import { BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT } from "../../../../src/wire/websocket/opcodes.js";
import type { RawFrame } from "./raw-frame.js";
import { codeAndReason, rawFrame, rawFrames } from "./raw-frame.js";
import type { FrameEvent, FrameReadingOptions } from "./read-frames.js";
import { readFrames } from "./read-frames.js";

const MASK = 0x9abc_def1;
const HELLO = Buffer.from("Hello");
/** From RFC 6455 §5.7. */
const MASKED_HELLO = Buffer.from("818537fa213d7f9f4d5158", "hex");
const FRAGMENTED_HELLO = Buffer.from("010348656c80026c6f", "hex");

const silent: FrameEvents = { onMessage: () => true, onPing: () => {}, onPong: () => {}, onClose: () => {} };

describe("the frame parser reads", () => {
  const rows: [string, Uint8Array, FrameEvent[], FrameReadingOptions?][] = [
    ["a text message", rawFrame({ opcode: TEXT, payload: HELLO }), [{ kind: "text", data: "Hello" }]],
    ["the masked text of RFC 6455 §5.7", MASKED_HELLO, [{ kind: "text", data: "Hello" }], { isMasked: true }],
    ["the fragmented text of RFC 6455 §5.7", FRAGMENTED_HELLO, [{ kind: "text", data: "Hello" }]],
    ["an empty text and an empty binary message", rawFrames({ opcode: TEXT }, { opcode: BINARY }), [text(""), binary("")]],
    ["an empty masked message", rawFrame({ opcode: BINARY, mask: MASK }), [binary("")], { isMasked: true }],
    ["binary that is not UTF-8", rawFrame({ opcode: BINARY, payload: Buffer.of(0xff, 0xc0) }), [binary("\xff\xc0")]],
    [
      "a message in fragments, some of them empty",
      rawFrames(
        { opcode: BINARY, isFinal: false },
        { opcode: CONTINUATION, isFinal: false, payload: Buffer.from("ab") },
        { opcode: CONTINUATION, isFinal: false },
        { opcode: CONTINUATION, payload: Buffer.from("c") },
      ),
      [binary("abc")],
    ],
    [
      "a message of empty fragments only",
      rawFrames({ opcode: TEXT, isFinal: false }, { opcode: CONTINUATION, isFinal: false }, { opcode: CONTINUATION }),
      [text("")],
    ],
    [
      "a character split over two fragments",
      rawFrames({ opcode: TEXT, isFinal: false, payload: Buffer.of(0xc3) }, { opcode: CONTINUATION, payload: Buffer.of(0xa9) }),
      [text("\xc3\xa9")],
    ],
    [
      "control frames between the fragments of a message",
      rawFrames(
        { opcode: TEXT, isFinal: false, payload: Buffer.from("a") },
        { opcode: PING, payload: Buffer.from("p") },
        { opcode: CONTINUATION, isFinal: false, payload: Buffer.from("b") },
        { opcode: PONG },
        { opcode: CONTINUATION, payload: Buffer.from("c") },
      ),
      [{ kind: "ping", data: "p" }, { kind: "pong", data: "" }, text("abc")],
    ],
    [
      "control frames of 125 bytes",
      rawFrame({ opcode: PING, payload: Buffer.alloc(125, "x"), mask: MASK }),
      [{ kind: "ping", data: "x".repeat(125) }],
      { isMasked: true },
    ],
    ["a close without a code as 1005", rawFrame({ opcode: CLOSE }), [{ kind: "close", code: 1005, reason: "" }]],
    ["a close with a code", rawFrame({ opcode: CLOSE, payload: codeAndReason(1001) }), [{ kind: "close", code: 1001, reason: "" }]],
    [
      "a masked close with a reason",
      rawFrame({ opcode: CLOSE, payload: codeAndReason(4999, "bye"), mask: MASK }),
      [{ kind: "close", code: 4999, reason: "bye" }],
      { isMasked: true },
    ],
    [
      "a close between fragments, without the message",
      rawFrames({ opcode: TEXT, isFinal: false, payload: HELLO }, { opcode: CLOSE }),
      [{ kind: "close", code: 1005, reason: "" }],
    ],
    [
      "messages up to the limit, each on its own",
      rawFrames(
        { opcode: BINARY, payload: HELLO },
        { opcode: BINARY, isFinal: false, payload: Buffer.from("He") },
        { opcode: PING, payload: Buffer.alloc(100) },
        { opcode: CONTINUATION, payload: Buffer.from("llo") },
      ),
      [binary("Hello"), { kind: "ping", data: "\0".repeat(100) }, binary("Hello")],
      { maxMessageBytes: 5 },
    ],
  ];
  for (const [what, bytes, events, options] of rows) {
    test(what, () => {
      for (const pieces of [[bytes.length], [1], [3]]) {
        const reading = readFrames(bytes, { ...options, pieces });
        assert.deepEqual([reading.events, reading.refusal], [events, null]);
        assert.equal(reading.consumed, bytes.length);
      }
    });
  }
});

describe("the frame parser refuses", () => {
  const open: RawFrame = { opcode: TEXT, isFinal: false, payload: HELLO };
  /** Reason, close code, bytes, options, and how many events come before. */
  const rows: [string, 1002 | 1007 | 1009, Uint8Array, FrameReadingOptions?, number?][] = [
    ["reserved-bit", 1002, rawFrame({ opcode: TEXT, reservedBits: 0x40 })],
    ["reserved-bit", 1002, rawFrame({ opcode: BINARY, reservedBits: 0x20 })],
    ["reserved-bit", 1002, rawFrame({ opcode: PING, reservedBits: 0x10 })],
    ["reserved-bit", 1002, rawFrames(open, { opcode: CONTINUATION, reservedBits: 0x40 })],
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => ["unknown-opcode", 1002, rawFrame({ opcode })] as [string, 1002, Buffer]),
    ["missing-mask", 1002, rawFrame({ opcode: TEXT, payload: HELLO }), { isMasked: true }],
    ["missing-mask", 1002, rawFrame({ opcode: CLOSE }), { isMasked: true }],
    ["unexpected-mask", 1002, rawFrame({ opcode: TEXT, payload: HELLO, mask: MASK })],
    ["unexpected-mask", 1002, rawFrame({ opcode: PONG, mask: 0 })],
    ["fragmented-control-frame", 1002, rawFrame({ opcode: PING, isFinal: false })],
    ["fragmented-control-frame", 1002, rawFrame({ opcode: CLOSE, isFinal: false, payload: codeAndReason(1000) })],
    ["control-frame-too-long", 1002, rawFrame({ opcode: PONG, payload: Buffer.alloc(126) })],
    ["control-frame-too-long", 1002, rawFrame({ opcode: CLOSE, payload: Buffer.alloc(65_536) })],
    ["non-minimal-length", 1002, rawFrame({ opcode: BINARY, payload: Buffer.alloc(125), lengthBits: 16 })],
    ["non-minimal-length", 1002, rawFrame({ opcode: BINARY, lengthBits: 16 })],
    ["non-minimal-length", 1002, rawFrame({ opcode: BINARY, payload: Buffer.alloc(65_535), lengthBits: 64 })],
    ["non-minimal-length", 1002, rawFrame({ opcode: TEXT, payload: HELLO, lengthBits: 64 })],
    ["bad-length", 1002, rawFrame({ opcode: BINARY, announced: 2n ** 63n })],
    ["bad-length", 1002, rawFrame({ opcode: BINARY, announced: 2n ** 64n - 1n }), { maxMessageBytes: 10 }],
    ["length-too-large", 1009, rawFrame({ opcode: BINARY, announced: 2n ** 63n - 1n })],
    ["length-too-large", 1009, rawFrame({ opcode: BINARY, announced: 2n ** 53n })],
    ["continuation-without-start", 1002, rawFrame({ opcode: CONTINUATION, payload: HELLO })],
    ["continuation-without-start", 1002, rawFrames(open, { opcode: CONTINUATION }, { opcode: CONTINUATION }), {}, 1],
    ["unfinished-message", 1002, rawFrames(open, { opcode: TEXT, payload: HELLO })],
    ["unfinished-message", 1002, rawFrames(open, { opcode: PING }, { opcode: BINARY, isFinal: false }), {}, 1],
    ["bad-close-payload", 1002, rawFrame({ opcode: CLOSE, payload: Buffer.of(3) })],
    ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535].map(
      (code) => ["bad-close-code", 1002, rawFrame({ opcode: CLOSE, payload: codeAndReason(code) })] as [string, 1002, Buffer],
    ),
    ["close-reason-not-utf-8", 1007, rawFrame({ opcode: CLOSE, payload: codeAndReason(1000, Buffer.of(0xc3)) })],
    ["text-not-utf-8", 1007, rawFrame({ opcode: TEXT, payload: Buffer.of(0x61, 0xff) })],
    ["text-not-utf-8", 1007, rawFrame({ opcode: TEXT, payload: Buffer.of(0xed, 0xa0, 0x80) })],
    [
      "text-not-utf-8",
      1007,
      rawFrames({ opcode: TEXT, isFinal: false, payload: Buffer.of(0xc3) }, { opcode: CONTINUATION, payload: Buffer.of(0x41) }),
    ],
    ["message-too-large", 1009, rawFrame({ opcode: BINARY, payload: HELLO }), { maxMessageBytes: 4 }],
    ["message-too-large", 1009, rawFrames(open, { opcode: CONTINUATION, payload: Buffer.of(1) }), { maxMessageBytes: 5 }],
    ["message-too-large", 1009, rawFrame({ opcode: BINARY, announced: 2n ** 53n - 1n })],
  ];
  for (const [reason, closeCode, bytes, options, eventCount] of rows) {
    test(`${reason}: ${Buffer.from(bytes.subarray(0, 12)).toString("hex")}`, () => {
      const whole = readFrames(bytes, options);
      assert.deepEqual([whole.refusal, whole.closeCode, whole.events.length, whole.isClosed], [reason, closeCode, eventCount ?? 0, false]);
      assert.deepEqual(readFrames(bytes, { ...options, pieces: [1] }), whole);
    });
  }

  test("in every way that it knows of", () => {
    const source = readFileSync("src/wire/websocket/refusal.ts", "utf8");
    const known = [...source.matchAll(/^ {2}\| "([a-z0-9-]+)"/gm)].map((found) => found[1]);
    assert.ok(known.length > 10);
    assert.deepEqual(new Set(rows.map(([reason]) => reason)), new Set(known));
  });
});

describe("the frame parser", () => {
  test("refuses by the announced length, before any payload has come", () => {
    const parser = new FrameParser(silent, { isMasked: false, maxMessageBytes: 1000, isUtf8 });
    const head = rawFrame({ opcode: BINARY, announced: 1001n });
    assert.equal(parser.feed(head, 0, head.length), head.length);
    assert.deepEqual(parser.refusal, { closeCode: 1009, reason: "message-too-large" });
  });

  test("hands a whole unmasked frame on as a view of what was fed", () => {
    const bytes = rawFrames({ opcode: BINARY, payload: Buffer.alloc(500, 1) }, { opcode: PING, payload: HELLO });
    const buffers: unknown[] = [];
    const events: FrameEvents = {
      ...silent,
      onMessage: (data) => buffers.push(data.buffer) > 0,
      onPing: (data) => buffers.push(data.buffer),
    };
    new FrameParser(events, { isMasked: false, maxMessageBytes: 0, isUtf8 }).feed(bytes, 0, bytes.length);
    assert.deepEqual(
      buffers.map((buffer) => buffer === bytes.buffer),
      [true, true],
    );
  });

  test("leaves the fed bytes as they were when it undoes a mask", () => {
    const bytes = rawFrame({ opcode: BINARY, payload: Buffer.alloc(500, 1), mask: MASK });
    const before = Buffer.from(bytes);
    assert.equal(readFrames(bytes, { isMasked: true }).events.length, 1);
    assert.deepEqual(bytes, before);
  });

  test("stops after a message when told to, and goes on from there", () => {
    const bytes = rawFrames({ opcode: TEXT, payload: HELLO }, { opcode: TEXT, payload: HELLO }, { opcode: TEXT });
    let count = 0;
    const events = { ...silent, onMessage: () => ++count !== 1 };
    const parser = new FrameParser(events, { isMasked: false, maxMessageBytes: 0, isUtf8 });
    assert.deepEqual([parser.feed(bytes, 0, bytes.length), count], [7, 1]);
    assert.deepEqual([parser.feed(bytes, 7, bytes.length), count], [bytes.length, 3]);
  });

  test("reads only between its two indexes", () => {
    const bytes = Buffer.concat([Buffer.alloc(9, 0xff), rawFrame({ opcode: TEXT, payload: HELLO }), Buffer.alloc(9, 0xff)]);
    const data: string[] = [];
    const events = { ...silent, onMessage: (message: Uint8Array) => data.push(Buffer.from(message).toString()) > 0 };
    const parser = new FrameParser(events, { isMasked: false, maxMessageBytes: 0, isUtf8 });
    assert.equal(parser.feed(bytes, 9, 12), 12);
    assert.equal(parser.feed(bytes, 12, 16), 16);
    assert.deepEqual([data, parser.refusal], [["Hello"], null]);
  });

  test("takes nothing after a close or a refusal", () => {
    for (const last of [rawFrame({ opcode: CLOSE }), rawFrame({ opcode: 3 })]) {
      const bytes = Buffer.concat([last, rawFrame({ opcode: TEXT, payload: HELLO })]);
      const reading = readFrames(bytes);
      assert.equal(reading.consumed, last.length);
      assert.ok(reading.events.every((event) => event.kind === "close"));
      const parser = new FrameParser({ ...silent, onMessage: () => assert.fail() }, { isMasked: false, maxMessageBytes: 0, isUtf8 });
      parser.feed(last, 0, last.length);
      assert.equal(parser.feed(bytes, last.length, bytes.length), last.length);
    }
  });

  test("can go on after a receiver that threw", () => {
    const bytes = rawFrames({ opcode: TEXT, payload: HELLO }, { opcode: TEXT });
    let count = 0;
    const onMessage = () => {
      if (count++ === 0) throw new Error("receiver");
      return true;
    };
    const parser = new FrameParser({ ...silent, onMessage }, { isMasked: false, maxMessageBytes: 0, isUtf8 });
    assert.throws(() => parser.feed(bytes, 0, bytes.length), /receiver/);
    assert.equal(parser.feed(bytes, 7, bytes.length), bytes.length);
    assert.equal(count, 2);
  });
});

describe("the frame parser's memory", () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;

  /** Array memory outside the heap that is still in use after `grow`. */
  async function growth(grow: () => unknown): Promise<number> {
    collectGarbage();
    const before = process.memoryUsage().arrayBuffers;
    const kept = grow();
    // The memory of dead arrays is given back by a thread of its own, some time after each collection.
    let least = Number.POSITIVE_INFINITY;
    for (const deadline = Date.now() + 2_000; least > 100_000 && Date.now() < deadline; await nextTurn()) {
      collectGarbage();
      least = Math.min(least, process.memoryUsage().arrayBuffers - before);
    }
    assert.ok(kept !== undefined);
    return least;
  }

  test("does not grow with an announced length", async () => {
    const bytes = await growth(() => {
      const parser = new FrameParser(silent, { isMasked: true, maxMessageBytes: 0, isUtf8 });
      const head = rawFrame({ opcode: BINARY, announced: 2n ** 30n, mask: MASK });
      parser.feed(Buffer.concat([head, HELLO]), 0, head.length + HELLO.length);
      assert.equal(parser.refusal, null);
      return parser;
    });
    assert.ok(bytes < 1_000_000, `${bytes}`);
  });

  test("is given back between messages", async () => {
    const message = rawFrame({ opcode: BINARY, payload: Buffer.alloc(4000), mask: MASK });
    const ping = rawFrame({ opcode: PING, payload: Buffer.alloc(125), mask: MASK });
    const bytes = await growth(() =>
      Array.from({ length: 1000 }, () => {
        const parser = new FrameParser(silent, { isMasked: true, maxMessageBytes: 0, isUtf8 });
        for (const frame of [message, ping]) parser.feed(frame, 0, frame.length);
        return parser;
      }),
    );
    assert.ok(bytes < 1_000_000, `${bytes}`);
  });

  test("does not grow with the number of empty fragments", async () => {
    const fragment = rawFrame({ opcode: CONTINUATION, isFinal: false });
    const many = Buffer.alloc(fragment.length * 200_000, fragment);
    const open = rawFrame({ opcode: BINARY, isFinal: false });
    const bytes = await growth(() => {
      const parser = new FrameParser(silent, { isMasked: false, maxMessageBytes: 10, isUtf8 });
      parser.feed(open, 0, open.length);
      assert.equal(parser.feed(many, 0, many.length), many.length);
      return parser;
    });
    assert.ok(bytes < 100_000, `${bytes}`);
  });

  test("copies a message of a million one-byte fragments a few times at most", () => {
    const fragment = rawFrame({ opcode: CONTINUATION, isFinal: false, payload: Buffer.of(7) });
    const many = Buffer.alloc(fragment.length * 1_000_000, fragment);
    let length = 0;
    const onMessage = (data: Uint8Array) => {
      length = data.length;
      return true;
    };
    const parser = new FrameParser({ ...silent, onMessage }, { isMasked: false, maxMessageBytes: 1_000_001, isUtf8 });
    const allocated = countingAllocations(() => {
      for (const bytes of [rawFrame({ opcode: BINARY, isFinal: false, payload: Buffer.of(7) }), many, rawFrame({ opcode: CONTINUATION })]) {
        parser.feed(bytes, 0, bytes.length);
      }
    });
    assert.equal(length, 1_000_001);
    assert.ok(allocated < 4_000_000, `${allocated}`);
  });
});

/** Bytes of all arrays that `run` makes anew. */
function countingAllocations(run: () => void): number {
  const original = globalThis.Uint8Array;
  let bytes = 0;
  const counting = new Proxy(original, {
    construct(target, parameters, newTarget) {
      if (typeof parameters[0] === "number") bytes += parameters[0];
      return Reflect.construct(target, parameters, newTarget) as object;
    },
  });
  globalThis.Uint8Array = counting;
  try {
    run();
  } finally {
    globalThis.Uint8Array = original;
  }
  return bytes;
}

function text(data: string): FrameEvent {
  return { kind: "text", data };
}

function binary(data: string): FrameEvent {
  return { kind: "binary", data };
}
