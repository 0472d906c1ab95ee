/** What every request on listeners of our own codecs makes keeps one hidden class; see hot-objects.test.ts. */
import assert from "node:assert/strict";
import { connect } from "node:http2";
import { it } from "node:test";
import { HeadVerdict } from "../../src/listeners/head-rules.js";
import { Http1Connection } from "../../src/listeners/wire/http1-connection.js";
import { Http1Response } from "../../src/listeners/wire/http1-response.js";
import { Http2Response } from "../../src/listeners/wire/http2-response.js";
import { Http2Session } from "../../src/listeners/wire/http2-session.js";
import { UploadClock } from "../../src/listeners/wire/upload-clock.js";
import { OutputPump } from "../../src/wire/http2/output-pump.js";
import { connectRaw } from "../support/raw-socket.js";
import { ShapeWatch } from "../support/shape-watch.js";
import { reply, type Seen } from "./uws-harness.js";
import { startWireHarness, type WireHarness } from "./wire-harness.js";

const watch = new ShapeWatch();
const WATCHED = { HeadVerdict, Http1Connection, Http1Response, OutputPump, Http2Response, Http2Session, UploadClock };
for (const [label, watched] of Object.entries(WATCHED)) watch.watchClass(label, watched);

const PIECE = Buffer.alloc(100_000, "x");

function answer(one: Seen): void {
  const { downstream, head } = one;
  watch.show("RequestHead", head, "when accepted");
  if (head.path === "/now") return reply(downstream, 200, "now");
  if (head.path === "/silent") return;
  if (head.path === "/stream") {
    downstream.writeHead(200, ["x-a", "1"], -1);
    downstream.write(PIECE);
    setImmediate(() => downstream.end(["x-trailer", "1"]));
    return;
  }
  if (head.path === "/abort") {
    downstream.writeHead(200, [], 10);
    downstream.write(Buffer.from("abc"));
    downstream.flush();
    setImmediate(() => downstream.abort());
    return;
  }
  if (head.bodyLength === 0) return void setImmediate(() => reply(downstream, 200, "later"));
  downstream.pauseBody();
  setImmediate(() => downstream.resumeBody());
  one.onChunk = (_chunk, isLast) => {
    if (isLast) reply(downstream, 200, "uploaded");
  };
}

async function http1(harness: WireHarness, request: string): Promise<void> {
  const raw = await connectRaw(harness);
  raw.send(request);
  await raw.untilClosed();
  raw.destroy();
}

async function http2(harness: WireHarness, method: string, path: string): Promise<void> {
  const session = connect(`http://127.0.0.1:${harness.port}`);
  session.on("error", () => {});
  const stream = session.request({ ":method": method, ":path": path, te: "trailers" }, { endStream: method === "GET" });
  if (method === "POST") stream.end(PIECE);
  stream.on("error", () => {});
  stream.resume();
  if (path === "/silent") setTimeout(() => stream.close(8), 20);
  await new Promise((resolve) => stream.once("close", resolve));
  session.destroy();
}

const HTTP1 = [
  "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  "GET /now HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: te, close\r\nTE: trailers\r\n\r\n",
  "GET /stream HTTP/1.0\r\n\r\n",
  "GET /abort HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  "POST /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
  "POST /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  "GET bad HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  "TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
];
const HTTP2 = [
  ["GET", "/"],
  ["GET", "/now"],
  ["GET", "/stream"],
  ["GET", "/abort"],
  ["GET", "/silent"],
  ["POST", "/up"],
  ["GET", "//bad"],
] as const;

it("every object of a connection and of a request has one hidden class from construction to completion", async () => {
  for (const round of ["first", "second"]) {
    watch.restart();
    const harness = await startWireHarness();
    harness.onRequest = answer;
    for (const request of HTTP1) await http1(harness, request);
    for (const [method, path] of HTTP2) await http2(harness, method, path);
    await harness.until(() => harness.listener.connections === 0, "all connections to end");
    assert.deepEqual(harness.bugs, []);
    harness.listener.close();
    watch.showAllAgain(`after the ${round} round`);
  }
  assert.deepEqual([...watch.problems], []);
  for (const [label, atLeast] of Object.entries({
    Http1Connection: 9,
    Http1Response: 9,
    Http2Session: 7,
    Http2Response: 7,
    OutputPump: 7,
  })) {
    assert.ok(watch.count(label) >= atLeast, `${label}: ${watch.count(label)}`);
  }
});
