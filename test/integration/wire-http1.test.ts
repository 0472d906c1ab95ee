/** HTTP/1 on the listeners of our own codecs: requests, answers, connections. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { connectRaw, exchangeRaw, hasResponses, parseResponses } from "../support/raw-socket.js";
import { reply } from "./uws-harness.js";
import { startWireHarness, type WireHarness } from "./wire-harness.js";

let harness: WireHarness;
before(async () => {
  harness = await startWireHarness();
});
after(() => harness.listener.close());
beforeEach(() => {
  harness.seen.length = 0;
  harness.bugs.length = 0;
  harness.isDraining = false;
  harness.onRequest = (one) => setImmediate(() => reply(one.downstream, 200, "hello"));
});

const GET = "GET / HTTP/1.1\r\nHost: a.test\r\n";
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

const REFUSED: [string, string, number, string][] = [
  ["both lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad-request"],
  ["Transfer-Encoding identity", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400, "bad-request"],
  ["another coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "coding-not-supported"],
  ["two Content-Lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabc", 400, "bad-request"],
  ["no Host", "GET / HTTP/1.1\r\n\r\n", 400, "bad-request"],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad-request"],
  ["bare LF line ends", "GET / HTTP/1.1\nHost: a\n\n", 400, "bad-request"],
  ["NUL in a value", `${GET}X-A: a\0b\r\n\r\n`, 400, "bad-request"],
  ["an underscore in a name", `${GET}X_A: b\r\n\r\n`, 400, "bad-request"],
  ["method get", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method-not-supported"],
  ["CONNECT", "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n", 501, "method-not-supported"],
  ["TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method-not-supported"],
  ["a target that begins with two slashes", "GET //evil.test/x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad-request"],
  ["a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad-request"],
  ["another Expect", `${GET}Expect: 200-ok\r\n\r\n`, 417, "expectation-failed"],
  ["HTTP/3.0", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "version-not-supported"],
  ["a head that is too large", `${GET}X-A: ${"a".repeat(70_000)}\r\n\r\n`, 431, "headers-too-large"],
  ["a target that is too long", `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414, "target-too-long"],
  ["too many fields", `${GET}${"X-A: a\r\n".repeat(98)}\r\n`, 431, "headers-too-large"],
  ["a body that is announced too large", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10485761\r\n\r\n", 413, "body-too-large"],
];

for (const [what, bytes, status, code] of REFUSED) {
  test(`${what} is refused, counted, closed, and lets nothing through behind it`, async () => {
    const text = await exchangeRaw(harness, bytes + SMUGGLED);
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.equal(parseResponses(text).length, 1);
    assert.deepEqual(
      harness.seen.map((one) => one.refusal?.code),
      [code],
    );
    assert.deepEqual(harness.bugs, []);
  });
}

test("keep-alive serves request after request, and pipelined ones in order", async () => {
  harness.onRequest = (one) => setTimeout(() => reply(one.downstream, 200, one.head.path), one.head.path === "/1" ? 30 : 0);
  const raw = await connectRaw(harness);
  const one = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
  raw.send(one("/1") + one("/2") + one("/3"));
  raw.send(`POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc${one("/5")}`);
  const text = await raw.until((received) => hasResponses(received, 5));
  assert.deepEqual(
    parseResponses(text).map((response) => response.body),
    ["/1", "/2", "/3", "/4", "/5"],
  );
  raw.send(one("/6"));
  await raw.until((received) => hasResponses(received, 6));
  assert.equal(harness.seen[3]?.bodyText, "abc");
  raw.destroy();
});

test("pipelined requests that are answered at once are answered in order", async () => {
  harness.onRequest = (one) => reply(one.downstream, 200, one.head.path);
  const raw = await connectRaw(harness);
  const requests = Array.from({ length: 300 }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`);
  raw.send(requests.join(""));
  const text = await raw.until((received) => hasResponses(received, 300));
  assert.deepEqual(
    parseResponses(text).map((response) => response.body),
    requests.map((_, i) => `/${i}`),
  );
  raw.destroy();
});

test("a request arrives whole however it is cut", async () => {
  harness.onRequest = (one) => {
    one.onChunk = (_chunk, isLast) => {
      if (isLast) reply(one.downstream, 200, "all");
    };
  };
  const bytes = "POST /a?b HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  const raw = await connectRaw(harness);
  await raw.sendSplit(
    bytes,
    Array.from({ length: bytes.length - 1 }, (_, i) => i + 1),
  );
  await raw.until((received) => hasResponses(received, 1));
  assert.equal(harness.seen[0]?.bodyText, "abcde");
  assert.equal(harness.seen[0]?.head.query, "b");
  raw.destroy();
});

test("the absolute form and HTTP/1.0 are served", async () => {
  const absolute = await exchangeRaw(harness, "GET http://b.test:81/x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
  assert.match(absolute, /^HTTP\/1\.1 200 /);
  assert.equal(harness.seen[0]?.head.authority, "b.test:81");
  const old = await exchangeRaw(harness, "GET /old HTTP/1.0\r\n\r\n");
  assert.match(old, /^HTTP\/1\.1 200 OK\r\n[\s\S]*connection: close\r\n[\s\S]*hello$/i);
  assert.equal(harness.seen[1]?.head.authority, `127.0.0.1:${harness.port}`);
});

test("an HTTP/1.0 client is never sent chunks; the end of the connection ends the body", async () => {
  harness.onRequest = (one) => {
    one.downstream.writeHead(200, [], -1);
    one.downstream.write(Buffer.from("first "));
    setTimeout(() => {
      one.downstream.write(Buffer.from("second"));
      one.downstream.end();
    }, 20);
  };
  const text = await exchangeRaw(harness, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  assert.doesNotMatch(text, /chunked|content-length/);
  assert.match(text, /\r\n\r\nfirst second$/);
});

test("100 Continue is sent when the exchange wants the body, and not with an early refusal", async () => {
  harness.onRequest = (one) => {
    if (one.head.path === "/no") return reply(one.downstream, 401, "no");
    one.downstream.wantBody?.();
    one.onChunk = (_chunk, isLast) => {
      if (isLast) reply(one.downstream, 200, "got it");
    };
  };
  const raw = await connectRaw(harness);
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  await raw.until((text) => text === "HTTP/1.1 100 Continue\r\n\r\n");
  raw.send("abc");
  await raw.until((text) => text.endsWith("got it"));
  raw.destroy();
  const refused = await exchangeRaw(harness, "POST /no HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  assert.match(refused, /^HTTP\/1\.1 401 [\s\S]*connection: close/);
});

test("trailers reach a client that reads them, and no other", async () => {
  harness.onRequest = (one) => {
    one.downstream.writeHead(200, [], -1);
    one.downstream.write(Buffer.from("body"));
    one.downstream.end(["grpc-status", "0", "content-length", "9"]);
  };
  const withTe = await exchangeRaw(harness, `${GET}TE: trailers\r\nConnection: TE, close\r\n\r\n`);
  assert.match(withTe, /\r\n4\r\nbody\r\n0\r\ngrpc-status: 0\r\n\r\n$/);
  const without = await exchangeRaw(harness, `${GET}Connection: close\r\n\r\n`);
  assert.match(without, /content-length: 4\r\n[\s\S]*\r\n\r\nbody$/);
});

test("a client that has closed its side is answered", async () => {
  const raw = await connectRaw(harness);
  raw.socket.end(`${GET}\r\n`);
  assert.match(await raw.untilClosed(), /^HTTP\/1\.1 200 [\s\S]*hello$/);
});

test("a client that leaves is reported, in every phase", async () => {
  harness.onRequest = () => {};
  const waiting = await connectRaw(harness);
  waiting.send(`${GET}\r\n`);
  await harness.until(() => harness.seen.length === 1, "the request");
  waiting.socket.resetAndDestroy();
  await harness.until(() => harness.seen[0]?.aborts === 1, "the abort");
  const uploading = await connectRaw(harness);
  uploading.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
  await harness.until(() => harness.seen.length === 2, "the second request");
  uploading.destroy();
  await harness.until(() => harness.seen[1]?.aborts === 1, "the second abort");
  await harness.until(() => harness.listener.connections === 0, "connections to be counted off");
});

test("a client that leaves a silent stream is noticed, one that reads on gets all of a stream that is not", async () => {
  harness.onRequest = (one) => {
    one.downstream.writeHead(200, [], -1);
    one.downstream.write(Buffer.from("data: 1\n\n"));
    one.downstream.flush();
    if (one.head.path === "/silent") return;
    let sent = 1;
    const timer = setInterval(() => {
      one.downstream.write(Buffer.from(`data: ${++sent}\n\n`));
      one.downstream.flush();
      if (sent < 8) return;
      clearInterval(timer);
      one.downstream.end();
    }, 300);
  };
  const silent = await connectRaw(harness);
  silent.send("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");
  await silent.until((text) => text.includes("data: 1"));
  silent.socket.end();
  const lively = await connectRaw(harness);
  lively.socket.end("GET /lively HTTP/1.1\r\nHost: a\r\n\r\n");
  await harness.until(() => harness.seen[0]?.aborts === 1, "the abort");
  assert.match(await lively.untilClosed(), /data: 8\n\n\r\n0\r\n\r\n$/);
});

test("a client that closed its side and is answered nothing counts as gone, with pipelined requests, too", async () => {
  harness.onRequest = (one) => {
    if (one.head.path === "/first") setTimeout(() => reply(one.downstream, 200, "first"), 20);
  };
  const raw = await connectRaw(harness);
  raw.socket.end(`GET /first HTTP/1.1\r\nHost: a\r\n\r\n${GET}\r\n`);
  await harness.until(() => harness.seen[1]?.aborts === 1, "the abort");
});
