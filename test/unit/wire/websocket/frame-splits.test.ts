import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mutatedConversation, validConversation } from "./arbitrary-frames.js";
import { readFrames } from "./read-frames.js";

/** For longer runs: set both in the environment. */
const seed = Number(process.env.FUZZ_SEED ?? 20_261_201);
const numRuns = Number(process.env.FUZZ_RUNS ?? 1000);

test("well-formed conversations are read to the end", () => {
  fc.assert(
    fc.property(validConversation, (conversation) => {
      const reading = readFrames(conversation.bytes, conversation);
      assert.equal(reading.refusal, null);
      assert.equal(reading.consumed, conversation.bytes.length);
    }),
    { seed, numRuns },
  );
});

test("every way to split a conversation, and every stop in between, reads the same", () => {
  const pieces = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 });
  const conversations = fc.oneof(validConversation, mutatedConversation);
  fc.assert(
    fc.property(conversations, pieces, fc.array(fc.boolean(), { minLength: 1 }), (conversation, cuts, stops) => {
      const whole = readFrames(conversation.bytes, conversation);
      let turn = 0;
      const isStop = () => stops[turn++ % stops.length] as boolean;
      assert.deepEqual(readFrames(conversation.bytes, { ...conversation, pieces: cuts, stops: isStop }), whole);
      assert.deepEqual(readFrames(conversation.bytes, { ...conversation, pieces: [1] }), whole);
    }),
    { seed, numRuns },
  );
});

test("a size limit is met at the same byte however the conversation is split", () => {
  const limited = fc.tuple(fc.oneof(validConversation, mutatedConversation), fc.integer({ min: 1, max: 150 }));
  fc.assert(
    fc.property(limited, ([conversation, maxMessageBytes]) => {
      const whole = readFrames(conversation.bytes, { ...conversation, maxMessageBytes });
      assert.deepEqual(readFrames(conversation.bytes, { ...conversation, maxMessageBytes, pieces: [1] }), whole);
      for (const event of whole.events) assert.ok(event.kind === "close" || event.data.length <= Math.max(maxMessageBytes, 125));
    }),
    { seed, numRuns },
  );
});

test("arbitrary bytes never make the parser throw or keep it from stopping", () => {
  fc.assert(
    fc.property(fc.boolean(), fc.uint8Array({ maxLength: 200 }), (isMasked, bytes) => {
      const reading = readFrames(bytes, { isMasked });
      assert.ok(reading.consumed <= bytes.length);
      assert.ok(reading.consumed === bytes.length || reading.refusal !== null || reading.isClosed);
    }),
    { seed, numRuns: numRuns * 5 },
  );
});
