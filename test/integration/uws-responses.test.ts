import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import { connectRaw, exchangeRaw, hasResponses, parseResponses, type RawSocket } from "../support/raw-socket.js";
import { type Harness, reply, type Seen, startHarness } from "./uws-harness.js";

let harness: Harness;
before(async () => {
  harness = await startHarness();
});
after(() => harness.listener.close());
beforeEach(() => {
  harness.seen.length = 0;
  harness.bugs.length = 0;
  harness.isDraining = false;
});

const GET = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** One request on a connection of its own; returns all text after one complete response. */
async function ask(onRequest: (one: Seen) => void, bytes = GET): Promise<{ text: string; raw: RawSocket }> {
  harness.onRequest = onRequest;
  const raw = await connectRaw(harness);
  raw.send(bytes);
  const text = await raw.until((received) => parseResponses(received, bytes.startsWith("HEAD")).length > 0);
  return { text, raw };
}

/** The connection must still serve: whatever was sent before was framed correctly. */
async function assertStillUsable(raw: RawSocket): Promise<void> {
  harness.onRequest = (one) => setImmediate(() => reply(one.downstream, 200, "still"));
  const before = raw.receivedBytes();
  raw.send(GET);
  const text = await raw.until((received) => hasResponses(received.slice(before), 1));
  assert.equal(parseResponses(text.slice(before))[0]?.body, "still");
  assert.deepEqual(harness.bugs, []);
  raw.destroy();
}

test("a known length is sent with Content-Length, one Date and nothing of the addon's own", async () => {
  const { text, raw } = await ask((one) =>
    setImmediate(() => reply(one.downstream, 201, "made", ["x-a", "1", "x-a", "2", "date", "yesterday"])),
  );
  assert.match(text, /^HTTP\/1\.1 201 Created\r\nx-a: 1\r\nx-a: 2\r\nDate: [^\r]+ GMT\r\nContent-Length: 4\r\n\r\nmade$/);
  await assertStillUsable(raw);
});

test("a reply inside the request callback is sent as well", async () => {
  const { text, raw } = await ask((one) => reply(one.downstream, 200, "at once", ["x-a", "1"]));
  assert.match(text, /\r\nContent-Length: 7\r\n\r\nat once$/);
  await assertStillUsable(raw);
});

test("latin1 bytes of a header value leave as they are", async () => {
  const { text, raw } = await ask((one) => setImmediate(() => reply(one.downstream, 200, "", ["x-a", "caf\xe9", "x-b", "\t\x80"])));
  const { headers } = parseResponses(text)[0]!;
  assert.equal(headers.get("x-a"), "caf\xe9");
  assert.equal(headers.get("x-b"), "\x80");
  await assertStillUsable(raw);
});

test("an empty body has Content-Length: 0", async () => {
  const { text, raw } = await ask((one) => setImmediate(() => reply(one.downstream, 404, "")));
  assert.match(text, /Content-Length: 0\r\n\r\n$/);
  await assertStillUsable(raw);
});

test("fields of framing are dropped from what the exchange states", async () => {
  const { text, raw } = await ask((one) =>
    setImmediate(() =>
      reply(one.downstream, 200, "abc", ["Content-Length", "99", "transfer-encoding", "chunked", "connection", "upgrade"]),
    ),
  );
  assert.match(text, /^HTTP\/1\.1 200 OK\r\nDate: [^\r]+\r\nContent-Length: 3\r\n\r\nabc$/);
  await assertStillUsable(raw);
});

for (const [what, name, value] of [
  ["CR LF in a value", "x-a", "a\r\nset-cookie: evil"],
  ["NUL in a value", "x-a", "a\0b"],
  ["a char above 0xff in a value", "x-a", "a\u2028b"],
  ["LF in a name", "x\na", "b"],
  ["an empty name", "", "b"],
] as const) {
  test(`${what} is never written: the connection closes and the bug is reported`, async () => {
    harness.onRequest = (one) => setImmediate(() => reply(one.downstream, 200, "x", ["x-ok", "1", name, value]));
    assert.equal(await exchangeRaw(harness, GET), "");
    assert.equal(harness.bugs.length, 1);
    assert.equal(harness.seen[0]?.aborts, 1);
  });
}

