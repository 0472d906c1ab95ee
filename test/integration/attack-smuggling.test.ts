/**
 * Requests that two parsers could read differently, some hundred of them, while honest clients are served on the same
 * service: what arrives there must be whole requests, strictly framed, and never one that was hidden in another.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Gateway, startGateway } from "../support/gateway.js";
import { connectRaw, parseResponses, type RawSocket } from "../support/raw-socket.js";
import { HIDDEN, smugglingCorpus } from "../support/smuggling-corpus.js";
import { startRawUpstream, type Upstream } from "../support/upstream.js";
import { echo, inParallel, type RecordingUpstream, sha, startRecordingUpstream, untilIdle } from "./attack-support.js";

/** Line ends in every disguise that somebody's decoder may take off. */
const DISGUISES = [
  "%0d%0a",
  "%250d%250a",
  "%E5%98%8D%E5%98%8A",
  "\u010d\u010a",
  "\u560d\u560a",
  "%c0%8d%c0%8a",
  "%u000d%u000a",
  "\u2028",
  "\x85",
];

describe("hidden requests", () => {
  let upstream: RecordingUpstream;
  let hasty: Upstream;
  let gateway: Gateway;
  before(async () => {
    upstream = await startRecordingUpstream(echo);
    hasty = await startRawUpstream((socket) =>
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")),
    );
    gateway = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]
routes:
  - { name: early, match: [{ path: { type: PathPrefix, value: /early } }], backends: [{ service: hasty }] }
  - { name: all, match: [{ path: { type: PathPrefix, value: / } }], backends: [{ service: app }] }
services:
  - { name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }
  - { name: hasty, endpoints: { static: [{ address: "${hasty.address}" }] } }
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
    await hasty?.close();
  });

  const connect = (): Promise<RawSocket> => connectRaw({ port: gateway.port("public") });
  const quietly = (waiting: Promise<string>): Promise<string> => waiting.catch(() => "");
  const strangers = (): string[] => upstream.requests.map(({ target }) => target).filter((target) => target.startsWith("/smuggled"));

  /** Sends requests one after another and checks that each gets the answer to itself. */
  async function honestClient(name: string, isOver: () => boolean): Promise<number> {
    const raw = await connect();
    let count = 0;
    for (; !isOver() || count < 20; count++) {
      const id = `${name}-${count}`;
      const body = id.repeat(1 + (count % 300));
      const head = `POST /honest/${id} HTTP/1.1\r\nHost: api.test\r\nX-Id: ${id}\r\n`;
      const isChunked = count % 2 === 0;
      raw.send(
        `${head}${isChunked ? `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : `Content-Length: ${body.length}\r\n\r\n${body}`}`,
      );
      const text = await raw.until((all) => parseResponses(all).length > count, 10_000);
      assert.equal(parseResponses(text)[count]?.body, `${id} /honest/${id} ${sha(body)}`);
    }
    raw.destroy();
    return count;
  }

  it("never arrive, and honest clients get their own answers meanwhile", { timeout: 120_000 }, async () => {
    let isOver = false;
    const honest = [1, 2, 3].map((number) => honestClient(`h${number}`, () => isOver));
    await inParallel(smugglingCorpus(), 48, async (bytes, index) => {
      const raw = await connect();
      const cuts = index % 3 === 0 ? [bytes.indexOf("\r\n\r\n") + 4] : index % 3 === 1 ? [7, bytes.length - HIDDEN.length - 3] : [];
      await raw.sendSplit(
        bytes,
        cuts.filter((cut) => cut > 0).sort((a, b) => a - b),
      );
      await quietly(raw.until((text) => text.includes("\r\n\r\n"), 150));
      raw.destroy();
    });
    isOver = true;
    const counts = await Promise.all(honest);
    assert.deepEqual(upstream.faults, []);
    // One connection is one client's: what it sends in a packet of its own is its own request. Hidden ones came with another.
    assert.deepEqual(strangers(), []);
    assert.ok(
      upstream.requests.some(({ target }) => target === "/evil"),
      "some of them are sound requests with something behind them",
    );
    assert.ok(Math.min(...counts) >= 20);
    await untilIdle(gateway);
  });

  it("do not come out of line ends in disguise", async () => {
    const seenBefore = upstream.requests.length;
    await inParallel(DISGUISES, 4, async (disguise) => {
      const text = Buffer.from(disguise, "utf8").toString("latin1");
      const injected = `x${text}Host:${text}${text}GET/smuggled`;
      for (const bytes of [
        `GET /p/${injected} HTTP/1.1\r\nHost: api.test\r\n\r\n`,
        `GET /q?${injected} HTTP/1.1\r\nHost: api.test\r\n\r\n`,
        `GET /h HTTP/1.1\r\nHost: api.test\r\nX-Value: ${injected}\r\n\r\n`,
        `GET /n HTTP/1.1\r\nHost: api.test\r\nX-${injected}: 1\r\n\r\n`,
        `GET /o HTTP/1.1\r\nHost: api.test${injected}\r\n\r\n`,
      ]) {
        const raw = await connect();
        raw.send(Buffer.from(bytes, "latin1"));
        await quietly(raw.until((all) => all.includes("\r\n\r\n"), 1_000));
        raw.destroy();
      }
    });
    assert.deepEqual(upstream.faults, []);
    for (const { target, headers } of upstream.requests.slice(seenBefore)) {
      assert.match(target, /^\/[phqno]/);
      assert.equal(headers.get("host"), "api.test");
    }
  });

  it("do not come out of a body that goes on after an early answer", async () => {
    const raw = await connect();
    try {
      raw.send(`POST /early HTTP/1.1\r\nHost: api.test\r\nContent-Length: ${HIDDEN.length * 3}\r\n\r\n${HIDDEN}`);
      await raw.until((text) => parseResponses(text).length === 1);
      raw.send(HIDDEN + HIDDEN);
      raw.send("GET /next HTTP/1.1\r\nHost: api.test\r\nX-Id: next\r\n\r\n");
      assert.equal(parseResponses(await raw.untilClosed()).length, 1);
      assert.equal(
        upstream.requests.some(({ target }) => target === "/next"),
        false,
      );
      assert.deepEqual(strangers(), []);
    } finally {
      raw.destroy();
    }
  });

  it("do not come out of an upload that breaks off: its connection is not used again", async () => {
    for (const framing of ["Content-Length: 100", "Transfer-Encoding: chunked"]) {
      const raw = await connect();
      raw.send(`POST /cut HTTP/1.1\r\nHost: api.test\r\n${framing}\r\n\r\n5\r\nabc`);
      raw.socket.resetAndDestroy();
      const next = await connect();
      next.send("GET /after HTTP/1.1\r\nHost: api.test\r\nX-Id: after\r\n\r\n");
      assert.match(parseResponses(await next.until((text) => parseResponses(text).length === 1))[0]?.body ?? "", /^after \/after /);
      next.destroy();
    }
    assert.equal(
      upstream.requests.some(({ target }) => target === "/cut"),
      false,
    );
    assert.deepEqual(upstream.faults, []);
    await untilIdle(gateway);
  });
});
