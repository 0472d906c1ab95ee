/** HTTP/2 on the listeners of our own codecs: streams, bodies both ways, flow control, errors, the end of connections. */
import assert from "node:assert/strict";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type OutgoingHttpHeaders } from "node:http2";
import { after, before, beforeEach, test } from "node:test";
import { connectRaw } from "../support/raw-socket.js";
import { reply } from "./uws-harness.js";
import { startWireHarness, type WireHarness } from "./wire-harness.js";

let harness: WireHarness;
let session: ClientHttp2Session;
let previous: ClientHttp2Session | null = null;
before(async () => {
  harness = await startWireHarness();
});
after(() => {
  session.destroy();
  harness.listener.close();
});
beforeEach(() => {
  harness.seen.length = 0;
  harness.bugs.length = 0;
  harness.isDraining = false;
  harness.onRequest = (one) => setImmediate(() => reply(one.downstream, 200, "hello"));
  session = connect(`http://127.0.0.1:${harness.port}`, { maxSessionMemory: 100 });
  session.on("error", () => {});
  previous?.destroy();
  previous = session;
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly interims: readonly number[];
  readonly text: string;
}

function collect(stream: ClientHttp2Stream): Promise<Answer> {
  let headers: Record<string, unknown> = {};
  let trailers: Record<string, unknown> = {};
  const interims: number[] = [];
  const chunks: Buffer[] = [];
  stream.on("headers", (interim) => interims.push(interim[":status"] as number));
  stream.on("response", (head) => {
    headers = head as Record<string, unknown>;
  });
  stream.on("trailers", (fields) => {
    trailers = fields as Record<string, unknown>;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.on("end", () => {
      if (stream.rstCode > 0) return; // an error follows
      resolve({ status: Number(headers[":status"]), headers, trailers, interims, text: Buffer.concat(chunks).toString("latin1") });
    });
  });
}

function ask(headers: OutgoingHttpHeaders, body?: string | Buffer): Promise<Answer> {
  const stream = session.request(headers, { endStream: body === undefined });
  const answer = collect(stream);
  if (body !== undefined) stream.end(body);
  return answer;
}

test("a request is seen as one, with its authority, path, query and peer", async () => {
  const answer = await ask({ ":path": "/a?b=c", ":authority": "a.test:81", "x-a": "1", cookie: ["a=1", "b=2"] });
  assert.equal(answer.text, "hello");
  assert.match(String(answer.headers.date), /GMT$/);
  assert.equal(answer.headers["content-length"], "5");
  const head = harness.seen[0]?.head;
  assert.deepEqual(
    [head?.method, head?.authority, head?.path, head?.query, head?.remoteAddress, head?.bodyLength],
    ["GET", "a.test:81", "/a", "b=c", "127.0.0.1", 0],
  );
  assert.deepEqual(head?.headers, ["x-a", "1", "cookie", "a=1; b=2"]);
});

test("a hundred streams at once are answered, each with its own bytes", async () => {
  harness.onRequest = (one) => setTimeout(() => reply(one.downstream, 200, one.head.path), Math.random() * 20);
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => ask({ ":path": `/${i}` })));
  answers.forEach((answer, i) => {
    assert.equal(answer.text, `/${i}`);
  });
});

test("large bodies pass in both directions at once", async () => {
  const size = 5 * 1024 * 1024;
  harness.onRequest = (one) => {
    one.downstream.writeHead(200, [], -1);
    one.onChunk = (chunk, isLast) => {
      if (!one.downstream.write(chunk)) one.downstream.pauseBody();
      if (isLast) one.downstream.end();
    };
    one.onDrained = () => one.downstream.resumeBody();
  };
  const body = Buffer.alloc(size, "0123456789");
  const answers = await Promise.all([1, 2, 3].map(() => ask({ ":method": "POST", ":path": "/" }, body)));
  for (const answer of answers) assert.equal(answer.text, body.toString("latin1"));
});

test("a client that does not read stops its exchange, and only that one", async () => {
  const piece = Buffer.alloc(65_536, "x");
  harness.onRequest = (one) => {
    if (one.head.path !== "/large") return reply(one.downstream, 200, "small");
    one.downstream.writeHead(200, [], -1);
    let sent = 0;
    while (one.downstream.write(piece)) assert.ok(++sent < 100, "it is never told to stop");
    one.onDrained = () => one.downstream.end();
  };
  // The window of the connection is for all streams: it must not be the one that is full.
  await new Promise<void>((resolve) => (session.connecting ? session.once("connect", () => resolve()) : resolve()));
  session.setLocalWindowSize(1024 * 1024);
  const large = session.request({ ":path": "/large" });
  large.pause();
  await harness.until(() => harness.seen.length === 1, "the large one");
  assert.equal((await ask({ ":path": "/small" })).text, "small");
  assert.equal(harness.seen[0]?.drains, 0);
  const answer = collect(large);
  large.resume();
  assert.match((await answer).text, /^x+$/);
});

