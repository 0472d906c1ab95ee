import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chunkSizeLine, LAST_CHUNK } from "../../../../src/wire/http1/chunk-encoder.js";
import { encodeRequestHead } from "../../../../src/wire/http1/request-encoder.js";
import { name, value } from "./arbitrary-message.js";
import { mutatedRequests, validRequests } from "./arbitrary-request.js";
import { readRequest, readRequests } from "./read-request.js";

/** For longer runs: set both in the environment. */
const seed = Number(process.env.FUZZ_SEED ?? 20_260_103);
const numRuns = Number(process.env.FUZZ_RUNS ?? 1500);

test("well-formed requests are read to the end", () => {
  fc.assert(
    fc.property(validRequests, (text) => {
      const { outcome, requests, completeCount } = readRequests(text);
      assert.ok(outcome === "idle" || outcome === "closed", outcome);
      assert.equal(completeCount, requests.length);
    }),
    { seed, numRuns },
  );
});

test("every way to split requests, and every pause in between, reads the same", () => {
  const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.oneof(validRequests, mutatedRequests), pieces, fc.array(fc.boolean(), { minLength: 1 }), (text, cuts, stops) => {
      const whole = readRequests(text);
      let turn = 0;
      const cut = readRequests(text, { pieces: cuts, stops: () => stops[turn++ % stops.length] as boolean });
      assert.deepEqual(cut, whole);
      assert.deepEqual(readRequests(text, { pieces: [1] }), whole);
    }),
    { seed, numRuns },
  );
});

test("every single cut of a connection reads the same", () => {
  const texts = fc.sample(fc.oneof(validRequests, mutatedRequests), { seed, numRuns: Math.ceil(numRuns / 10) });
  for (const text of texts) {
    const whole = readRequests(text);
    for (let cut = 1; cut < text.length; cut++)
      assert.deepEqual(readRequests(text, { pieces: [cut, text.length] }), whole, JSON.stringify(text));
  }
});

test("arbitrary bytes never make the parser throw or keep it from stopping", () => {
  const bytes = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)), maxLength: 200 });
  const start = fc.constantFrom("", "GET ", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  fc.assert(
    fc.property(start, bytes, (head, tail) => {
      const whole = readRequests(head + tail);
      assert.ok(whole.outcome.length > 0);
      assert.deepEqual(readRequests(head + tail, { pieces: [1] }), whole);
    }),
    { seed, numRuns },
  );
});

test("what the request encoder writes is read as it was meant", () => {
  const content = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
    minLength: 1,
    maxLength: 60,
  });
  const request = fc.record({
    method: fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/).filter((method) => method !== "CONNECT" && method !== "TRACE"),
    target: fc.stringMatching(/^\/[!-"$-~]{0,20}$/),
    authority: fc.constantFrom("a.test", "b.test:8080", "[2001:db8::1]:81"),
    fields: fc.array(fc.tuple(name, value), { maxLength: 5 }),
    framing: fc.constantFrom("none", "zero", "length", "chunked"),
    content,
  });
  fc.assert(
    fc.property(request, ({ fields, framing, content: body, ...parts }) => {
      const headers = fields.flatMap(([name, value]) => [name.toLowerCase(), value]);
      const isSteered = fields.some(([name]) => /^(?:host|expect|te|upgrade|connection|content-length|transfer-encoding)$/i.test(name));
      fc.pre(!isSteered);
      const bodyLength = framing === "length" ? body.length : framing === "chunked" ? -1 : 0;
      const head = encodeRequestHead({ ...parts, headers, bodyLength, hasZeroLength: framing === "zero", acceptsTrailers: false });
      const sent = framing === "length" ? body : framing === "chunked" ? `${chunkSizeLine(body.length)}${body}\r\n${LAST_CHUNK}` : "";
      const reading = readRequest(head + sent);
      const { method, target, authority } = reading;
      assert.deepEqual({ method, target, authority }, parts);
      assert.deepEqual([reading.headers, reading.bodyLength, reading.hasZeroLength], [headers, bodyLength, framing === "zero"]);
      assert.equal(reading.body, framing === "length" || framing === "chunked" ? body : "");
    }),
    { seed, numRuns },
  );
});
