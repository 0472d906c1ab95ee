/**
 * The codec against the `ws` package, which browsers and services have met for a decade. The same bytes must give the same
 * events and the same close code on failure; where ours is stricter, the reason must be one that is so on purpose.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import * as ws from "ws";
import { closePayload, frameBytes, writeFrame } from "../../../../src/wire/websocket/frame-encoder.js";
import { BINARY, CLOSE, TEXT } from "../../../../src/wire/websocket/opcodes.js";
import type { Conversation } from "./arbitrary-frames.js";
import { mutatedConversation, validConversation } from "./arbitrary-frames.js";
import type { FrameEvent } from "./read-frames.js";
import { latin1, readFrames } from "./read-frames.js";

/** For longer runs: set both in the environment. */
const seed = Number(process.env.FUZZ_SEED ?? 20_261_202);
const count = Number(process.env.FUZZ_RUNS ?? 1500);

/** Both sides refuse more than that. */
const MAX_MESSAGE_BYTES = 66_000;

/** ws reads a length in any of the three forms; RFC 6455 §5.2 says that the minimal one MUST be used. */
const STRICTER_ON_PURPOSE: ReadonlySet<string> = new Set(["non-minimal-length"]);
/** ws takes the sign bit of a 64-bit length for a large message (1009); §5.2 says it MUST be 0, so it is a protocol error. */
const OTHER_CODE_ON_PURPOSE: ReadonlySet<string> = new Set(["bad-length"]);

/** The parts of ws that its types leave out. */
interface WsReceiver {
  on(event: string, listener: (...parameters: never[]) => void): void;
  write(bytes: Uint8Array, done: (error?: Error | null) => void): void;
}
interface WsFrameOptions {
  readonly fin: boolean;
  readonly opcode: number;
  readonly mask: boolean;
  readonly readOnly: boolean;
  readonly rsv1: boolean;
  readonly generateMask: (into: Buffer) => void;
}
const { Receiver, Sender } = ws as unknown as {
  Receiver: new (options: { isServer: boolean; maxPayload: number }) => WsReceiver;
  Sender: {
    new (socket: object): { close(code: number, reason: Buffer, isMasked: boolean): void };
    frame(data: Buffer, options: WsFrameOptions): Buffer[];
  };
};

interface WsReading {
  readonly events: readonly FrameEvent[];
  readonly closeCode: number | null;
}

function readWithWs(conversation: Conversation, pieceBytes: number): Promise<WsReading> {
  const events: FrameEvent[] = [];
  const receiver = new Receiver({ isServer: conversation.isMasked, maxPayload: MAX_MESSAGE_BYTES });
  let isSettled = false;
  return new Promise((resolve) => {
    const settle = (closeCode: number | null) => {
      isSettled = true;
      resolve({ events, closeCode });
    };
    receiver.on("message", (data: Buffer, isBinary: boolean) => events.push({ kind: isBinary ? "binary" : "text", data: latin1(data) }));
    receiver.on("ping", (data: Buffer) => events.push({ kind: "ping", data: latin1(data) }));
    receiver.on("pong", (data: Buffer) => events.push({ kind: "pong", data: latin1(data) }));
    receiver.on("error", (error: Error) => settle(statusCodeOf(error)));
    receiver.on("conclude", (code: number, reason: Buffer) => {
      events.push({ kind: "close", code, reason: latin1(reason) });
      settle(null);
    });
    // ws undoes masks in place: it gets copies.
    const feed = (at: number) => {
      if (isSettled) return;
      if (at >= conversation.bytes.length) return settle(null);
      const piece = Buffer.from(conversation.bytes.subarray(at, at + pieceBytes));
      receiver.write(piece, (error) => {
        if (!error) feed(at + pieceBytes);
      });
    };
    feed(0);
  });
}

/** ws keeps it under a symbol of its own. */
function statusCodeOf(error: Error): number {
  const symbol = Object.getOwnPropertySymbols(error).find(({ description }) => description === "status-code");
  assert.ok(symbol !== undefined, String(error));
  return (error as unknown as Record<symbol, number>)[symbol] as number;
}