test("a short body of unknown length that ends within one turn gets a Content-Length", async () => {
  const { text, raw } = await ask((one) =>
    setImmediate(() => {
      one.downstream.writeHead(200, ["x-a", "1"], -1);
      one.downstream.write(Buffer.from("abc"));
      one.downstream.write(Buffer.from("def"));
      one.downstream.flush();
      one.downstream.end();
    }),
  );
  assert.match(text, /Content-Length: 6\r\n\r\nabcdef$/);
  await assertStillUsable(raw);
});

test("a body of unknown length that goes on is chunked, and its first bytes leave at once", async () => {
  harness.onRequest = (one) =>
    setImmediate(() => {
      one.downstream.writeHead(200, ["x-a", "1"], -1);
      one.downstream.write(Buffer.from("abc"));
    });
  const raw = await connectRaw(harness);
  raw.send(GET);
  await raw.until((text) => text.endsWith("3\r\nabc") || text.endsWith("3\r\nabc\r\n"));
  harness.seen[0]!.downstream.write(Buffer.from("defg"));
  await raw.until((text) => text.includes("4\r\ndefg"));
  harness.seen[0]!.downstream.end();
  const text = await raw.until((received) => hasResponses(received, 1));
  assert.match(text, /Transfer-Encoding: chunked\r\n/);
  assert.equal(parseResponses(text)[0]?.body, "abcdefg");
  await assertStillUsable(raw);
});

test("a first chunk that does not fit beside a large head is neither cut short nor repeated", async () => {
  const body = Array.from({ length: 3_000 }, (_, i) => `${i} `).join("");
  const { text, raw } = await ask((one) =>
    setImmediate(() => {
      one.downstream.writeHead(200, ["x-a", "a".repeat(12_000)], -1);
      one.downstream.write(Buffer.from(body));
      one.downstream.end();
    }),
  );
  assert.equal(parseResponses(text)[0]?.body, body);
  await assertStillUsable(raw);
});

test("a body of unknown length that stays empty has Content-Length: 0", async () => {
  const { text, raw } = await ask((one) =>
    setImmediate(() => {
      one.downstream.writeHead(200, [], -1);
      one.downstream.end();
    }),
  );
  assert.match(text, /Content-Length: 0\r\n\r\n$/);
  await assertStillUsable(raw);
});

test("a body of known length in pieces is sent exactly, and flush lets the head leave first", async () => {
  harness.onRequest = (one) =>
    setImmediate(() => {
      one.downstream.writeHead(200, [], 6);
      one.downstream.flush();
    });
  const raw = await connectRaw(harness);
  raw.send(GET);
  await raw.until((text) => text.endsWith("Content-Length: 6\r\n\r\n"));
  const { downstream } = harness.seen[0]!;
  downstream.write(Buffer.from("abc"));
  await raw.until((text) => text.endsWith("abc"));
  downstream.write(Buffer.from("defghi"));
  downstream.write(Buffer.from("jkl"));
  downstream.end();
  const text = await raw.until((received) => hasResponses(received, 1));
  assert.ok(text.endsWith("\r\n\r\nabcdef"), "never more than was declared");
  await assertStillUsable(raw);
});

test("flush and pieces inside the request callback are sent in order", async () => {
  const { text, raw } = await ask((one) => {
    one.downstream.writeHead(200, [], 6);
    one.downstream.flush();
    one.downstream.write(Buffer.from("abc"));
    one.downstream.write(Buffer.from("def"));
    one.downstream.end();
  });
  assert.ok(text.endsWith("Content-Length: 6\r\n\r\nabcdef"));
  await assertStillUsable(raw);
});

test("fewer bytes than declared break the connection instead of looking complete", async () => {
  for (const body of ["", "abc"]) {
    harness.onRequest = (one) =>
      setImmediate(() => {
        one.downstream.writeHead(200, [], 6);
        one.downstream.write(Buffer.from(body));
        one.downstream.end();
      });
    const text = await exchangeRaw(harness, GET);
    assert.deepEqual(parseResponses(text), []);
  }
  assert.deepEqual(harness.bugs, []);
});

