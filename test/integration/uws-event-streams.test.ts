/** How a stream of server-sent events begins on the wire, byte by byte: the addon sends no chunked head alone. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { connectRaw, hasResponses, parseResponses, type RawSocket } from "../support/raw-socket.js";
import { type Harness, reply, type Seen, startHarness } from "./uws-harness.js";

let harness: Harness;
before(async () => {
  harness = await startHarness();
});
after(() => harness.listener.close());
beforeEach(() => {
  harness.seen.length = 0;
  harness.bugs.length = 0;
});

const GET = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

async function ask(onRequest: (one: Seen) => void): Promise<{ text: string; raw: RawSocket }> {
  harness.onRequest = onRequest;
  const raw = await connectRaw(harness);
  raw.send(GET);
  return { text: await raw.until((received) => hasResponses(received, 1)), raw };
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

for (const isInCallback of [false, true]) {
  test(`an event stream that says nothing is opened with a comment, and framed as if it had said that: flushed ${isInCallback ? "inside" : "outside"} the callback`, async () => {
    const begin = (one: Seen) => {
      one.downstream.writeHead(200, ["content-type", "text/event-stream; charset=utf-8"], -1);
      one.downstream.flush();
    };
    harness.onRequest = (one) => (isInCallback ? begin(one) : setImmediate(begin, one));
    const raw = await connectRaw(harness);
    raw.send(GET);
    await raw.until((text) => text.endsWith("Transfer-Encoding: chunked\r\n\r\n3\r\n:\n\n"));
    const { downstream } = harness.seen[0]!;
    assert.equal(downstream.takeBack(), false, "the head has left");
    downstream.write(Buffer.from("\ufeffdata: 1\n\n"));
    await raw.until((text) => text.endsWith("\r\n9\r\ndata: 1\n\n"));
    downstream.write(Buffer.from("\ufeffdata: 2\n\n"));
    downstream.end();
    const text = await raw.until((received) => hasResponses(received, 1));
    assert.equal(Buffer.from(parseResponses(text)[0]?.body ?? "", "latin1").toString(), ":\n\ndata: 1\n\n\ufeffdata: 2\n\n");
    await assertStillUsable(raw);
  });
}

test("an event stream that speaks at once, or ends, is not opened with anything", async () => {
  const head = ["content-type", "text/event-stream"];
  const { text, raw } = await ask((one) => {
    one.downstream.writeHead(200, head, -1);
    one.downstream.flush();
    setImmediate(() => one.downstream.write(Buffer.from("data: 1\n\n")));
    // Past the moment at which it would have been opened.
    setTimeout(() => one.downstream.end(), 250);
  });
  assert.equal(parseResponses(text)[0]?.body, "data: 1\n\n");
  await assertStillUsable(raw);
  const empty = await ask((one) => {
    one.downstream.writeHead(200, head, -1);
    one.downstream.flush();
    setImmediate(() => one.downstream.end());
  });
  assert.match(empty.text, /Content-Length: 0\r\n\r\n$/);
  await assertStillUsable(empty.raw);
});
