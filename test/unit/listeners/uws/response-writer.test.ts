// Only what cannot be seen from outside: how much one cork holds. Everything else is pinned with real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { UwsResponse } from "../../../../src/listeners/uws/addon.js";
import { ResponseWriter } from "../../../../src/listeners/uws/response-writer.js";
import { createTimerWheel } from "../../../../src/proxy/timer-wheel.js";

const CORK_BYTES = 16_384;

/** Counts the bytes of each cork as the addon would: head, fields of its own, chunk framing, data. */
function recordingResponse() {
  const corks: number[] = [];
  let bytes = 0;
  let bodyBytes = 0;
  const add = (count: number) => {
    bytes += count;
  };
  const res: Partial<UwsResponse> = {
    cork(run) {
      bytes = 0;
      run();
      corks.push(bytes);
    },
    writeStatus: (status) => add(status.length + 11),
    writeHeader: (name, value) => add(name.length + value.length + 4),
    write(chunk) {
      add(chunk.length + 12 + 80);
      bodyBytes += chunk.length;
      return true;
    },
    end: () => add(100),
    onWritable: () => undefined,
  };
  return { res: res as UwsResponse, corks, bodyBytes: () => bodyBytes };
}

test("no cork of a chunked body reaches 16 KiB, whatever is written, and no byte is left out", () => {
  fc.assert(
    fc.property(fc.nat({ max: 12_000 }), fc.array(fc.nat({ max: 200_000 }), { minLength: 1, maxLength: 6 }), (headBytes, sizes) => {
      const { res, corks, bodyBytes } = recordingResponse();
      const onBug = (error: unknown) => assert.fail(String(error));
      const acceptor = { isDraining: false, accept: assert.fail, refuse: assert.fail };
      const context = {
        acceptor,
        onBug,
        timers: createTimerWheel(),
        streamIdleMs: 0,
        isTls: false,
        pendingResponses: 0,
        later: (one: ResponseWriter) => one.replay(),
      };
      const writer = new ResponseWriter(res, context, false);
      writer.leaveCallback();
      writer.writeHead(200, ["x-a", "a".repeat(headBytes)], -1);
      writer.write(Buffer.alloc(8_193)); // more than waits for the end of the turn
      for (const size of sizes) writer.write(Buffer.alloc(size));
      writer.end();
      assert.ok(Math.max(...corks) < CORK_BYTES, `${Math.max(...corks)} bytes in one cork`);
      assert.equal(bodyBytes(), 8_193 + sizes.reduce((sum, size) => sum + size, 0));
    }),
    { numRuns: 200 },
  );
});