test("abort breaks a response at every phase without a complete ending and without onAbort", async () => {
  const phases: ((one: Seen) => void)[] = [
    () => {},
    (one) => one.downstream.writeHead(200, [], 100),
    (one) => one.downstream.flush(),
    (one) => one.downstream.write(Buffer.from("abc")),
  ];
  for (let count = 1; count <= phases.length; count++) {
    for (const isSync of [true, false]) {
      const run = (one: Seen) => {
        for (const phase of phases.slice(0, count)) phase(one);
        one.downstream.abort();
      };
      harness.onRequest = (one) => (isSync ? run(one) : setImmediate(() => run(one)));
      assert.deepEqual(parseResponses(await exchangeRaw(harness, GET)), []);
    }
  }
  harness.onRequest = (one) =>
    setImmediate(() => {
      one.downstream.writeHead(200, [], -1);
      one.downstream.write(Buffer.alloc(20_000, "x"));
      one.downstream.abort();
    });
  const text = await exchangeRaw(harness, GET);
  assert.ok(text.length > 0 && !text.endsWith("0\r\n\r\n"));
  assert.equal(
    harness.seen.reduce((sum, one) => sum + one.aborts, 0),
    0,
  );
  assert.deepEqual(harness.bugs, []);
});

test("a client that leaves is reported once at every phase, and later calls are no-ops", async () => {
  const phases: ((one: Seen) => void)[] = [
    () => {},
    (one) => one.downstream.writeHead(200, [], 1_000_000),
    (one) => one.downstream.flush(),
    (one) => one.downstream.write(Buffer.from("abc")),
  ];
  for (let count = 1; count <= phases.length; count++) {
    harness.seen.length = 0;
    harness.onRequest = (one) =>
      setImmediate(() => {
        for (const phase of phases.slice(0, count)) phase(one);
      });
    const raw = await connectRaw(harness);
    raw.send(GET);
    await harness.until(() => harness.seen.length === 1, "accepted");
    await turn();
    await turn();
    raw.destroy();
    await harness.until(() => harness.seen[0]?.aborts === 1, "aborted");
    const { downstream } = harness.seen[0]!;
    downstream.writeHead(200, [], 3);
    assert.equal(downstream.write(Buffer.from("abc")), true);
    downstream.flush();
    downstream.pauseBody();
    downstream.resumeBody();
    downstream.end();
    downstream.abort();
    assert.equal(harness.seen[0]?.aborts, 1);
  }
  await harness.until(() => harness.listener.pendingResponses === 0, "nothing pends");
  assert.deepEqual(harness.bugs, []);
});

test("calls after the end are no-ops, and the connection is not disturbed", async () => {
  const { raw } = await ask((one) =>
    setImmediate(() => {
      reply(one.downstream, 200, "abc");
      reply(one.downstream, 500, "again");
      one.downstream.flush();
      one.downstream.pauseBody();
      one.downstream.resumeBody();
      one.downstream.abort();
    }),
  );
  await assertStillUsable(raw);
});

