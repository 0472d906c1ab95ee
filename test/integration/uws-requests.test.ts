import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { connectRaw, exchangeRaw, hasResponses, parseResponses } from "../support/raw-socket.js";
import { type Harness, reply, startHarness } from "./uws-harness.js";

let harness: Harness;
before(async () => {
  harness = await startHarness();
});
after(() => harness.listener.close());
beforeEach(() => {
  harness.seen.length = 0;
  harness.bugs.length = 0;
  harness.isDraining = false;
  harness.onRequest = (one) => setImmediate(() => reply(one.downstream, 200, "hello"));
});

const GET = "GET / HTTP/1.1\r\nHost: a.test\r\n";

/** A second request that must never be dispatched, right behind the first in the same packet. */
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

function assertNothingSmuggled(): void {
  assert.deepEqual(
    harness.seen.filter((one) => one.head.path === "/smuggled"),
    [],
  );
  assert.deepEqual(harness.bugs, []);
}

/** Refused by our gate: [what, bytes, status of the reply when no further bytes follow, error code]. */
const REFUSED: [string, string, number, string][] = [
  [
    "an empty Content-Length beside chunked",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
    "bad-request",
  ],
  [
    "an empty Transfer-Encoding beside a length",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\nContent-Length: 3\r\n\r\nabc",
    400,
    "bad-request",
  ],
  [
    "an empty Transfer-Encoding before chunked",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\nTransfer-Encoding: chunked\r\n\r\n",
    400,
    "bad-request",
  ],
  ["Transfer-Encoding identity", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400, "bad-request"],
  [
    "Transfer-Encoding chunked, identity",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    400,
    "bad-request",
  ],
  [
    "Transfer-Encoding gzip, chunked",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    400,
    "bad-request",
  ],
  ["Transfer-Encoding xchunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, "bad-request"],
  ["Transfer-Encoding Chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 400, "bad-request"],
  [
    "two Transfer-Encodings",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
    "bad-request",
  ],
  ["two equal Content-Lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, "bad-request"],
  ["two different Content-Lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabc", 400, "bad-request"],
  ["Content-Length 3, 3", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", 400, "bad-request"],
  ["Content-Length -1", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nabc", 400, "bad-request"],
  ["Content-Length +5", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabc", 400, "bad-request"],
  ["Content-Length 0x3", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc", 400, "bad-request"],
  ["a Content-Length of 19 digits", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1234567890123456789\r\n\r\nabc", 400, "bad-request"],
  ["an empty Content-Length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400, "bad-request"],
  ["an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "bad-request"],
  ["a Host with a space and a path", "GET / HTTP/1.1\r\nHost: a b/../@c\r\n\r\n", 400, "bad-request"],
  ["a Host that would inject into Forwarded", "GET / HTTP/1.1\r\nHost: a;for=6.6.6.6\r\n\r\n", 400, "bad-request"],
  ["a byte that is no UTF-8 in a value", `${GET}X-A: a\xe9b\r\n\r\n`, 400, "bad-request"],
  ["DEL in a value", `${GET}X-A: a\x7fb\r\n\r\n`, 400, "bad-request"],
  ["an underscore in a name", `${GET}X_A: b\r\n\r\n`, 400, "bad-request"],
  ["an empty method", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad-request"],
  ["method F@O{", "F@O{ / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad-request"],
  ["method get", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method-not-supported"],
  ["CONNECT /x", "CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method-not-supported"],
  ["TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method-not-supported"],
  ["a target that begins with two slashes", "GET //evil.test/x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad-request"],
  ["a fragment in the path", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad-request"],
  ["a fragment in the query", "GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad-request"],
  ["a byte that is no UTF-8 in the path", "GET /\xe9\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad-request"],
  ["another Expect", `${GET}Expect: 200-ok\r\n\r\n`, 417, "expectation-failed"],
  ["a WebSocket upgrade without a key", `${GET}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n`, 400, "bad-request"],
];

for (const [what, bytes, status, code] of REFUSED) {
  test(`${what} is refused, counted and closed`, async () => {
    const text = await exchangeRaw(harness, bytes);
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.deepEqual(
      harness.seen.map((one) => one.refusal?.code),
      [code],
    );
    assertNothingSmuggled();
  });

  test(`${what} does not let a request behind it in the same packet through`, async () => {
    await exchangeRaw(harness, bytes + SMUGGLED);
    assert.equal(harness.seen.length, 1);
    assertNothingSmuggled();
  });
}

/** Refused by uWebSockets.js itself, before or after the handler: [what, bytes, status]. */
const REFUSED_BELOW: [string, string, number][] = [
  [
    "Content-Length and Transfer-Encoding",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
  ],
  ["a folded Transfer-Encoding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400],
  ["a space before the colon", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400],
  ["bare LF line ends", "GET / HTTP/1.1\nHost: a\n\n", 505],
  ["a bare LF in a value", `${GET}X-A: a\nb: c\r\n\r\n`, 400],
  ["NUL in a value", `${GET}X-A: a\0b\r\n\r\n`, 400],
  ["a control byte in a value", `${GET}X-A: a\x01b\r\n\r\n`, 400],
  ["a name with parentheses", `${GET}X(Y): a\r\n\r\n`, 400],
  ["no Host", "GET / HTTP/1.1\r\n\r\n", 400],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400],
  ["the absolute form", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 505],
  ["OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 505],
  ["CONNECT with an authority", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 505],
  ["HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", 505],
  ["HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505],
  ["the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
  ["a PROXY protocol line", `PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n${GET}\r\n`, 505],
  ["two spaces in the request line", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 505],
  ["more than 98 fields", `${GET}${"X: y\r\n".repeat(99)}\r\n`, 431],
  ["a head of more than twice the limit", `${GET}X: ${"y".repeat(33_000)}\r\n\r\n`, 431],
];

for (const [what, bytes, status] of REFUSED_BELOW) {
  test(`${what} never reaches the acceptor and the connection closes`, async () => {
    const text = await exchangeRaw(harness, bytes + SMUGGLED);
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.equal(harness.seen.length, 0);
    assertNothingSmuggled();
  });
}

test("an empty header name hides the fields behind it, so nothing of them is delivered", async () => {
  const raw = await connectRaw(harness);
  raw.send(`${GET}A: 1\r\n: x\r\nB: 2\r\n\r\n`);
  await raw.until((text) => hasResponses(text, 1));
  assert.deepEqual(harness.seen[0]?.head.headers, ["host", "a.test", "a", "1"]);
  raw.destroy();
});

test("a head between one and two times the limit gets a logged 431", async () => {
  const text = await exchangeRaw(harness, `${GET}X: ${"y".repeat(17_000)}\r\n\r\n`);
  assert.match(text, /^HTTP\/1\.1 431 /);
  assert.deepEqual(
    harness.seen.map((one) => one.refusal?.code),
    ["headers-too-large"],
  );
});

test("a head just below the limit and 97 fields are accepted", async () => {
  const raw = await connectRaw(harness);
  raw.send(`${GET}X: ${"y".repeat(16_200)}\r\n\r\n`);
  await raw.until((text) => hasResponses(text, 1));
  raw.send(`${GET}${"X: y\r\n".repeat(97)}\r\n`);
  await raw.until((text) => hasResponses(text, 2));
  assert.deepEqual(
    harness.seen.map((one) => one.refusal),
    [null, null],
  );
  raw.destroy();
});

test("a head arrives whole however it is cut into packets", async () => {
  const bytes =
    "POST /a/../b/%2e%2F;x//c?q=%20+&a HTTP/1.1\r\nHost: A.test:8080\r\nX-One: 1\r\nx-two: \t2 \r\nX-One: 3\r\nContent-Length: 5\r\n\r\nhello";
  const raw = await connectRaw(harness);
  harness.onRequest = (one) => {
    one.onChunk = (_chunk, isLast) => {
      if (isLast) reply(one.downstream, 200, one.bodyText);
    };
  };
  let sent = 0;
  for (let cut = 1; cut < bytes.length; cut += 7) {
    await raw.sendSplit(bytes, [cut]);
    sent++;
    await raw.until((text) => hasResponses(text, sent));
  }
  for (const one of harness.seen) {
    assert.equal(one.head.method, "POST");
    assert.equal(one.head.path, "/a/../b/%2e%2F;x//c");
    assert.equal(one.head.query, "q=%20+&a");
    assert.equal(one.head.authority, "A.test:8080");
    assert.equal(one.head.scheme, "http");
    assert.equal(one.head.remoteAddress, "127.0.0.1");
    assert.deepEqual(one.head.headers, ["host", "A.test:8080", "x-one", "1", "x-two", "2", "x-one", "3"]);
    assert.equal(one.head.bodyLength, 5);
    assert.equal(one.bodyText, "hello");
  }
  assert.equal(harness.seen.length, sent);
  raw.destroy();
});

test("no query and an empty query stay distinct", async () => {
  const raw = await connectRaw(harness);
  raw.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
  await raw.until((text) => hasResponses(text, 1));
  raw.send("GET /a? HTTP/1.1\r\nHost: a\r\n\r\n");
  await raw.until((text) => hasResponses(text, 2));
  assert.deepEqual(
    harness.seen.map((one) => one.head.query),
    [undefined, ""],
  );
  raw.destroy();
});

test("UTF-8 in a value arrives as its bytes, in a target percent-encoded", async () => {
  const raw = await connectRaw(harness);
  raw.send(`GET /caf\xc3\xa9?\xc3\xa9 HTTP/1.1\r\nHost: a\r\nX-A: a\xc3\xa9b\r\nX-Tab: a\tb\r\n\r\n`);
  await raw.until((text) => hasResponses(text, 1));
  const head = harness.seen[0]?.head;
  assert.equal(head?.path, "/caf%C3%A9");
  assert.equal(head?.query, "%C3%A9");
  assert.deepEqual(head?.headers, ["host", "a", "x-a", "a\xc3\xa9b", "x-tab", "a\tb"]);
  raw.destroy();
});

test("every RFC token character is allowed in a header name", async () => {
  const raw = await connectRaw(harness);
  raw.send("GET / HTTP/1.1\r\nHost: a\r\nX.!#$%&'*+-^`|~1: v\r\n\r\n");
  await raw.until((text) => hasResponses(text, 1));
  assert.deepEqual(harness.seen[0]?.head.headers, ["host", "a", "x.!#$%&'*+-^`|~1", "v"]);
  raw.destroy();
});

test("other methods, h2c upgrades and leading zeros in a length are let in", async () => {
  const raw = await connectRaw(harness);
  raw.send("PROPFIND / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nContent-Length: 0003\r\n\r\nabc");
  await raw.until((text) => hasResponses(text, 1));
  assert.equal(harness.seen[0]?.head.method, "PROPFIND");
  assert.equal(harness.seen[0]?.head.bodyLength, 3);
  raw.destroy();
});

test("Content-Length: 0 is told apart from no body", async () => {
  const raw = await connectRaw(harness);
  raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  await raw.until((text) => hasResponses(text, 1));
  raw.send("POST / HTTP/1.1\r\nHost: a\r\n\r\n");
  await raw.until((text) => hasResponses(text, 2));
  assert.deepEqual(
    harness.seen.map(({ head }) => [head.bodyLength, head.hasZeroLength]),
    [
      [0, true],
      [0, false],
    ],
  );
  assert.deepEqual(
    harness.seen.map((one) => one.chunks.length),
    [0, 0],
  );
  raw.destroy();
});

test("keep-alive serves request after request on one connection", async () => {
  const raw = await connectRaw(harness);
  for (let i = 1; i <= 20; i++) {
    raw.send(`GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await raw.until((text) => hasResponses(text, i));
  }
  assert.equal(harness.seen.length, 20);
  assert.equal(harness.listener.connections, 1);
  raw.destroy();
  await harness.until(() => harness.listener.connections === 0, "the connection is gone");
});

test("pipelined requests close the connection unanswered, and only the first was dispatched", async () => {
  const text = await exchangeRaw(harness, `${GET}\r\n${SMUGGLED}`);
  assert.equal(text, "");
  assert.equal(harness.seen.length, 1);
  await harness.until(() => harness.seen[0]?.aborts === 1, "the first is told");
  assertNothingSmuggled();
});

test("pipelined requests are treated alike when the acceptor answers at once", async () => {
  harness.onRequest = (one) => reply(one.downstream, 200, "at once");
  const text = await exchangeRaw(harness, `${GET}\r\n${SMUGGLED}`);
  assert.equal(text, "");
  assertNothingSmuggled();
});

test("Connection: close is honoured in every form", async () => {
  for (const value of ["close", "Close", "close, te", "te , CLOSE"]) {
    const text = await exchangeRaw(harness, `${GET}Connection: ${value}\r\n\r\n`);
    assert.equal(parseResponses(text)[0]?.body, "hello", value);
  }
});

test("a client that shuts down its sending side is treated as gone", async () => {
  harness.onRequest = () => {};
  const raw = await connectRaw(harness);
  raw.send(`${GET}\r\n`);
  await harness.until(() => harness.seen.length === 1, "accepted");
  raw.socket.end();
  await harness.until(() => harness.seen[0]?.aborts === 1, "aborted");
});
