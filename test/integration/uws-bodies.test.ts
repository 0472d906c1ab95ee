import assert from "node:assert/strict";
import { createHash, type Hash } from "node:crypto";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { after, before, beforeEach, test } from "node:test";
import { connectRaw, exchangeRaw, hasResponses, parseResponses } from "../support/raw-socket.js";
import { type Harness, reply, type Seen, startHarness } from "./uws-harness.js";

const MAX_BODY_BYTES = 16 * 1024 * 1024;

let harness: Harness;
before(async () => {
  harness = await startHarness({ limits: { maxBodyBytes: MAX_BODY_BYTES } });
});
after(() => harness.listener.close());
beforeEach(() => {
  harness.seen.length = 0;
  harness.bugs.length = 0;
});

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const turn = () => new Promise((resolve) => setImmediate(resolve));

function echo(one: Seen): void {
  one.onChunk = (_chunk, isLast) => {
    if (isLast) reply(one.downstream, 200, Buffer.concat(one.chunks));
  };
}

test("a body is delivered with every method, by length and chunked, in whatever packets it comes", async () => {
  harness.onRequest = echo;
  const raw = await connectRaw(harness);
  let sent = 0;
  for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    for (const framed of [
      "Content-Length: 11\r\n\r\nhello world",
      "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    ]) {
      const bytes = `${method} / HTTP/1.1\r\nHost: a\r\n${framed}`;
      for (const cuts of [[], [bytes.length - 1], [bytes.length - 9, bytes.length - 5], [bytes.indexOf("\r\n\r\n") + 4]]) {
        await raw.sendSplit(bytes, cuts);
        sent++;
        const text = await raw.until((received) => hasResponses(received, sent));
        assert.equal(parseResponses(text)[sent - 1]?.body, "hello world", JSON.stringify({ bytes, cuts }));
      }
    }
  }
  assert.deepEqual([...new Set(harness.seen.map(({ head }) => head.bodyLength))].sort(), [-1, 11]);
  raw.destroy();
});

test("an empty chunked body ends with one empty last chunk", async () => {
  harness.onRequest = echo;
  const raw = await connectRaw(harness);
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  await raw.until((text) => hasResponses(text, 1));
  assert.deepEqual(
    harness.seen[0]?.chunks.map((chunk) => chunk.length),
    [0],
  );
  raw.destroy();
});

test("chunks belong to the receiver: later packets do not change them", async () => {
  harness.onRequest = echo;
  const raw = await connectRaw(harness);
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\naaa");
  await harness.until(() => harness.seen[0]?.bodyBytes === 3, "first part");
  raw.send("bbb");
  await harness.until(() => harness.seen[0]?.bodyBytes === 6, "second part");
  raw.send("ccc");
  const text = await raw.until((received) => hasResponses(received, 1));
  assert.equal(parseResponses(text)[0]?.body, "aaabbbccc");
  raw.destroy();
});

test("Expect: 100-continue gets its 100 before the body, and then the answer", async () => {
  harness.onRequest = echo;
  const raw = await connectRaw(harness);
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  await raw.until((text) => text === "HTTP/1.1 100 Continue\r\n\r\n");
  raw.send("abc");
  const text = await raw.until((received) => hasResponses(received, 1));
  assert.equal(parseResponses(text)[0]?.body, "abc");
  raw.destroy();
});

