import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { RawServer } from "../unit/upstream/support.js";
import { HELLO, Notes, onRequests, requestOf, startConnector, startRawServer, targetOf, until } from "../unit/upstream/support.js";

const MIB = 1_048_576;
let bench: ReturnType<typeof startConnector>;
let server: RawServer | null = null;

beforeEach(() => {
  bench = startConnector();
});
afterEach(async () => {
  bench.close();
  await server?.close();
  server = null;
});

async function serve(onSocket: (socket: Socket, index: number) => void): Promise<RawServer> {
  server = await startRawServer(onSocket);
  return server;
}

/** Writes `bytes` bytes as fast as they are taken; the server's own memory stays flat. */
function pour(socket: Socket, bytes: number, chunk: Buffer): void {
  let left = bytes;
  const more = (): void => {
    while (left > 0 && !socket.destroyed) {
      const size = Math.min(left, chunk.length);
      left -= size;
      if (!socket.write(chunk.subarray(0, size))) break;
    }
    if (left > 0) socket.once("drain", more);
  };
  more();
}

describe("a response body", () => {
  test("of 256 MiB leaves memory flat", async () => {
    const size = 256 * MIB;
    const chunk = Buffer.alloc(256 * 1024, "x");
    const { port } = await serve((socket) =>
      onRequests(socket, () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        pour(socket, size, chunk);
      }),
    );
    const before = process.memoryUsage().rss;
    let highest = 0;
    let chunks = 0;
    const notes = new Notes();
    notes.onReadEnd = () => undefined;
    notes.onBody = (bytes) => {
      notes.bodyBytes += bytes.length;
      if (++chunks % 500 === 0) highest = Math.max(highest, process.memoryUsage().rss);
    };
    notes.start(bench.connector, targetOf(port));
    assert.equal(await notes.over, "end", notes.detail);
    assert.equal(notes.bodyBytes, size);
    assert.ok(highest - before < 96 * MIB, `${Math.round((highest - before) / MIB)} MiB more`);
    // More may have come with the last full read: the connection is free one turn later.
    await until(() => bench.connector.stats().idleConnections === 1, "the connection to be free");
  });

  test("stops at a pause, in the service too, and goes on at a resume", async () => {
    const size = 64 * MIB;
    const chunk = Buffer.alloc(64 * 1024, "x");
    let sender: Socket | null = null;
    const { port } = await serve((socket) =>
      onRequests(socket, () => {
        sender = socket;
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        pour(socket, size, chunk);
      }),
    );
    const notes = new Notes();
    let isPaused = false;
    notes.onReadEnd = () => undefined;
    notes.onBody = (bytes) => {
      assert.ok(!isPaused, "delivered while paused");
      notes.bodyBytes += bytes.length;
      if (notes.bodyBytes > MIB && notes.bodyBytes - bytes.length <= MIB) {
        isPaused = true;
        notes.call?.pause();
      }
    };
    notes.start(bench.connector, targetOf(port));
    // What was sent has been taken by the kernel's buffers; when they are full, nothing moves any more.
    let sent = -1;
    await until(() => isPaused, "the pause");
    await until(() => {
      const now = sender?.bytesWritten ?? 0;
      const hasStopped = now === sent && (sender?.writableLength ?? 0) > 0;
      sent = now;
      return hasStopped;
    }, "the service to stop sending");
    assert.ok(sent < size);
    isPaused = false;
    notes.call?.resume();
    assert.equal(await notes.over, "end");
    assert.equal(notes.bodyBytes, size);
  });

  test("of many chunks in one read can be paused between two of them", async () => {
    const { port } = await serve((socket) =>
      onRequests(socket, () =>
        socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(100)}0\r\nT: 1\r\n\r\n`),
      ),
    );
    const notes = new Notes();
    let isPaused = false;
    notes.onBody = () => {
      assert.ok(!isPaused, "delivered while paused");
      notes.bodyBytes++;
      notes.call?.pause();
      isPaused = true;
      setImmediate(() => {
        isPaused = false;
        notes.call?.resume();
        assert.ok(!notes.events.includes("end") || notes.bodyBytes === 100);
      });
    };
    notes.start(bench.connector, targetOf(port));
    assert.equal(await notes.over, "end");
    assert.deepEqual([notes.bodyBytes, notes.trailers], [100, ["t", "1"]]);
    const next = new Notes().start(bench.connector, targetOf(port), requestOf({ method: "HEAD" }));
    assert.equal(await next.over, "upstream-protocol");
  });

  test("that was paused at its end leaves a connection that works", async () => {
    const { port, sockets } = await serve((socket) => onRequests(socket, () => socket.write(HELLO)));
    for (let i = 0; i < 3; i++) {
      const notes = new Notes();
      notes.onBody = () => notes.call?.pause();
      notes.start(bench.connector, targetOf(port));
      assert.equal(await notes.over, "end");
    }
    assert.equal(sockets.length, 1);
    sockets[0]?.end();
    await until(() => bench.connector.stats().connections === 0, "the close to be noticed");
  });
});

describe("a request body", () => {
  test("is refused with false while the service does not read, and drains when it does", async () => {
    const size = 32 * MIB;
    let receiver: Socket | null = null;
    let received = 0;
    const { port } = await serve((socket) => {
      receiver = socket;
      socket.pause();
      socket.on("data", (bytes) => {
        received += bytes.length;
        if (received > size) socket.write(HELLO);
      });
      socket.pause();
    });
    const notes = new Notes();
    let written = 0;
    let drains = 0;
    const send = (): void => {
      while (written < size) {
        written += 65_536;
        if (notes.call?.write(Buffer.alloc(65_536)) === false) return;
      }
    };
    notes.onConnected = send;
    notes.onDrain = () => {
      drains++;
      send();
    };
    notes.start(bench.connector, targetOf(port), requestOf({ method: "POST", bodyLength: size }));
    let last = -1;
    await until(() => {
      const hasStopped = written > 0 && written === last;
      last = written;
      return hasStopped;
    }, "the writes to stop");
    assert.ok(written < size, "nothing held the writes back");
    (receiver as Socket | null)?.resume();
    assert.equal(await notes.over, "end", notes.detail);
    assert.ok(drains > 0);
    assert.ok(received > size);
    assert.equal(bench.connector.stats().idleConnections, 1);
  });
});
