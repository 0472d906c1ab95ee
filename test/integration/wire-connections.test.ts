/** Connections of `h2` and `h2c` listeners: PROXY headers, slow and silent clients, limits, age, and how they end. */
import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { selfSigned } from "../support/certificates.js";
import { connectRaw, exchangeRaw, hasResponses, parseResponses } from "../support/raw-socket.js";
import { reply } from "./uws-harness.js";
import { startWireHarness, type WireHarness, type WireHarnessOptions } from "./wire-harness.js";

const GET = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const CLOSE = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

async function withHarness(options: WireHarnessOptions, run: (harness: WireHarness) => Promise<void>): Promise<void> {
  const harness = await startWireHarness(options);
  try {
    await run(harness);
    assert.deepEqual(harness.bugs, []);
  } finally {
    harness.listener.close();
  }
}

// ── PROXY protocol ───────────────────────────────────────────────────────────────────────────────────────────────

const LINE = "PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n";
/** TCP over IPv6 from 2001:db8::7. */
const BINARY = Buffer.concat([
  Buffer.from("0d0a0d0a000d0a515549540a21210024", "hex"),
  Buffer.from("20010db800000000000000000000000720010db80000000000000000000000011267 01bb".replace(" ", ""), "hex"),
]).toString("latin1");
const LOCAL = Buffer.from("0d0a0d0a000d0a515549540a20000000", "hex").toString("latin1");
const trusting = (proxyProtocol: "optional" | "required", isTrusted = true): WireHarnessOptions => ({
  wire: { proxyProtocol, requestHeaderMs: 300 },
  options: { isTrusted: () => isTrusted },
});

test("a PROXY header of a trusted peer, in either version and however it is cut, names the client", async () => {
  await withHarness(trusting("required"), async (harness) => {
    for (const [header, address] of [
      [LINE, "203.0.113.7"],
      [BINARY, "2001:db8::7"],
      ["PROXY UNKNOWN\r\n", "127.0.0.1"],
      [LOCAL, "127.0.0.1"],
    ] as const) {
      assert.match(await exchangeRaw(harness, header + CLOSE), /^HTTP\/1\.1 200 /);
      assert.equal(harness.seen.at(-1)?.head.remoteAddress, address);
    }
    const raw = await connectRaw(harness);
    const bytes = BINARY + CLOSE;
    await raw.sendSplit(
      bytes,
      Array.from({ length: bytes.length - 1 }, (_, i) => i + 1),
    );
    await raw.untilClosed();
    assert.equal(harness.seen.at(-1)?.head.remoteAddress, "2001:db8::7");
  });
});

test("a PROXY header comes before TLS, and before HTTP/2", async () => {
  const pem = selfSigned("a.test");
  await withHarness({ ...trusting("required"), tls: { names: [["a.test"]], pems: [pem] } }, async (harness) => {
    const raw = await connectRaw(harness);
    // In one packet with the beginning of the handshake.
    raw.socket.cork();
    raw.send(LINE);
    setImmediate(() => raw.socket.uncork());
    const socket = connectTls({ socket: raw.socket, rejectUnauthorized: false, ALPNProtocols: ["h2"], servername: "a.test" });
    const session = connectHttp2("https://a.test", { createConnection: () => socket });
    const stream = session.request({ ":path": "/" });
    const status = await new Promise((resolve) => stream.once("response", (head) => resolve(head[":status"])));
    assert.equal(status, 200);
    assert.equal(harness.seen[0]?.head.remoteAddress, "203.0.113.7");
    session.destroy();
  });
});

test("a trusted peer without a PROXY header is closed, one that does not finish it too", async () => {
  for (const mode of ["optional", "required"] as const) {
    await withHarness(trusting(mode), async (harness) => {
      assert.equal(await exchangeRaw(harness, CLOSE).catch((error: Error) => error.message), "");
      const slow = await connectRaw(harness);
      slow.send("PROXY TCP4 ");
      assert.equal(await slow.untilClosed(), "");
      assert.equal(harness.seen.length, 0);
      assert.deepEqual(harness.refusals, ["proxy-header"]);
    });
  }
});

test("nobody else is believed: served without a header when that is optional, closed when it is required", async () => {
  await withHarness(trusting("optional", false), async (harness) => {
    assert.match(await exchangeRaw(harness, CLOSE), /^HTTP\/1\.1 200 /);
    assert.equal(harness.seen[0]?.head.remoteAddress, "127.0.0.1");
    assert.match(await exchangeRaw(harness, LINE + CLOSE), /^HTTP\/1\.1 400 /);
  });
  await withHarness(trusting("required", false), async (harness) => {
    const raw = await connectRaw(harness);
    await raw.untilClosed();
    assert.deepEqual(harness.refusals, ["proxy-header"]);
  });
});