test("a paused upload stops at what the kernel holds, and resumes without a lost byte", async () => {
  const bytes = Buffer.alloc(MAX_BODY_BYTES);
  for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE((i * 2_654_435_761) >>> 0, i);
  harness.onRequest = (one) => {
    one.downstream.pauseBody();
    echo(one);
  };
  const raw = await connectRaw(harness);
  raw.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes.length}\r\n\r\n`);
  raw.send(bytes);
  await harness.until(() => harness.seen.length === 1, "accepted");
  for (let i = 0; i < 50; i++) await turn();
  const one = harness.seen[0]!;
  assert.equal(one.bodyBytes, 0, "nothing while paused, not even what came with the head");
  assert.ok(raw.socket.writableLength > 0, "the client is held up");
  // Brake on every chunk.
  one.onChunk = (_chunk, isLast) => {
    if (isLast) return reply(one.downstream, 200, createHash("sha256").update(Buffer.concat(one.chunks)).digest("hex"));
    one.downstream.pauseBody();
    setImmediate(() => one.downstream.resumeBody());
  };
  one.downstream.resumeBody();
  const text = await raw.until((received) => hasResponses(received, 1), 20_000);
  assert.equal(parseResponses(text)[0]?.body, createHash("sha256").update(bytes).digest("hex"));
  raw.send(GET);
  harness.onRequest = (next) => reply(next.downstream, 200, "still");
  await raw.until((received) => hasResponses(received, 2));
  raw.destroy();
});

test("pausing inside a callback holds the other chunks of the same packet", async () => {
  harness.onRequest = (one) => {
    one.onChunk = (_chunk, isLast) => {
      if (isLast) reply(one.downstream, 200, one.bodyText);
      else one.downstream.pauseBody();
    };
  };
  const raw = await connectRaw(harness);
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n");
  await harness.until(() => harness.seen[0]?.chunks.length === 1, "first chunk");
  const one = harness.seen[0]!;
  while (!one.isBodyComplete) {
    const before = one.chunks.length;
    await turn();
    assert.equal(one.chunks.length, before);
    one.downstream.resumeBody();
  }
  const text = await raw.until((received) => hasResponses(received, 1));
  assert.equal(parseResponses(text)[0]?.body, "abc");
  raw.destroy();
});

test("a response passes while the upload stays paused, and its end frees the upload", async () => {
  harness.onRequest = (one) => one.downstream.pauseBody();
  const raw = await connectRaw(harness);
  const bytes = Buffer.alloc(8 * 1024 * 1024, "u");
  raw.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes.length}\r\n\r\n`);
  raw.send(bytes);
  await harness.until(() => harness.seen.length === 1, "accepted");
  const one = harness.seen[0]!;
  const answer = Buffer.alloc(8 * 1024 * 1024, "d");
  let givenBytes = 0;
  const go = () => {
    while (givenBytes < answer.length) {
      const piece = answer.subarray(givenBytes, givenBytes + 65_536);
      givenBytes += piece.length;
      if (!one.downstream.write(piece)) return;
      if (givenBytes < answer.length) assert.equal(one.bodyBytes, 0);
    }
    one.downstream.end();
  };
  one.onDrained = go;
  one.downstream.writeHead(200, [], answer.length);
  go();
  const text = await raw.until((received) => received.length > answer.length && hasResponses(received, 1), 20_000);
  assert.equal(parseResponses(text)[0]?.body.length, answer.length);
  harness.onRequest = (next) => reply(next.downstream, 200, "still");
  await new Promise<void>((resolve) => raw.socket.write(GET, () => resolve()));
  const after = await raw.until((received) => received.endsWith("still"), 10_000);
  assert.equal(parseResponses(after).length, 2);
  raw.destroy();
});

// Left open, it would never be closed again: the addon has no idle timer after an upload that ends behind its answer.
for (const status of [401, 204]) {
  test(`an answer (${status}) before the end of the upload is whole at once, and the connection closes with the upload`, async () => {
    harness.onRequest = (one) => setImmediate(() => reply(one.downstream, status, status === 204 ? "" : "early"));
    const raw = await connectRaw(harness);
    raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345");
    const text = await raw.until((received) => hasResponses(received, 1));
    assert.equal(parseResponses(text)[0]?.headers.get("connection"), "close");
    assert.equal(parseResponses(text)[0]?.body, status === 204 ? "" : "early");
    assert.equal(raw.closedBy(), null, "not reset under the upload");
    raw.send("67890");
    await raw.untilClosed();
    assert.equal(raw.closedBy(), "end", "an orderly close");
    assert.equal(harness.seen.length, 1);
    assert.deepEqual(harness.bugs, []);
  });
}
for (const [what, isChunked] of [
  ["known length", false],
  ["unknown length", true],
] as const) {
  test(`an echo of ${what} to a client that reads slowly holds up its upload, and every byte arrives`, async () => {
    // The addon may bring all that the kernel holds at once: up to 33 MB on machines with large buffers.
    const duplex = await startHarness({ limits: { maxBodyBytes: 0 }, maxHeldBytes: 40 * 1024 * 1024 });
    const bodyBytes = 160 * 1024 * 1024;
    duplex.onRequest = (one) => {
      one.downstream.writeHead(200, [], isChunked ? -1 : bodyBytes);
      one.onDrained = () => one.downstream.resumeBody();
      one.onChunk = (chunk, isLast) => {
        one.chunks.length = 0;
        if (!one.downstream.write(chunk)) one.downstream.pauseBody();
        if (isLast) one.downstream.end();
      };
    };
    const hashes = { sent: createHash("sha256"), received: createHash("sha256") };
    let receivedBytes = 0;
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = isChunked ? { "transfer-encoding": "chunked" } : { "content-length": bodyBytes };
      const request = httpRequest({ port: duplex.port, method: "POST", agent: false, headers }, resolve).on("error", reject);
      Readable.from(pieces(bodyBytes, hashes.sent)).pipe(request);
    });
    // Stops now and then: everything before it fills up, in both directions.
    for await (const chunk of answer) {
      const isStop = Math.floor(receivedBytes / 2e7) !== Math.floor((receivedBytes + chunk.length) / 2e7);
      hashes.received.update(chunk);
      receivedBytes += chunk.length;
      if (isStop) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal(receivedBytes, bodyBytes);
    assert.equal(hashes.received.digest("hex"), hashes.sent.digest("hex"));
    assert.ok((duplex.seen[0]?.drains ?? 0) > 3, "the response was blocked");
    assert.equal(duplex.seen[0]?.bodyError, null);
    assert.deepEqual(duplex.bugs, []);
    duplex.listener.close();
  });
}

