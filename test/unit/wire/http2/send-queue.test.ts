import assert from "node:assert/strict";
import { test } from "node:test";
import { SendQueue } from "../../../../src/wire/http2/send-queue.js";

test("a send queue keeps order across partial sends and counts what waits", () => {
  const sent: number[] = [];
  let room = 3;
  const queue = new SendQueue((bytes) => {
    const taken = Math.min(room, bytes.length);
    room -= taken;
    sent.push(...bytes.subarray(0, taken));
    return taken;
  });
  queue.push(Uint8Array.of(1, 2));
  queue.push(Uint8Array.of(3, 4));
  queue.flush();
  assert.deepEqual(sent, [1, 2, 3]);
  assert.equal(queue.byteCount, 1);
  queue.push(Uint8Array.of(5));
  room = 10;
  queue.flush();
  assert.deepEqual(sent, [1, 2, 3, 4, 5]);
  assert.deepEqual([queue.isEmpty, queue.byteCount], [true, 0]);
});

test("a send queue may be cleared by the very send", () => {
  const queue: SendQueue = new SendQueue((bytes) => {
    queue.clear();
    return bytes.length;
  });
  queue.push(Uint8Array.of(1));
  queue.push(Uint8Array.of(2));
  queue.flush();
  assert.deepEqual([queue.isEmpty, queue.byteCount], [true, 0]);
});