test("a paused upload stops at the stream's window and goes on without a lost byte", async () => {
  harness.onRequest = (one) => {
    if (one.head.path === "/other") return reply(one.downstream, 200, "other");
    one.downstream.pauseBody();
    one.onChunk = (_chunk, isLast) => {
      if (isLast) reply(one.downstream, 200, "all of it");
    };
  };
  const stream = session.request({ ":method": "POST", ":path": "/" });
  const answer = collect(stream);
  stream.end(Buffer.alloc(300_000, "y"));
  await harness.until(() => harness.seen.length === 1, "the request");
  assert.equal((await ask({ ":path": "/other" })).text, "other");
  assert.equal(harness.seen[0]?.bodyBytes, 0);
  harness.seen[0]?.downstream.resumeBody();
  assert.equal((await answer).text, "all of it");
  assert.equal(harness.seen[0]?.bodyBytes, 300_000);
});

test("trailers, HEAD, 204, and a body of unknown length that stays empty", async () => {
  harness.onRequest = (one) => {
    const { downstream, head } = one;
    if (head.path === "/trailers") {
      downstream.writeHead(200, ["content-type", "application/grpc"], -1);
      downstream.write(Buffer.from("body"));
      downstream.end(["grpc-status", "0"]);
    } else if (head.path === "/only") {
      downstream.writeHead(200, [], -1);
      downstream.end(["grpc-status", "5"]);
    } else if (head.path === "/204") reply(downstream, 204, "");
    else if (head.path === "/empty") {
      downstream.writeHead(200, [], -1);
      downstream.end();
    } else reply(downstream, 200, "four");
  };
  const withTrailers = await ask({ ":path": "/trailers", te: "trailers" });
  assert.deepEqual([withTrailers.text, withTrailers.trailers["grpc-status"]], ["body", "0"]);
  assert.equal((await ask({ ":path": "/only" })).trailers["grpc-status"], "5");
  const head = await ask({ ":method": "HEAD", ":path": "/" });
  assert.deepEqual([head.status, head.headers["content-length"], head.text], [200, "4", ""]);
  assert.equal((await ask({ ":path": "/204" })).headers["content-length"], undefined);
  assert.equal((await ask({ ":path": "/empty" })).headers["content-length"], "0");
});

test("a response that is broken off is an error, whatever had been promised", async () => {
  harness.onRequest = (one) => {
    one.downstream.writeHead(200, [], one.head.path === "/short" ? 10 : -1);
    one.downstream.write(Buffer.from("part"));
    if (one.head.path === "/short") one.downstream.end();
    else setTimeout(() => one.downstream.abort(), 5);
  };
  for (const path of ["/abort", "/short"]) {
    await assert.rejects(ask({ ":path": path }), (error: NodeJS.ErrnoException) => error.code === "ERR_HTTP2_STREAM_ERROR", path);
  }
  harness.onRequest = (one) => reply(one.downstream, 200, "fine");
  assert.equal((await ask({ ":path": "/" })).text, "fine");
});

test("a client that resets its stream is reported once, and the connection goes on", async () => {
  harness.onRequest = (one) => {
    if (one.head.path === "/next") reply(one.downstream, 200, "next");
  };
  const stream = session.request({ ":path": "/" });
  stream.on("error", () => {});
  await harness.until(() => harness.seen.length === 1, "the request");
  stream.close(constants.NGHTTP2_CANCEL);
  await harness.until(() => harness.seen[0]?.aborts === 1, "the abort");
  assert.equal((await ask({ ":path": "/next" })).text, "next");
  session.destroy();
  assert.equal(harness.seen[0]?.aborts, 1);
});

test("a client that leaves is reported for every stream", async () => {
  harness.onRequest = () => {};
  for (let i = 0; i < 5; i++) session.request({ ":path": "/" }).on("error", () => {});
  await harness.until(() => harness.seen.length === 5, "five requests");
  session.destroy();
  await harness.until(() => harness.seen.every((one) => one.aborts === 1), "five aborts");
});

test("an early answer tells the client to stop its upload", async () => {
  harness.onRequest = (one) => reply(one.downstream, 403, "no");
  const stream = session.request({ ":method": "POST", ":path": "/" });
  const answer = collect(stream);
  stream.write(Buffer.alloc(100_000));
  assert.equal((await answer).status, 403);
  await new Promise<void>((resolve) => (stream.closed ? resolve() : stream.once("close", resolve)));
  assert.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR);
});