function* pieces(bytes: number, hash: Hash): Generator<Buffer> {
  for (let at = 0; at < bytes; at += 65_536) {
    const piece = Buffer.alloc(65_536, "echo");
    piece.writeUInt32LE(at, 4);
    hash.update(piece);
    yield piece;
  }
}

test("an answer that is given between two chunks of the packet that ends the upload arrives", async () => {
  harness.onRequest = (one) => {
    one.onChunk = () => process.nextTick(() => reply(one.downstream, 502, "early"));
  };
  const text = await exchangeRaw(
    harness,
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
  );
  assert.equal(parseResponses(text)[0]?.body, "early");
  assert.deepEqual(harness.bugs, []);
});

for (const [what, length] of [
  ["known", 5],
  ["unknown", -1],
] as const) {
  test(`a streamed answer of ${what} length ends with its upload, and the connection stays usable`, async () => {
    harness.onRequest = (one) => {
      setImmediate(() => {
        one.downstream.writeHead(200, [], length);
        one.downstream.flush();
        one.downstream.write(Buffer.alloc(length === 5 ? 0 : 10_000, "x"));
        setImmediate(() => {
          one.downstream.write(Buffer.from("early"));
          one.downstream.end();
        });
      });
    };
    const raw = await connectRaw(harness);
    raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345");
    await raw.until((text) => text.includes("earl"));
    assert.equal(hasResponses(raw.text(), 1), false);
    raw.send("67890");
    await raw.until((text) => hasResponses(text, 1), 1_000);
    harness.onRequest = (one) => setImmediate(() => reply(one.downstream, 200, "next"));
    raw.send(GET);
    const text = await raw.until((received) => hasResponses(received, 2));
    assert.ok(parseResponses(text)[0]?.body.endsWith("early"));
    assert.equal(parseResponses(text)[1]?.body, "next");
    assert.deepEqual(harness.bugs, []);
    raw.destroy();
  });
}

