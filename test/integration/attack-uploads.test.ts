/** Uploads against the listener alone that are made to cost more than they weigh: tiny chunks, and many at once that nobody takes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectRaw, hasResponses, type RawSocket } from "../support/raw-socket.js";
import { reply, startHarness } from "./uws-harness.js";

const POST = "POST / HTTP/1.1\r\nHost: a.test\r\n";

test("an upload in chunks of one byte reaches the exchange in few pieces, in order and with its end", async () => {
  const harness = await startHarness();
  const text = Array.from({ length: 20_000 }, (_, index) => String(index % 10)).join("");
  harness.onRequest = (seen) => {
    // Every piece stops it once: what was gathered must wait like anything else.
    seen.onChunk = (_chunk, isLast) => {
      if (isLast) return reply(seen.downstream, 200, "done");
      seen.downstream.pauseBody();
      setImmediate(() => seen.downstream.resumeBody());
    };
  };
  try {
    for (const cuts of [[], [50_000], [7, 60_001, 99_000]]) {
      const raw = await connectRaw({ port: harness.port });
      const chunks = [...text].map((char) => `1\r\n${char}\r\n`).join("");
      await raw.sendSplit(`${POST}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`, cuts);
      await raw.until((all) => hasResponses(all, 1));
      raw.destroy();
    }
    for (const seen of harness.seen) {
      assert.equal(seen.bodyText, text);
      assert.equal(seen.isBodyComplete, true);
      assert.ok(seen.chunks.length < 200, `${seen.chunks.length} pieces`);
    }
    assert.deepEqual(harness.bugs, []);
  } finally {
    harness.listener.close();
  }
});

test("a small chunked upload does not wait for anything", async () => {
  const harness = await startHarness();
  harness.onRequest = (seen) => {
    seen.onChunk = (_chunk, isLast) => void (isLast && reply(seen.downstream, 200, seen.bodyText));
  };
  try {
    const raw = await connectRaw({ port: harness.port });
    for (const [index, body] of ["3\r\nabc\r\n0\r\n\r\n", "1\r\na\r\n1\r\nb\r\n0\r\n\r\n", "0\r\n\r\n"].entries()) {
      raw.send(`${POST}Transfer-Encoding: chunked\r\n\r\n${body}`);
      await raw.until((all) => hasResponses(all, index + 1));
    }
    assert.deepEqual(
      harness.seen.map((seen) => seen.bodyText),
      ["abc", "ab", ""],
    );
    raw.destroy();
  } finally {
    harness.listener.close();
  }
});

test("uploads that nobody takes share one budget: the listener refuses some instead of keeping all", async () => {
  const maxHeldBytes = 128 * 1024;
  const harness = await startHarness({ maxHeldBytes, limits: { maxBodyBytes: 0 } });
  // At the first of several chunks: the others of the same read have nowhere else to go.
  harness.onRequest = (seen) => {
    seen.onChunk = () => seen.downstream.pauseBody();
    seen.onFailed = () => seen.downstream.abort();
  };
  const clients: RawSocket[] = [];
  const chunks = `1000\r\n${"u".repeat(0x1000)}\r\n`.repeat(12);
  try {
    for (let i = 0; i < 8; i++) {
      const raw = await connectRaw({ port: harness.port });
      raw.send(`${POST}Transfer-Encoding: chunked\r\n\r\n${chunks}`);
      await harness.until(() => (harness.seen[i]?.chunks.length ?? 0) > 0, "its first bytes");
      clients.push(raw);
    }
    await harness.until(() => harness.seen.filter((seen) => seen.bodyError === "overloaded").length >= 5, "refusals");
    const survivors = harness.seen.filter((seen) => seen.bodyError === null);
    assert.ok(survivors.length >= 1 && survivors.length <= 3, `${survivors.length} are kept`);
    // What they held is free again: the next one is served.
    for (const seen of survivors) seen.downstream.abort();
    await harness.until(() => harness.listener.connections === 0, "the clients to be gone");
    harness.onRequest = (seen) => setImmediate(() => reply(seen.downstream, 200, "hello"));
    const next = await connectRaw({ port: harness.port });
    next.send(`${POST}Content-Length: 3\r\n\r\nabc`);
    await next.until((all) => hasResponses(all, 1));
    next.destroy();
  } finally {
    for (const raw of clients) raw.destroy();
    harness.listener.close();
  }
});