test("100 Continue is sent when the exchange wants the body", async () => {
  harness.onRequest = (one) => {
    one.downstream.wantBody?.();
    one.onChunk = (_chunk, isLast) => {
      if (isLast) reply(one.downstream, 200, "got it");
    };
  };
  const stream = session.request({ ":method": "POST", ":path": "/", expect: "100-continue" });
  const answer = collect(stream);
  await new Promise((resolve) => stream.once("continue", resolve));
  stream.end("abc");
  assert.equal((await answer).text, "got it");
});

const REFUSED: [string, OutgoingHttpHeaders, number, string][] = [
  ["TRACE", { ":method": "TRACE", ":path": "/" }, 501, "method-not-supported"],
  ["a method in lower case", { ":method": "get", ":path": "/" }, 501, "method-not-supported"],
  ["two slashes", { ":path": "//evil.test/x" }, 400, "bad-request"],
  ["an underscore in a name", { ":path": "/", x_a: "b" }, 400, "bad-request"],
  ["another expectation", { ":path": "/", expect: "200-ok" }, 417, "expectation-failed"],
  ["a body that is announced too large", { ":method": "POST", ":path": "/", "content-length": "10485761" }, 413, "body-too-large"],
];

for (const [what, headers, status, code] of REFUSED) {
  test(`${what} is refused, and the connection goes on`, async () => {
    const stream = session.request(headers, { endStream: status !== 413 });
    assert.equal((await collect(stream)).status, status);
    assert.equal(harness.seen[0]?.refusal?.code, code);
    assert.equal((await ask({ ":path": "/" })).status, 200);
  });
}

test("a head with too many fields is answered 431", async () => {
  const fields = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`x-${i}`, "1"]));
  assert.equal((await ask({ ":path": "/", ...fields })).status, 431);
  assert.equal(harness.seen[0]?.refusal?.code, "headers-too-large");
});

test("a body that grows too large is answered 413 while it streams", async () => {
  harness.onRequest = () => {};
  const stream = session.request({ ":method": "POST", ":path": "/" });
  const answer = collect(stream);
  const piece = Buffer.alloc(1024 * 1024);
  for (let i = 0; i < 11; i++) stream.write(piece);
  assert.equal((await answer).status, 413);
});

test("while draining a connection finishes its streams and says GOAWAY first", async () => {
  harness.onRequest = (one) => setTimeout(() => reply(one.downstream, 200, "late"), 60);
  const answer = ask({ ":path": "/" });
  await harness.until(() => harness.seen.length === 1, "the request");
  const goAway = new Promise<number>((resolve) => session.once("goaway", resolve));
  const stopped = await startWireHarness();
  stopped.listener.close();
  await harness.listener.stopAccepting();
  assert.equal(await goAway, constants.NGHTTP2_NO_ERROR);
  assert.equal((await answer).text, "late");
  await harness.until(() => harness.listener.connections === 0, "the connection to end");
  harness = await startWireHarness();
});

test("a preface that is none, and frames that break the rules, end the connection with a reason", async () => {
  const refused: string[] = [];
  const watched = await startWireHarness({ options: { onRefusal: (reason) => refused.push(reason) } });
  const raw = await connectRaw({ port: watched.port });
  raw.send("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
  const text = await raw.untilClosed();
  assert.match(text, /\x07\0{5}[\s\S]{4}\0\0\0\x01bad-preface$/);
  assert.deepEqual(refused, ["http2-bad-preface"]);
  await watched.until(() => watched.listener.connections === 0, "the end");
  watched.listener.close();
});

test("an idle connection is told to go after its keep-alive, a silent one is pinged and given up", async () => {
  const hasty = await startWireHarness({
    wire: {
      keepAliveMs: 200,
      http2: {
        maxConcurrentStreams: 100,
        streamWindowBytes: 65_536,
        connectionWindowBytes: 1_048_576,
        maxStreamWindowBytes: 65_536,
        pingMs: 150,
      },
    },
  });
  const idle = connect(`http://127.0.0.1:${hasty.port}`);
  await new Promise((resolve) => idle.once("goaway", resolve));
  await new Promise((resolve) => idle.once("close", resolve));
  hasty.onRequest = () => {};
  const raw = await connectRaw({ port: hasty.port });
  const settings = "\0\0\0\x04\0\0\0\0\0";
  const request = "\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01a";
  raw.send(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${settings}${request}`);
  await hasty.until(() => hasty.seen.length === 1, "the request");
  await raw.untilClosed();
  assert.match(raw.text(), /\0\0\x08\x06\0\0\0\0\0/);
  await hasty.until(() => hasty.seen[0]?.aborts === 1, "the abort");
  hasty.listener.close();
});