// ── Slow and silent clients ──────────────────────────────────────────────────────────────────────────────────────

test("a head that comes too slowly is answered 408, however steadily it trickles", async () => {
  await withHarness({ wire: { requestHeaderMs: 300 } }, async (harness) => {
    const raw = await connectRaw(harness);
    raw.send("GET / HTTP/1.1\r\nHost: a\r\nX-A: ");
    const trickle = setInterval(() => raw.send("a"), 20);
    const text = await raw.untilClosed();
    clearInterval(trickle);
    assert.match(text, /^HTTP\/1\.1 408 /);
    assert.equal(harness.seen[0]?.refusal?.code, "request-timeout");
  });
});

test("a second head that comes too slowly is answered 408 as well", async () => {
  await withHarness({ wire: { requestHeaderMs: 200 } }, async (harness) => {
    const raw = await connectRaw(harness);
    raw.send(`${GET}GET /second HTTP/1.1\r\n`);
    const text = await raw.untilClosed();
    assert.deepEqual(
      parseResponses(text).map((response) => response.status),
      [200, 408],
    );
  });
});

test("a connection without a request is closed silently after its keep-alive, before and after a request", async () => {
  await withHarness({ wire: { keepAliveMs: 150 } }, async (harness) => {
    const idle = await connectRaw(harness);
    assert.equal(await idle.untilClosed(), "");
    const used = await connectRaw(harness);
    used.send(GET);
    assert.equal(parseResponses(await used.untilClosed()).length, 1);
    assert.equal(harness.seen.length, 1);
    await harness.until(() => harness.listener.connections === 0, "connections to be counted off");
  });
});

test("the clocks of head and keep-alive do not run while an answer is awaited", async () => {
  await withHarness({ wire: { keepAliveMs: 100, requestHeaderMs: 100 } }, async (harness) => {
    harness.onRequest = (one) => setTimeout(() => reply(one.downstream, 200, "late"), 400);
    assert.match(await exchangeRaw(harness, CLOSE), /late$/);
  });
});

test("a body that does not arrive in time is answered 408, by HTTP/1 and HTTP/2", async () => {
  await withHarness({ requestMs: 300, limits: { minBodyBytesPerSecond: 0 } }, async (harness) => {
    harness.onRequest = () => {};
    const text = await exchangeRaw(harness, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    assert.match(text, /^HTTP\/1\.1 408 [\s\S]*connection: close/);
    const session = connectHttp2(`http://127.0.0.1:${harness.port}`);
    const stream = session.request({ ":method": "POST", ":path": "/" });
    stream.write("ab");
    assert.equal(await new Promise((resolve) => stream.once("response", (head) => resolve(head[":status"]))), 408);
    session.destroy();
    assert.deepEqual(
      harness.seen.map((one) => one.bodyError),
      ["request-timeout", "request-timeout"],
    );
  });
});

test("a body below the minimum rate is answered 408", async () => {
  await withHarness({ limits: { minBodyBytesPerSecond: 1_000_000 } }, async (harness) => {
    harness.onRequest = () => {};
    const raw = await connectRaw(harness);
    raw.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\nab");
    assert.match(await raw.untilClosed(10_000), /^HTTP\/1\.1 408 /);
    assert.match(harness.seen[0]?.bodyErrorDetail ?? "", /less than 1000000 bytes per second/);
  });
});

test("a client that reads nothing keeps its connection only as long as streamIdle allows", async () => {
  await withHarness({ streamIdleMs: 400, wire: { keepAliveMs: 200 } }, async (harness) => {
    harness.onRequest = (one) => {
      const body = Buffer.alloc(24 * 1024 * 1024);
      one.downstream.writeHead(200, [], body.length);
      one.downstream.write(body);
      one.downstream.end();
    };
    const raw = await connectRaw(harness);
    raw.socket.pause();
    raw.send(GET);
    await harness.until(() => harness.listener.pendingResponses === 1, "the response");
    await harness.until(() => harness.listener.connections === 0, "the connection to be given up", 8_000);
    raw.destroy();
  });
});

// ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────

test("connections beyond maxConnections are closed at once, and room is found again", async () => {
  await withHarness({ limits: { maxConnections: 2 } }, async (harness) => {
    const [first, second] = [await connectRaw(harness), await connectRaw(harness)];
    await harness.until(() => harness.listener.connections === 2, "two connections");
    const third = await connectRaw(harness);
    assert.equal(await third.untilClosed(), "");
    assert.deepEqual(harness.refusals, ["max-connections"]);
    first.destroy();
    await harness.until(() => harness.listener.connections === 1, "room");
    assert.match(await exchangeRaw(harness, CLOSE), /^HTTP\/1\.1 200 /);
    second.destroy();
  });
});

test("open files and addresses can refuse a connection, and every one is counted off once", async () => {
  let open = 0;
  let room = 1;
  const sockets = { openedDownstream: () => ++open <= room, closedDownstream: () => void open-- };
  const asked: string[] = [];
  const mayEnter = (address: string): boolean => asked.push(address) > 1;
  await withHarness({ options: { sockets, mayEnter } }, async (harness) => {
    assert.equal(await (await connectRaw(harness)).untilClosed(), "");
    assert.match(await exchangeRaw(harness, CLOSE), /^HTTP\/1\.1 200 /);
    assert.deepEqual(asked, ["127.0.0.1", "127.0.0.1"]);
    room = 0;
    assert.equal(await (await connectRaw(harness)).untilClosed(), "");
    assert.deepEqual(harness.refusals, ["max-connections-per-address", "open-files"]);
    await harness.until(() => open === 0, "the budget to be returned");
  });
});

test("a connection of age says close with its next answer, one of HTTP/2 says GOAWAY", async () => {
  await withHarness({ connectionAgeMs: 150 }, async (harness) => {
    const raw = await connectRaw(harness);
    const session = connectHttp2(`http://127.0.0.1:${harness.port}`);
    session.on("error", () => {});
    await harness.until(() => harness.listener.connections === 2, "both");
    const openedAt = performance.now();
    const goAway = new Promise((resolve) => session.once("goaway", resolve));
    raw.send(GET);
    assert.doesNotMatch(await raw.until((text) => hasResponses(text, 1)), /connection: close/);
    await harness.until(() => performance.now() > openedAt + 160, "age");
    raw.send(GET);
    assert.match(await raw.untilClosed(), /connection: close/);
    session.request({ ":path": "/" }).resume();
    await goAway;
    await harness.until(() => harness.listener.connections === 0, "both to end");
  });
});
// ── Ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const BROKEN: [string, string, number][] = [
  ["chunked", GET, -1],
  ["by length", GET, 100],
  ["until the end", "GET / HTTP/1.0\r\n\r\n", -1],
];