test("HEAD has the length a GET would have had, and no body", async () => {
  for (const isSync of [true, false]) {
    const run = (one: Seen) => reply(one.downstream, 200, "not sent", ["x-a", "1"]);
    const { text, raw } = await ask((one) => (isSync ? run(one) : setImmediate(() => run(one))), "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.match(text, /^HTTP\/1\.1 200 OK\r\nx-a: 1\r\nContent-Length: 8\r\nDate: [^\r]+\r\n\r\n$/);
    await assertStillUsable(raw);
  }
});

test("HEAD of unknown length has neither length nor coding", async () => {
  const { text, raw } = await ask(
    (one) =>
      setImmediate(() => {
        one.downstream.writeHead(200, [], -1);
        one.downstream.write(Buffer.from("not sent"));
        one.downstream.end();
      }),
    "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
  );
  assert.match(text, /^HTTP\/1\.1 200 OK\r\nDate: [^\r]+\r\n\r\n$/);
  await assertStillUsable(raw);
});

for (const status of [204, 304]) {
  test(`${status} has neither body nor length`, async () => {
    const { text, raw } = await ask((one) => setImmediate(() => reply(one.downstream, status, "not sent", ["etag", '"1"'])));
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} [^\\r]+\\r\\netag: "1"\\r\\nDate: [^\\r]+\\r\\n\\r\\n$`));
    await assertStillUsable(raw);
  });
}

test("a status that is not final is a bug, not a response", async () => {
  harness.onRequest = (one) => setImmediate(() => reply(one.downstream, 103, ""));
  assert.equal(await exchangeRaw(harness, GET), "");
  assert.equal(harness.bugs.length, 1);
});

test("a refused HEAD is answered without a body and closed", async () => {
  const text = await exchangeRaw(harness, "HEAD //x HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.match(text, /\r\nConnection: close\r\n/);
  assert.equal(text.match(/Content-Length/gi)?.length, 1);
  assert.ok(text.endsWith("\r\n\r\n"));
});

test("while draining every response asks to close, and short ones close", async () => {
  harness.isDraining = true;
  harness.onRequest = (one) => setImmediate(() => reply(one.downstream, 200, "bye"));
  assert.match(await exchangeRaw(harness, GET), /\r\nConnection: close\r\n[\s\S]*bye$/);

  const streamed = await ask((one) =>
    setImmediate(() => {
      one.downstream.writeHead(200, ["x-a", "1"], 6);
      one.downstream.write(Buffer.from("abc"));
      one.downstream.write(Buffer.from("def"));
      one.downstream.end();
    }),
  );
  assert.match(streamed.text, /\r\nConnection: close\r\n/);
  assert.equal(parseResponses(streamed.text)[0]?.body, "abcdef");
  streamed.raw.destroy();

  const head = await ask((one) => setImmediate(() => reply(one.downstream, 200, "abc")), "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match(head.text, /\r\nConnection: close\r\n/);
  head.raw.destroy();
});

test("an exception in the acceptor costs that response only", async () => {
  harness.onRequest = () => {
    throw new Error("acceptor");
  };
  assert.equal(await exchangeRaw(harness, GET), "");
  assert.deepEqual(harness.bugs.map(String), ["Error: acceptor"]);
  harness.bugs.length = 0;
  const { raw } = await ask((one) => setImmediate(() => reply(one.downstream, 200, "fine")));
  await assertStillUsable(raw);
});

test("an exception in a handler's callback costs that response only", async () => {
  harness.onRequest = (one) => {
    one.onChunk = () => {
      throw new Error("handler");
    };
  };
  assert.equal(await exchangeRaw(harness, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"), "");
  assert.deepEqual(harness.bugs.map(String), ["Error: handler"]);
  assert.equal(harness.seen[0]?.aborts, 1);
});

// ── Backpressure ─────────────────────────────────────────────────────────────────────────────────────────────────

const BIG_BYTES = 8 * 1024 * 1024;
const big = Buffer.alloc(BIG_BYTES);
for (let i = 0; i < BIG_BYTES; i += 4) big.writeUInt32LE((i * 2_654_435_761) >>> 0, i);
const bigHash = createHash("sha256").update(big).digest("hex");

/** Writes `big` in pieces as fast as `write` allows; `ahead` tells how far the writer is. */
function pump(one: Seen, pieceBytes: number, bodyLength: number): { givenBytes: number; stops: number } {
  const progress = { givenBytes: 0, stops: 0 };
  const go = () => {
    while (progress.givenBytes < BIG_BYTES) {
      const piece = big.subarray(progress.givenBytes, progress.givenBytes + pieceBytes);
      progress.givenBytes += piece.length;
      // A borrowed buffer: what is kept beyond the call must have been copied.
      const borrowed = Buffer.from(piece);
      const mayGoOn = one.downstream.write(borrowed);
      borrowed.fill(0);
      if (!mayGoOn) {
        progress.stops++;
        return;
      }
    }
    one.downstream.end();
  };
  one.onDrained = go;
  one.downstream.writeHead(200, ["x-a", "1"], bodyLength);
  go();
  return progress;
}

for (const [what, pieceBytes, bodyLength] of [
  ["known length", 64 * 1024, BIG_BYTES],
  ["known length in odd pieces", 10_007, BIG_BYTES],
  ["chunked, 64 KiB pieces", 64 * 1024, -1],
  ["chunked, 10,000 byte pieces (which the addon would lose two to a cork)", 10_000, -1],
  ["chunked, 7,001 byte pieces", 7_001, -1],
] as const) {
  test(`a slow reader gets 8 MiB whole, and the writer waits for it: ${what}`, async () => {
    let progress = { givenBytes: 0, stops: 0 };
    harness.onRequest = (one) => setImmediate(() => (progress = pump(one, pieceBytes, bodyLength)));
    const raw = await connectRaw(harness);
    raw.socket.pause();
    raw.send(GET);
    await harness.until(() => progress.stops > 0, "the writer was told to stop");
    assert.ok(progress.givenBytes < BIG_BYTES, `stopped only after ${progress.givenBytes} bytes`);
    for (let i = 0; i < 5; i++) {
      // Reads a little, then stops again: many rounds of backpressure.
      raw.socket.resume();
      await turn();
      raw.socket.pause();
      await turn();
      await turn();
    }
    raw.socket.resume();
    const text = await raw.until((received) => received.length > BIG_BYTES && hasResponses(received, 1), 20_000);
    const body = Buffer.from(parseResponses(text)[0]!.body, "latin1");
    assert.equal(body.length, BIG_BYTES);
    assert.equal(createHash("sha256").update(body).digest("hex"), bigHash);
    assert.ok(harness.seen[0]!.drains > 0);
    await harness.until(() => harness.listener.pendingResponses === 0, "nothing pends");
    await assertStillUsable(raw);
  });
}

for (const pieceBytes of [7_001, 10_000, 65_536]) {
  test(`a writer that does not wait loses nothing, and all of it arrives without a further write: pieces of ${pieceBytes}`, async () => {
    harness.onRequest = (one) =>
      setImmediate(() => {
        one.downstream.writeHead(200, [], -1);
        for (let at = 0; at < BIG_BYTES; at += pieceBytes) one.downstream.write(big.subarray(at, at + pieceBytes));
      });
    const raw = await connectRaw(harness);
    raw.socket.pause();
    raw.send(GET);
    await harness.until(() => harness.seen.length === 1, "accepted");
    for (let i = 0; i < 20; i++) await turn();
    raw.socket.resume();
    await raw.until((received) => received.length > BIG_BYTES, 10_000);
    harness.seen[0]!.downstream.end();
    const text = await raw.until((received) => hasResponses(received, 1), 10_000);
    const body = Buffer.from(parseResponses(text)[0]!.body, "latin1");
    assert.equal(createHash("sha256").update(body).digest("hex"), bigHash);
    raw.destroy();
  });
}

test("a writer that waits for its client holds no more than a few pieces", async () => {
  const megabytes = () => process.memoryUsage().rss / (1024 * 1024);
  let givenBytes = 0;
  const piece = Buffer.alloc(64 * 1024, "x");
  harness.onRequest = (one) =>
    setImmediate(() => {
      const go = () => {
        do givenBytes += piece.length;
        while (givenBytes < 512 * 1024 * 1024 && one.downstream.write(piece));
      };
      one.onDrained = go;
      one.downstream.writeHead(200, [], -1);
      go();
    });
  const raw = await connectRaw(harness);
  raw.socket.pause();
  raw.send(GET);
  await harness.until(() => givenBytes > 0, "started");
  const before = megabytes();
  for (let i = 0; i < 50; i++) await turn();
  assert.ok(givenBytes < 32 * 1024 * 1024, `${givenBytes} bytes were taken from the writer`);
  assert.ok(megabytes() - before < 64, "memory is flat");
  raw.destroy();
  await harness.until(() => harness.seen[0]?.aborts === 1, "aborted while blocked");
});
