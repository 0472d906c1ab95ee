// Uploads that arrive too slowly, and those that only seem to. All run side by side, because judging takes seconds.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { logLines } from "../support/client.js";
import { eventually, startGateway } from "../support/gateway.js";
import { connectRaw, hasResponses, parseResponses, type RawSocket } from "../support/raw-socket.js";
import { startHttpUpstream } from "../support/upstream.js";
import { type Harness, reply, startHarness } from "./uws-harness.js";

const DEADLINE_MS = 20_000;
/** Longer than the grace period of five seconds and the look after it. */
const PAST_GRACE_MS = 11_000;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const post = (path: string, length: number) => `POST ${path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${length}\r\n\r\n`;

let harness: Harness;
before(async () => {
  harness = await startHarness();
  harness.onRequest = () => {};
});
after(() => harness.listener.close());

const seenAt = (path: string) => harness.seen.find((one) => one.head.path === path);

/** Sends `bytes` every 200 ms until stopped or closed. */
function trickle(raw: RawSocket, bytes: string): () => void {
  const timer = setInterval(() => (raw.closedBy() === null ? raw.send(bytes) : clearInterval(timer)), 200);
  return () => clearInterval(timer);
}

describe("slow uploads", { concurrency: true }, () => {
  for (const [what, path, head, piece] of [
    ["by length", "/length", post("/length", 10_000), "x"],
    ["in chunks", "/chunks", "POST /chunks HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"],
  ] as const) {
    test(`a trickle ${what} is answered 408 once the grace is over, and the connection closes`, async () => {
      const startedAt = performance.now();
      const raw = await connectRaw(harness);
      raw.send(head);
      const stop = trickle(raw, piece);
      const text = await raw.until((received) => hasResponses(received, 1), DEADLINE_MS);
      assert.ok(performance.now() - startedAt > 5_000, "not before the grace is over");
      assert.equal(parseResponses(text)[0]?.status, 408);
      assert.equal(parseResponses(text)[0]?.headers.get("connection"), "close");
      assert.equal(seenAt(path)?.bodyError, "request-timeout");
      assert.equal(seenAt(path)?.bodyErrorDetail, "the body arrives at less than 240 bytes per second");
      await raw.untilClosed(DEADLINE_MS);
      stop();
    });
  }

  test("an upload at more than the minimum goes on", async () => {
    const raw = await connectRaw(harness);
    raw.send(post("/steady", 1_000_000));
    const stop = trickle(raw, "x".repeat(60));
    await sleep(PAST_GRACE_MS);
    stop();
    assert.equal(seenAt("/steady")?.bodyError, null);
    assert.equal(raw.closedBy(), null);
    raw.destroy();
  });

  test("a service that does not take the body is not held against the client", async () => {
    const raw = await connectRaw(harness);
    raw.send(post("/paused", 6));
    raw.send("abc");
    await harness.until(() => seenAt("/paused")?.bodyBytes === 3, "begun");
    seenAt("/paused")!.downstream.pauseBody();
    await sleep(PAST_GRACE_MS);
    seenAt("/paused")!.downstream.resumeBody();
    raw.send("def");
    await harness.until(() => seenAt("/paused")?.isBodyComplete === true, "complete");
    reply(seenAt("/paused")!.downstream, 200, "fine");
    await raw.until((text) => text.endsWith("fine"));
    raw.destroy();
  });

  test("the gateway tells the client and the log why", async () => {
    const upstream = await startHttpUpstream();
    const gateway = await startGateway(`
listeners: [{ name: public, bind: "127.0.0.1:0", protocol: http, limits: { minBodyBytesPerSecond: 1KiB } }]
routes: [{ name: all, backends: [{ service: app }] }]
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
    try {
      const raw = await connectRaw({ port: gateway.port("public") });
      raw.send(post("/", 10_000));
      const stop = trickle(raw, "x".repeat(20));
      const [response] = parseResponses(await raw.untilClosed(DEADLINE_MS));
      stop();
      assert.equal(response?.status, 408);
      assert.match(response?.body ?? "", /less than 1024 bytes per second/);
      const line = await eventually(() => logLines(gateway.stdout())[0], "the access log");
      assert.deepEqual([line.status, line.flag], [408, "DT"]);
      assert.equal(upstream.requests.length, 0);
    } finally {
      await gateway.stop();
      await upstream.close();
    }
  });
});