test("a Content-Length above the limit is answered 413 at once, and the client can read it while it uploads", async () => {
  const raw = await connectRaw(harness);
  raw.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${MAX_BODY_BYTES + 1}\r\n\r\n`);
  const text = await raw.until((received) => hasResponses(received, 1));
  const [response] = parseResponses(text);
  assert.equal(response?.status, 413);
  assert.equal(response?.headers.get("connection"), "close");
  assert.equal(response?.body, "body-too-large");
  for (let i = 0; i < 20; i++) await turn();
  assert.equal(raw.closedBy(), null, "not reset under the upload");
  raw.send(Buffer.alloc(1024 * 1024));
  assert.equal(parseResponses(await raw.untilClosed()).length, 1);
  assert.deepEqual(
    harness.seen.map((one) => [one.refusal?.code, one.chunks.length]),
    [["body-too-large", 0]],
  );
  assert.deepEqual(harness.bugs, []);
});

test("a refused upload that ends is closed as soon as it has ended", async () => {
  const small = await startHarness({ limits: { maxBodyBytes: 10 } });
  const raw = await connectRaw(small);
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
  await raw.until((text) => hasResponses(text, 1));
  const startedAt = performance.now();
  raw.send("hello world");
  await raw.untilClosed();
  assert.equal(raw.closedBy(), "end", "an orderly close, no reset");
  assert.ok(performance.now() - startedAt < 1_000);
  small.listener.close();
});

test("a chunked body above the limit is answered 413 while it streams", async () => {
  const small = await startHarness({ limits: { maxBodyBytes: 10 } });
  small.onRequest = () => {};
  const raw = await connectRaw(small);
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  await small.until(() => small.seen[0]?.bodyBytes === 5, "first chunk");
  raw.send("6\r\n world\r\n");
  const text = await raw.until((received) => hasResponses(received, 1));
  assert.equal(parseResponses(text)[0]?.status, 413);
  assert.equal(small.seen[0]?.bodyError, "body-too-large");
  raw.send("5\r\nagain\r\n0\r\n\r\n");
  assert.equal(parseResponses(await raw.untilClosed()).length, 1);
  assert.equal(small.seen[0]?.bodyBytes, 5, "nothing beyond the limit is delivered");
  assert.equal(small.seen[0]?.aborts, 0);
  small.listener.close();
});

test("exactly the limit is accepted, and 0 means no limit", async () => {
  const small = await startHarness({ limits: { maxBodyBytes: 11 } });
  const unlimited = await startHarness({ limits: { maxBodyBytes: 0 } });
  for (const one of [small, unlimited]) {
    one.onRequest = echo;
    const raw = await connectRaw(one);
    raw.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n");
    const text = await raw.until((received) => hasResponses(received, 1));
    assert.equal(parseResponses(text)[0]?.body, "hello world");
    raw.destroy();
    one.listener.close();
  }
});

test("a body that does not arrive in time is answered 408", async () => {
  const quick = await startHarness({ requestMs: 200 });
  quick.onRequest = () => {};
  const raw = await connectRaw(quick);
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  const text = await raw.until((received) => hasResponses(received, 1));
  assert.equal(parseResponses(text)[0]?.status, 408);
  assert.equal(quick.seen[0]?.bodyError, "request-timeout");
  await raw.untilClosed();
  quick.listener.close();
});

test("a body that has arrived is not timed any more", async () => {
  const quick = await startHarness({ requestMs: 100 });
  quick.onRequest = () => {};
  const raw = await connectRaw(quick);
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  await quick.until(() => quick.seen[0]?.isBodyComplete === true, "complete");
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(quick.seen[0]?.bodyError, null);
  reply(quick.seen[0]!.downstream, 200, "late");
  await raw.until((text) => text.endsWith("late"));
  raw.destroy();
  quick.listener.close();
});

test("a client that leaves during its upload is reported", async () => {
  harness.onRequest = () => {};
  const raw = await connectRaw(harness);
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  await harness.until(() => harness.seen[0]?.bodyBytes === 3, "some bytes");
  raw.destroy();
  await harness.until(() => harness.seen[0]?.aborts === 1, "aborted");
});

test("a malformed chunk size ends the exchange, not the process", async () => {
  harness.onRequest = () => {};
  await exchangeRaw(harness, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n");
  await harness.until(() => harness.seen[0]?.aborts === 1, "aborted");
  assert.deepEqual(harness.bugs, []);
});

test("a request in a trailer is never dispatched", async () => {
  harness.onRequest = () => {};
  await exchangeRaw(
    harness,
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX:GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
  );
  assert.deepEqual(
    harness.seen.map((one) => one.head.path),
    ["/"],
  );
  assert.deepEqual(harness.bugs, []);
});

test("what arrives against the exchange's wish is bounded", async () => {
  const harness = await startHarness({ limits: { maxBodyBytes: 0 }, maxHeldBytes: 10_000 });
  harness.onRequest = (one) => {
    // At the first of many chunks: the others have been read as well.
    one.onChunk = () => one.downstream.pauseBody();
    one.onFailed = () => one.downstream.abort();
  };
  const raw = await connectRaw(harness);
  raw.send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${`1000\r\n${"u".repeat(0x1000)}\r\n`.repeat(12)}`);
  await harness.until(() => harness.seen[0]?.bodyError === "overloaded", "given up");
  assert.equal(harness.seen[0]?.chunks.length, 1);
  await raw.untilClosed();
  harness.listener.close();
});
