/**
 * Services that answer with every kind of nonsense, seen from the client: it gets an error or a response that it cannot
 * take for whole, never a byte that belongs to another exchange, and the next request is answered as if nothing had been.
 */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { connectRaw, parseResponses } from "../support/raw-socket.js";
import { startRawUpstream, type Upstream } from "../support/upstream.js";
import { untilIdle } from "./attack-support.js";

const OK = "HTTP/1.1 200 OK\r\n";
const EVIL = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Evil: 1\r\n\r\nevil!";
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

/** `502` and so on: a local reply. `broken`: cut off. `whole`: taken for complete. Several, where packets decide. */
interface Row {
  readonly name: string;
  readonly answer: string | ((socket: Socket) => void);
  readonly expect: string;
  readonly method?: string;
}

const ROWS: readonly Row[] = [
  { name: "two responses at once", answer: EVIL.replace("evil!", "first") + EVIL, expect: "502 broken whole" },
  { name: "1xx without end", answer: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(200), expect: "502" },
  {
    name: "a 101 nobody asked for",
    answer: `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n${EVIL}`,
    expect: "502",
  },
  { name: "a 100 with a body", answer: `HTTP/1.1 100 Continue\r\nContent-Length: ${EVIL.length}\r\n\r\n${EVIL}`, expect: "502" },
  { name: "a body with HEAD", answer: `${OK}Content-Length: ${EVIL.length}\r\n\r\n${EVIL}`, expect: "502 broken whole", method: "HEAD" },
  { name: "a chunked body with HEAD", answer: `${CHUNKED}5\r\nevil!\r\n0\r\n\r\n`, expect: "502 broken whole", method: "HEAD" },
  { name: "a body with 204", answer: `HTTP/1.1 204 No Content\r\n\r\n${EVIL}`, expect: "502 broken whole" },
  { name: "a length with 204", answer: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nevil!", expect: "502" },
  { name: "a body with 304", answer: `HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n${EVIL}`, expect: "502 broken whole" },
  { name: "a head without end", answer: endless("X-A: ", "b".repeat(1_000)), expect: "502" },
  { name: "fields without end", answer: endless("", "X-A: b\r\n"), expect: "502" },
  { name: "a head that trickles", answer: trickle(`${OK}X-A: `, "b"), expect: "504" },
  { name: "1xx that trickle", answer: trickle("", "HTTP/1.1 102 Processing\r\n\r\n"), expect: "504 502" },
  { name: "a body that trickles", answer: trickle(`${OK}Content-Length: 100\r\n\r\n`, "b"), expect: "broken" },
  { name: "a giant chunk size", answer: `${CHUNKED}ffffffffffffffff\r\nevil!`, expect: "broken 502" },
  { name: "a chunk size of 14 digits", answer: `${CHUNKED}10000000000005\r\nevil!`, expect: "broken 502" },
  { name: "a negative chunk size", answer: `${CHUNKED}-5\r\nevil!\r\n0\r\n\r\n`, expect: "broken 502" },
  { name: "a response in a chunk extension", answer: `${CHUNKED}5;a="\r\n${EVIL}`, expect: "broken 502" },
  { name: "a negative length", answer: `${OK}Content-Length: -5\r\n\r\nevil!`, expect: "502" },
  { name: "a length beyond counting", answer: `${OK}Content-Length: 99999999999999999999\r\n\r\nevil!`, expect: "502" },
  { name: "two lengths", answer: `${OK}Content-Length: 5\r\nContent-Length: 0\r\n\r\nevil!`, expect: "502" },
  { name: "a length and a coding", answer: `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${EVIL}`, expect: "502" },
  { name: "an unknown coding", answer: `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, expect: "502" },
  { name: "a NUL in a value", answer: `${OK}X-A: a\0b\r\nContent-Length: 0\r\n\r\n`, expect: "502" },
  { name: "a bare CR in a value", answer: `${OK}X-A: a\rSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n`, expect: "502" },
  { name: "a bare LF", answer: `${OK}X-A: a\nSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n`, expect: "502" },
  { name: "a fold", answer: `${OK}X-A: a\r\n Set-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n`, expect: "502" },
  { name: "an empty name", answer: `${OK}: a\r\nContent-Length: 0\r\n\r\n`, expect: "502" },
  { name: "a space in a name", answer: `${OK}X A: a\r\nContent-Length: 0\r\n\r\n`, expect: "502" },
  { name: "status 999", answer: "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", expect: "502" },
  { name: "status 042", answer: "HTTP/1.1 042 Odd\r\nContent-Length: 0\r\n\r\n", expect: "502" },
  { name: "HTTP/0.9", answer: "<html>hello</html>", expect: "502" },
  { name: "HTTP/2", answer: Buffer.from("0000060400000000000005000040000000", "hex").toString("latin1"), expect: "502" },
  { name: "leading line ends", answer: `\r\n\r\n${EVIL}`, expect: "502" },
  { name: "a body shorter than its length", answer: (socket) => socket.end(`${OK}Content-Length: 10\r\n\r\nevil!`), expect: "broken 502" },
  { name: "chunks without their end", answer: (socket) => socket.end(`${CHUNKED}5\r\nevil!\r\n`), expect: "broken 502" },
  {
    name: "a reset within a body until the end",
    answer: (socket) => void socket.write(`${OK}\r\nevil!`, () => setTimeout(() => socket.resetAndDestroy(), 20)),
    expect: "broken 502",
  },
  { name: "an end before the answer", answer: (socket) => socket.end(), expect: "502" },
  { name: "a reset before the answer", answer: (socket) => socket.resetAndDestroy(), expect: "502" },
  { name: "silence", answer: () => {}, expect: "504" },
];

/** These spoil a connection that seems idle: whoever used it in that moment would be answered wrongly. */
const LATE_ROWS: readonly Row[] = [
  { name: "a second response later", answer: later(EVIL.replace("evil!", "first"), EVIL), expect: "whole" },
  { name: "half a second response later", answer: later(EVIL.replace("evil!", "first"), EVIL.slice(0, 20)), expect: "whole" },
  { name: "a 100 after the response", answer: later(EVIL.replace("evil!", "first"), "HTTP/1.1 100 Continue\r\n\r\n"), expect: "whole" },
];

/** The second part when the first has long been taken for complete. */
function later(first: string, second: string): (socket: Socket) => void {
  return (socket) => socket.write(first, () => setTimeout(() => socket.write(second), 30));
}

function endless(start: string, more: string): (socket: Socket) => void {
  return (socket) => {
    socket.write(OK + start);
    const pour = (): void => {
      while (socket.writable && socket.write(more.repeat(20)));
    };
    socket.on("drain", pour);
    pour();
  };
}

function trickle(start: string, more: string): (socket: Socket) => void {
  return (socket) => {
    socket.write(start);
    const timer = setInterval(() => (socket.writable ? socket.write(more) : clearInterval(timer)), 20);
    socket.on("close", () => clearInterval(timer));
  };
}

describe("a hostile service", () => {
  let upstream: Upstream;
  let gateway: Gateway;
  const sockets = new Set<Socket>();
  let open = 0;
  before(async () => {
    upstream = await startRawUpstream((socket) => {
      open++;
      sockets.add(socket);
      socket.on("close", () => {
        open--;
        sockets.delete(socket);
      });
      let held = "";
      socket.on("end", () => socket.end());
      socket.on("data", (chunk) => {
        held += chunk.toString("latin1");
        for (let end = held.indexOf("\r\n\r\n"); end !== -1; end = held.indexOf("\r\n\r\n")) {
          const target = /^\S+ (\S+)/.exec(held)?.[1] ?? "";
          held = held.slice(end + 4);
          serve(socket, target);
        }
      });
    });
    gateway = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]
routes:
  - { name: all, match: [{ path: { type: PathPrefix, value: / } }], backends: [{ service: app }], timeouts: { request: 1s } }
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  function serve(socket: Socket, target: string): void {
    const row = [...ROWS, ...LATE_ROWS][Number(/^\/row\/(\d+)$/.exec(target)?.[1] ?? -1)];
    if (row === undefined) socket.write(`${OK}Content-Length: ${target.length}\r\n\r\n${target}`);
    else if (typeof row.answer === "string") socket.write(Buffer.from(row.answer, "latin1"));
    else row.answer(socket);
  }

  /** What a strict client makes of the answer. */
  async function outcome(row: Row, index: number): Promise<string> {
    const raw = await connectRaw({ port: gateway.port("public") });
    const isHead = row.method === "HEAD";
    raw.send(`${row.method ?? "GET"} /row/${index} HTTP/1.1\r\nHost: api.test\r\n\r\n`);
    const text = await raw.until((all) => parseResponses(all, isHead).length > 0, 6_000).catch(() => raw.text());
    const [response] = parseResponses(text, isHead);
    raw.destroy();
    assert.ok(text.split("HTTP/1.1 ").length <= 2, `more than one response: ${text}`);
    assert.doesNotMatch(text, /evil=1|X-Evil: 1\r\n\r\nevil!/i);
    if (response === undefined) return "broken";
    return response.headers.get("content-type") === "application/problem+json" ? String(response.status) : "whole";
  }

  async function probe(id: string): Promise<void> {
    const raw = await connectRaw({ port: gateway.port("public") });
    for (let i = 0; i < 3; i++) {
      const target = `/probe/${id}/${i}`;
      raw.send(`GET ${target} HTTP/1.1\r\nHost: api.test\r\n\r\n`);
      const text = await raw.until((all) => parseResponses(all).length > i);
      assert.equal(parseResponses(text)[i]?.body, target);
    }
    raw.destroy();
  }

  it("cannot answer a later request in advance: an idle connection on which bytes arrive is closed", async () => {
    for (const [index, row] of LATE_ROWS.entries()) {
      assert.equal(await outcome(row, ROWS.length + index), row.expect, row.name);
      await eventually(() => open === 0, `the connection to be closed after ${row.name}`);
      await probe(`late-${index}`);
      await eventually(() => open === 1, "the probe's connection to stay");
      for (const socket of sockets) socket.end();
      await eventually(() => open === 0, "no connection");
    }
  });

  describe("sends", { concurrency: 8 }, () => {
    ROWS.forEach((row, index) => {
      it(`${row.name}: ${row.expect.replaceAll(" ", " or ")}`, async () => {
        const seen = await outcome(row, index);
        assert.ok(row.expect.split(" ").includes(seen), `${seen} instead of ${row.expect}`);
        await probe(String(index));
      });
    });
  });

  it("cannot put an answer before the question, on a fresh connection or an idle one", async () => {
    const eager = await startRawUpstream((socket) => {
      socket.write(EVIL);
      socket.on("data", () => {});
    });
    const other = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: app }], timeouts: { request: 1s } }]
services: [{ name: app, endpoints: { static: [{ address: "${eager.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
    try {
      // Nobody can tell whether bytes that come right after the connect answer the request; but they answer one at most.
      const raw = await connectRaw({ port: other.port("public") });
      for (let i = 0; i < 5; i++) {
        raw.send(`GET /${i} HTTP/1.1\r\nHost: api.test\r\n\r\n`);
        const text = await raw.until((all) => parseResponses(all).length > i, 6_000);
        assert.ok([200, 502, 504].includes(parseResponses(text)[i]?.status ?? 0));
      }
      assert.equal(parseResponses(raw.text()).length, 5);
      raw.destroy();
    } finally {
      await other.stop();
      await eager.close();
    }
  });

  it("leaves nothing behind: no exchange, no connection but idle ones, no dead worker", async () => {
    await untilIdle(gateway);
    await eventually(() => open <= 8, `connections to the service to close, ${open} are open`);
    assert.doesNotMatch(gateway.stderr(), /ended unexpectedly|bug/);
  });
});

describe("a response without a body", () => {
  it("carries no length: 204 and 304, also to HEAD", async () => {
    const upstream = await startRawUpstream((socket) =>
      socket.on("data", (chunk) => {
        const status = /\/(\d+) /.exec(chunk.toString("latin1"))?.[1];
        socket.write(`HTTP/1.1 ${status} Nothing\r\nX-Status: ${status}\r\n\r\n`);
      }),
    );
    const gateway = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: app }] }]
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
    try {
      for (const method of ["GET", "HEAD"]) {
        for (const status of [204, 304]) {
          const raw = await connectRaw({ port: gateway.port("public") });
          raw.send(`${method} /${status} HTTP/1.1\r\nHost: api.test\r\n\r\n`);
          const text = await raw.until((all) => all.includes("\r\n\r\n"));
          assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
          assert.doesNotMatch(text, /content-length|transfer-encoding/i);
          raw.destroy();
        }
      }
    } finally {
      await gateway.stop();
      await upstream.close();
    }
  });
});
