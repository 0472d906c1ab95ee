import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SendWindows } from "../../../../src/wire/http2/send-windows.js";
import { Http2Stream } from "../../../../src/wire/http2/stream.js";

/** Streams 1, 3, … that wait in this order. */
function waiting(count: number): { windows: SendWindows; streams: Http2Stream[] } {
  const windows = new SendWindows();
  const streams = Array.from({ length: count }, (_, i) => new Http2Stream(2 * i + 1, 10, 10));
  for (const stream of streams) windows.block(stream);
  return { windows, streams };
}

function drain(windows: SendWindows): number[] {
  const ids: number[] = [];
  for (let stream = windows.unblockNext(); stream !== null; stream = windows.unblockNext()) ids.push(stream.id);
  return ids;
}

describe("streams that wait", () => {
  it("get their turn in the order in which they came", () => {
    const { windows } = waiting(3);
    assert.deepEqual(drain(windows), [1, 3, 5]);
    assert.equal(windows.hasWaiting, false);
  });

  for (const over of [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2], [2, 1, 0]]) {
    it(`leave the queue when they are over, wherever they stand: ${over.join(", ")}`, () => {
      const { streams, windows } = waiting(3);
      for (const index of over) windows.forget(streams[index] as Http2Stream);
      assert.equal(windows.hasWaiting, over.length < 3);
      windows.block(new Http2Stream(7, 10, 10));
      assert.deepEqual(drain(windows), [...[0, 1, 2].filter((index) => !over.includes(index)).map((index) => 2 * index + 1), 7]);
    });
  }

  it("do not wait in the queue while their own window is shut", () => {
    const { windows } = waiting(0);
    const stream = new Http2Stream(1, 0, 10);
    windows.block(stream);
    assert.equal(windows.hasWaiting, false);
    assert.equal(windows.growStream(stream, 5), true);
    assert.deepEqual(drain(windows), [1]);
  });

  it("wait for the connection's window, too", () => {
    const { windows } = waiting(1);
    windows.connection = 0;
    assert.deepEqual(drain(windows), []);
    assert.equal(windows.growConnection(1), true);
    assert.deepEqual(drain(windows), [1]);
  });
});
