// The addon's fixed timers (10 to 14 s): what they cut, and what we keep alive in spite of them. All run side by side.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connectRaw, hasResponses, parseResponses } from "../support/raw-socket.js";
import { type Harness, reply, startHarness } from "./uws-harness.js";

/** Longer than the addon's timer at its latest. */
const PAST_TIMER_MS = 15_000;
const DEADLINE_MS = 25_000;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let harness: Harness;
before(async () => {
  harness = await startHarness({ requestMs: 60_000, limits: { minBodyBytesPerSecond: 0 } });
});
after(() => harness.listener.close());

const seenAt = (path: string) => harness.seen.find((one) => one.head.path === path);

describe("beyond the addon's timers", { concurrency: true }, () => {
  for (const [what, bytes] of [
    ["a connection that sends nothing", ""],
    ["half a head", "GET / HTTP/1.1\r\nHost:"],
    ["a bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX-A: a\rb\r\n\r\n"],
    ["an empty line before the request", "\r\nGET /crlf HTTP/1.1\r\nHost: a\r\n\r\n"],
  ] as const) {
    test(`${what} is closed unanswered and undispatched`, async () => {
      const raw = await connectRaw(harness);
      if (bytes !== "") raw.send(bytes);
      assert.equal(await raw.untilClosed(DEADLINE_MS), "");
      assert.equal(seenAt("/crlf"), undefined);
    });
  }

  test("a slow upload survives, silence included", async () => {
    const raw = await connectRaw(harness);
    raw.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
    harness.onRequest = () => {};
    await sleep(PAST_TIMER_MS);
    raw.send("b");
    await harness.until(() => seenAt("/slow")?.bodyBytes === 2, "second byte");
    raw.send("c");
    await harness.until(() => seenAt("/slow")?.isBodyComplete === true, "complete");
    reply(seenAt("/slow")!.downstream, 200, "slow");
    await raw.until((text) => text.endsWith("slow"));
    raw.destroy();
  });

  test("a paused upload survives, and the client's leaving is noticed while it is paused", async () => {
    harness.onRequest = () => {};
    const [stays, leaves] = [await connectRaw(harness), await connectRaw(harness)];
    stays.send("POST /stays HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    leaves.send("POST /leaves HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    await harness.until(() => seenAt("/stays")?.bodyBytes === 3 && seenAt("/leaves")?.bodyBytes === 3, "begun");
    seenAt("/stays")!.downstream.pauseBody();
    seenAt("/leaves")!.downstream.pauseBody();
    leaves.destroy();
    await harness.until(() => seenAt("/leaves")?.aborts === 1, "noticed", 10_000);
    stays.send("def");
    await sleep(PAST_TIMER_MS);
    assert.equal(seenAt("/stays")?.bodyBytes, 3, "still paused");
    assert.equal(seenAt("/stays")?.aborts, 0);
    seenAt("/stays")!.downstream.resumeBody();
    await harness.until(() => seenAt("/stays")?.bodyText === "abcdef", "resumed");
    reply(seenAt("/stays")!.downstream, 200, "fine");
    await stays.until((text) => text.endsWith("fine"));
    stays.destroy();
  });

  for (const [what, path, length] of [
    ["unknown length", "/sse", -1],
    ["known length", "/download", 6],
  ] as const) {
    test(`a response of ${what} may fall silent`, async () => {
      harness.onRequest = () => {};
      const raw = await connectRaw(harness);
      raw.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await harness.until(() => seenAt(path) !== undefined, "accepted");
      const { downstream } = seenAt(path)!;
      downstream.writeHead(200, [], length);
      downstream.write(Buffer.from("abc"));
      await raw.until((text) => text.includes("abc"));
      await sleep(PAST_TIMER_MS);
      downstream.write(Buffer.from("def"));
      downstream.end();
      const text = await raw.until((received) => hasResponses(received, 1));
      assert.equal(parseResponses(text)[0]?.body, "abcdef");
      raw.destroy();
    });
  }

  test("a stream that was blocked once may fall silent after it has drained", async () => {
    harness.onRequest = () => {};
    const raw = await connectRaw(harness);
    raw.socket.pause();
    raw.send("GET /blocked HTTP/1.1\r\nHost: a\r\n\r\n");
    await harness.until(() => seenAt("/blocked") !== undefined, "accepted");
    const one = seenAt("/blocked")!;
    one.downstream.writeHead(200, [], -1);
    let givenBytes = 0;
    do givenBytes += 65_536;
    while (one.downstream.write(Buffer.alloc(65_536, "x")));
    raw.socket.resume();
    await raw.until((text) => text.length > givenBytes, 10_000);
    await sleep(PAST_TIMER_MS);
    one.downstream.write(Buffer.from("end"));
    one.downstream.end();
    const text = await raw.until((received) => hasResponses(received, 1));
    assert.equal(parseResponses(text)[0]?.body.length, givenBytes + 3);
    raw.destroy();
  });

  test("a wait for the upstream is not timed by the addon", async () => {
    harness.onRequest = () => {};
    const raw = await connectRaw(harness);
    raw.send("POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na");
    await sleep(PAST_TIMER_MS);
    reply(seenAt("/wait")!.downstream, 200, "late");
    await raw.until((text) => text.endsWith("late"));
    raw.destroy();
  });

  for (const [what, path, length] of [
    ["unknown length", "/slow-stream", -1],
    ["known length", "/slow-download", 16 * 1024 * 1024],
  ] as const) {
    test(`a reader that stops for long gets its response of ${what} whole`, async () => {
      harness.onRequest = () => {};
      const raw = await connectRaw(harness);
      raw.socket.pause();
      raw.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await harness.until(() => seenAt(path) !== undefined, "accepted");
      const one = seenAt(path)!;
      one.downstream.writeHead(200, [], length);
      let leftBytes = 16 * 1024 * 1024;
      one.onDrained = () => {
        while (leftBytes > 0) {
          leftBytes -= 65_536;
          if (!one.downstream.write(Buffer.alloc(65_536, "s"))) return;
        }
        one.downstream.end();
      };
      one.onDrained();
      await sleep(PAST_TIMER_MS);
      assert.equal(one.aborts, 0);
      assert.ok(leftBytes > 0, "the writer waits");
      raw.socket.resume();
      const text = await raw.until((received) => received.length > 16 * 1024 * 1024 && hasResponses(received, 1), 20_000);
      assert.ok(parseResponses(text)[0]?.body === "s".repeat(16 * 1024 * 1024), "every byte");
      raw.destroy();
    });
  }

  for (const [what, path, length] of [
    ["known", "/early", 5],
    ["unknown", "/early-chunked", -1],
  ] as const) {
    test(`a streamed answer of ${what} length that ends before its upload leaves no connection without a timer`, async () => {
      harness.onRequest = () => {};
      const raw = await connectRaw(harness);
      raw.send(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345`);
      await harness.until(() => seenAt(path) !== undefined, "accepted");
      const { downstream } = seenAt(path)!;
      downstream.writeHead(200, [], length);
      downstream.write(Buffer.from("earl"));
      await raw.until((text) => text.includes("earl"));
      downstream.write(Buffer.from("y"));
      downstream.end();
      const text = await raw.until((received) => hasResponses(received, 1), 10_000);
      assert.equal(parseResponses(text)[0]?.body, "early");
      raw.send("67890");
      await raw.untilClosed(DEADLINE_MS);
    });
  }

  test("a wait for the upstream is not timed by the addon either when the upload was held up at its end", async () => {
    harness.onRequest = () => {};
    const raw = await connectRaw(harness);
    raw.send("POST /held-up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    await harness.until(() => seenAt("/held-up") !== undefined, "accepted");
    const one = seenAt("/held-up")!;
    one.onChunk = () => one.downstream.pauseBody();
    raw.send("1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    await harness.until(() => one.chunks.length === 1, "the first chunk");
    one.onChunk = () => {};
    one.downstream.resumeBody();
    await harness.until(() => one.isBodyComplete, "the end");
    await sleep(PAST_TIMER_MS);
    assert.equal(one.aborts, 0);
    reply(one.downstream, 200, "late");
    await raw.until((text) => text.endsWith("late"));
    raw.destroy();
  });

  for (const [what, length] of [
    ["unknown length", -1],
    ["known length", 64 * 1024 * 1024],
  ] as const) {
    test(`a reader that takes nothing of a response of ${what} for streamIdle is cut off and reported`, async () => {
      const impatient = await startHarness({ streamIdleMs: 1_000 });
      impatient.onRequest = () => {};
      const raw = await connectRaw(impatient);
      raw.socket.pause();
      raw.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
      await impatient.until(() => impatient.seen.length === 1, "accepted");
      const one = impatient.seen[0]!;
      one.downstream.writeHead(200, [], length);
      // The kernel may make room for a while, whether or not the client reads.
      one.onDrained = () => {
        while (one.downstream.write(Buffer.alloc(65_536)));
      };
      one.onDrained();
      await impatient.until(() => one.aborts === 1, "aborted", 20_000);
      assert.equal(impatient.listener.pendingResponses, 0);
      raw.destroy();
      impatient.listener.close();
    });
  }
});