for (const [what, request, bodyLength] of BROKEN) {
  for (const isTls of [false, true]) {
    test(`a response that is broken off ends with a reset (${what}${isTls ? ", over TLS" : ""})`, async () => {
      const tls = isTls ? { tls: { names: [["a.test"]], pems: [selfSigned("a.test")] } } : {};
      await withHarness(tls, async (harness) => {
        harness.onRequest = (one) => {
          one.downstream.writeHead(200, [], bodyLength);
          one.downstream.write(Buffer.from("part"));
          one.downstream.flush();
          setTimeout(() => one.downstream.abort(), 30);
        };
        const raw = await connectRaw({ port: harness.port, ...(isTls ? { tls: {} } : {}) });
        raw.send(request);
        const text = await raw.untilClosed();
        assert.match(text, /part/);
        assert.doesNotMatch(text, /\r\n0\r\n\r\n$/);
        assert.notEqual(raw.closedBy(), "end");
        assert.equal(harness.seen[0]?.aborts, 0);
      });
    });
  }
}

test("while draining, used connections end, answers say close, and requests of fresh connections are answered", async () => {
  await withHarness({}, async (harness) => {
    const idle = await connectRaw(harness);
    idle.send(GET);
    await idle.until((text) => hasResponses(text, 1));
    const busy = await connectRaw(harness);
    harness.onRequest = (one) => setTimeout(() => reply(one.downstream, 200, "done"), 50);
    busy.send("GET / HTTP/1.1\r\nHos");
    const fresh = await connectRaw(harness);
    await harness.until(() => harness.listener.connections === 3, "three connections");
    await new Promise((resolve) => setImmediate(resolve));
    harness.isDraining = true;
    await harness.listener.stopAccepting();
    await idle.untilClosed();
    fresh.send(GET);
    assert.match(await fresh.untilClosed(), /connection: close[\s\S]*done$/);
    busy.send("t: a\r\n\r\n");
    assert.match(await busy.untilClosed(), /connection: close[\s\S]*done$/);
    await harness.until(() => harness.listener.connections === 0, "all to end");
  });
});

test("closing cuts every connection and tells the exchanges", async () => {
  await withHarness({}, async (harness) => {
    harness.onRequest = () => {};
    const raw = await connectRaw(harness);
    raw.send(GET);
    const session = connectHttp2(`http://127.0.0.1:${harness.port}`);
    session.on("error", () => {});
    session.request({ ":path": "/" }).on("error", () => {});
    await harness.until(() => harness.seen.length === 2, "two requests");
    harness.listener.close();
    assert.deepEqual(
      harness.seen.map((one) => one.aborts),
      [1, 1],
    );
    await raw.untilClosed();
    await harness.until(() => harness.listener.connections === 0, "connections to be counted off");
    session.destroy();
  });
});
