import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { conversation, damagedConversation } from "./conversation.js";
import { OK, Probe } from "./probe.js";
import * as raw from "./raw-frames.js";

/** For longer runs: set both in the environment. */
const seed = Number(process.env.FUZZ_SEED ?? 20_260_101);
const numRuns = Number(process.env.FUZZ_RUNS ?? 600);

/** A server that answers requests at once with some data, resets some, and takes its output only at the end. */
function createServer(): Probe {
  const probe = new Probe("server");
  const rests = new Map<number, Buffer>();
  probe.onEvent = (stream, event) => {
    if (stream === null) return;
    const { connection } = probe;
    if (event.startsWith("request") && stream.id % 4 === 3) connection.reset(stream, 8);
    else if (event.startsWith("request") || event.startsWith("oversized")) {
      connection.sendResponse(stream, { ...OK, headers: ["x-id", String(stream.id)] }, false);
      rests.set(stream.id, Buffer.alloc(3000, "r"));
    }
    const rest = rests.get(stream.id);
    if (rest === undefined || stream.isBlocked) return;
    const taken = connection.sendData(stream, rest, true);
    rests.set(stream.id, rest.subarray(taken));
    if (taken === rest.length) rests.delete(stream.id);
  };
  return probe;
}

const START = Buffer.concat([raw.PREFACE, raw.settings(), raw.SETTINGS_ACK]);
/** Without WINDOW_UPDATE: how much is given back at a time follows the owner, who consumes what each read brings. */
const fingerprint = (probe: Probe) => ({
  frames: probe.frames().filter((frame) => !frame.startsWith("WINDOW_UPDATE")),
  events: probe.events,
  refusal: probe.refusal(),
});

test("every way to split a conversation gives the same events and the same output", () => {
  fc.assert(
    fc.property(damagedConversation, fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 }), (bytes, sizes) => {
      const whole = fingerprint(createServer().feed(START, bytes));
      assert.deepEqual(fingerprint(createServer().feedPieces(Buffer.concat([START, bytes]), sizes)), whole);
    }),
    { seed, numRuns },
  );
});

test("a conversation gives the same byte by byte", () => {
  fc.assert(
    fc.property(damagedConversation, (bytes) => {
      const whole = fingerprint(createServer().feed(START, bytes));
      assert.deepEqual(fingerprint(createServer().feedPieces(Buffer.concat([START, bytes]), [1])), whole);
    }),
    { seed, numRuns: Math.ceil(numRuns / 10) },
  );
});

test("a client survives whatever comes, and what a server says is fine with a client", () => {
  fc.assert(
    fc.property(damagedConversation, (bytes) => {
      const client = Probe.ready("client");
      for (let i = 0; i < 4; i++) client.get();
      client.feed(bytes);
      client.frames();
      assert.ok(client.connection.openStreams <= 4);

      const output = createServer().feed(START, bytes).output();
      const reader = new Probe("client");
      for (let i = 0; i < 4; i++) reader.get();
      reader.feed(output);
      assert.equal(
        reader.refusal().replace(/^(?:idle|closed)-stream .*/, ""),
        "",
        `${reader.refusal()}: ${raw.parseFrames(output).map(raw.describeFrame)}`,
      );
    }),
    { seed, numRuns },
  );
});

test("memory follows what has come: an announced length alone holds nothing", () => {
  const probes = Array.from({ length: 2000 }, () => Probe.ready("server"));
  const before = process.memoryUsage().arrayBuffers;
  for (const probe of probes) probe.feed(raw.rawFrame(1, 4, 1, Buffer.alloc(1), 16_384));
  assert.ok(process.memoryUsage().arrayBuffers - before < 2000 * 1024);
});

test("arbitrary bytes never make a server throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), conversation, (bytes, frames) => {
      createServer().feed(START, bytes).frames();
      createServer().feed(START, frames, bytes).frames();
      createServer().feed(bytes).frames();
    }),
    { seed, numRuns },
  );
});
