import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mutatedResponse, validResponse } from "./arbitrary-response.js";
import { readResponse } from "./read-response.js";

/** For longer runs: set both in the environment. */
const seed = Number(process.env.FUZZ_SEED ?? 20_260_101);
const numRuns = Number(process.env.FUZZ_RUNS ?? 1500);

test("well-formed responses are read to the end", () => {
  fc.assert(
    fc.property(validResponse, (response) => {
      const reading = readResponse(response.text, response);
      assert.equal(reading.outcome, "complete");
      assert.equal(reading.rest, "");
    }),
    { seed, numRuns },
  );
});

test("every way to split a response, and every pause in between, reads the same", () => {
  const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.oneof(validResponse, mutatedResponse), pieces, fc.array(fc.boolean(), { minLength: 1 }), (response, cuts, stops) => {
      const whole = readResponse(response.text, response);
      let turn = 0;
      const cut = readResponse(response.text, { ...response, pieces: cuts, stops: () => stops[turn++ % stops.length] as boolean });
      assert.deepEqual(cut, whole);
      assert.deepEqual(readResponse(response.text, { ...response, pieces: [1] }), whole);
    }),
    { seed, numRuns },
  );
});

test("arbitrary bytes never make the parser throw or keep it from stopping", () => {
  const bytes = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)), maxLength: 200 });
  const start = fc.constantFrom("", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  fc.assert(
    fc.property(start, bytes, (head, tail) => {
      const reading = readResponse(head + tail, { hasEnd: true });
      assert.ok(reading.outcome.length > 0);
    }),
    { seed, numRuns },
  );
});