/** How the two readings relate; asserts that they may. */
function compare(conversation: Conversation, theirs: WsReading): string {
  const ours = readFrames(conversation.bytes, { isMasked: conversation.isMasked, maxMessageBytes: MAX_MESSAGE_BYTES });
  const shown = `${conversation.isMasked ? "masked" : "unmasked"} ${conversation.bytes.toString("hex").slice(0, 2000)}`;
  if (ours.refusal !== null && STRICTER_ON_PURPOSE.has(ours.refusal)) {
    assert.deepEqual(ours.events, theirs.events.slice(0, ours.events.length), shown);
    return "stricter";
  }
  assert.deepEqual(ours.events, theirs.events, shown);
  if (ours.refusal !== null && OTHER_CODE_ON_PURPOSE.has(ours.refusal)) assert.equal(theirs.closeCode, 1009, shown);
  else assert.equal(ours.closeCode, theirs.closeCode, `${ours.refusal}: ${shown}`);
  return ours.refusal === null ? "same" : "both-refuse";
}

async function compareAll(conversations: readonly Conversation[]): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  for (const [i, conversation] of conversations.entries()) {
    // ws takes quadratic time for a large frame in tiny pieces.
    const pieceBytes = i % 2 === 0 ? 1 + (i % 50) + (conversation.bytes.length >> 6) : conversation.bytes.length;
    const relation = compare(conversation, await readWithWs(conversation, pieceBytes));
    seen[relation] = (seen[relation] ?? 0) + 1;
  }
  return seen;
}

describe("the frame parser and ws", () => {
  test("read well-formed conversations alike", async () => {
    const seen = await compareAll(fc.sample(validConversation, { seed, numRuns: count }));
    assert.deepEqual(seen, { same: count });
  });

  test("never read a broken conversation differently", async () => {
    const seen = await compareAll(fc.sample(mutatedConversation, { seed, numRuns: count * 3 }));
    // The sample must hold all three kinds, or it tests nothing.
    for (const relation of ["same", "stricter", "both-refuse"]) assert.ok((seen[relation] ?? 0) > count / 100, JSON.stringify(seen));
  });
});

describe("the frame encoder and ws", () => {
  test("write the same bytes", () => {
    const lengths = fc.oneof(fc.nat({ max: 200 }), fc.constantFrom(0, 125, 126, 127, 65_535, 65_536, 100_000));
    fc.assert(
      fc.property(lengths, fc.nat({ max: 255 }), fc.option(fc.integer()), fc.constantFrom(TEXT, BINARY), (length, byte, mask, opcode) => {
        const payload = Buffer.alloc(length, byte);
        const into = new Uint8Array(frameBytes(length, mask !== null));
        writeFrame(into, 0, opcode, payload, mask);
        const generateMask = (key: Buffer) => void key.writeInt32BE(mask ?? 0);
        const options = { fin: true, opcode, mask: mask !== null, readOnly: true, rsv1: false, generateMask };
        assert.ok(Buffer.concat(Sender.frame(payload, options)).equals(into));
      }),
      { seed, numRuns: 300 },
    );
  });

  test("write the same close frames", () => {
    const reasons = fc.string({ unit: "grapheme", maxLength: 40 }).map((text) => Buffer.from(text));
    fc.assert(
      fc.property(fc.constantFrom(1000, 1003, 1007, 1014, 3000, 4999), reasons, (code, reason) => {
        fc.pre(reason.length <= 123);
        const sent: Buffer[] = [];
        const socket = { cork() {}, uncork() {}, write: (bytes: Buffer) => sent.push(bytes) };
        new Sender(socket).close(code, reason, false);
        const payload = closePayload(code, reason);
        const into = new Uint8Array(frameBytes(payload.length, false));
        writeFrame(into, 0, CLOSE, payload, null);
        assert.ok(Buffer.concat(sent).equals(into));
      }),
      { seed, numRuns: 300 },
    );
  });
});
