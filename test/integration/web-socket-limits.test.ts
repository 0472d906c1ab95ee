/** What a WebSocket costs at most: message size, queues in both directions, silence, age, compression, and the gateway's end. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { deflateRawSync } from "node:zlib";
import type { WebSocket } from "ws";
import { logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { workerPid } from "../support/processes.js";
import { connectRaw } from "../support/raw-socket.js";
import { startRawUpstream, type Upstream } from "../support/upstream.js";
import { echo, openWebSocket, startWebSocketUpstream, type WebSocketUpstream } from "../support/web-socket.js";
import { peakMiB } from "./attack-support.js";

const KIB = 1024;
const MIB = 1024 * KIB;

const HANDSHAKE = [
  "GET /mute HTTP/1.1",
  "Host: a.test",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

function acceptOf(head: string): string {
  const key = /sec-websocket-key: (\S+)/i.exec(head)?.[1] ?? "";
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** A service of raw bytes: grants the upgrade and hands the socket over; `fields` and `early` go with the 101. */
function grant(
  socket: Socket,
  onOpen: (socket: Socket) => void,
  fields = "",
  early: Uint8Array = Buffer.alloc(0),
  accept = acceptOf,
): void {
  let head = "";
  const onData = (chunk: Buffer): void => {
    head += chunk.toString("latin1");
    if (!head.includes("\r\n\r\n")) return;
    socket.off("data", onData);
    const upgrade = /upgrade: none/.test(fields) ? "" : "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    const answer = `HTTP/1.1 101 Switching Protocols\r\n${upgrade}Sec-WebSocket-Accept: ${accept(head)}\r\n${fields}\r\n`;
    socket.write(Buffer.concat([Buffer.from(answer), early]));
    onOpen(socket);
  };
  socket.on("data", onData);
}

describe("limits of a WebSocket", () => {
  const services: (Upstream | WebSocketUpstream)[] = [];
  let service: WebSocketUpstream;
  let gateway: Gateway;
  /** What a raw service does with a connection, by the request's path. */
  const scripts = new Map<string, (socket: Socket) => void>();
  let url = "";
  let compressedUrl = "";
  let agedUrl = "";

  before(async () => {
    service = await startWebSocketUpstream();
    const raw = await startRawUpstream((socket) => {
      socket.once("data", (chunk) => {
        const path = /^GET (\S+)/.exec(chunk.toString("latin1"))?.[1] ?? "";
        const script = scripts.get(path);
        if (script === undefined) return socket.destroy();
        script(socket);
        socket.emit("data", chunk);
      });
    });
    services.push(service, raw);
    gateway = await startGateway(`
listeners:
  - { name: plain, bind: "127.0.0.1:0", protocol: http, webSocket: { maxMessageBytes: 64KiB, maxQueueBytes: 256KiB, idleTimeout: 8s } }
  - { name: compressed, bind: "127.0.0.1:0", protocol: http, webSocket: { maxMessageBytes: 64KiB, compression: true } }
  - { name: aged, bind: "127.0.0.1:0", protocol: http, webSocket: { maxMessageBytes: 16MiB, maxAge: 300ms, idleTimeout: 0s } }
routes:
  - { name: all, backends: [{ service: echo }] }
  - { name: raw, match: [{ path: { type: PathPrefix, value: /raw } }], backends: [{ service: raw }] }
services:
  - { name: echo, endpoints: { static: [{ address: "${service.address}" }] } }
  - { name: raw, endpoints: { static: [{ address: "${raw.address}" }] } }
workers: 1
admin: { bind: "127.0.0.1:0" }
`);
    url = `ws://127.0.0.1:${gateway.port("plain")}`;
    compressedUrl = `ws://127.0.0.1:${gateway.port("compressed")}`;
    agedUrl = `ws://127.0.0.1:${gateway.port("aged")}`;
  });

  after(async () => {
    await gateway.stop();
    for (const each of services) await each.close();
  });

  const lastLog = async (path: string): Promise<Record<string, unknown>> =>
    await eventually(() => logLines(gateway.stdout()).findLast((line) => line.path === path), `a log line for ${path}`, 20_000);

  it("a client's message of exactly the limit passes, a byte more ends the connection for both", async () => {
    const client = await openWebSocket(`${url}/size`);
    const arrived = await service.untilArrived(service.arrived.length);
    client.socket.send(randomBytes(64 * KIB));
    await client.untilMessages(1);
    client.socket.send(randomBytes(64 * KIB + 1));
    assert.deepEqual([(await client.closed).code, (await arrived.closed).code], [1006, 1006]);
    const line = await lastLog("/size");
    assert.deepEqual([line.flag, line.error], ["DL", "body-too-large"]);
    assert.equal(arrived.messages.length, 1, "the long one never reached the service");
  });

  it("fragments count together", async () => {
    const client = await openWebSocket(`${url}/fragments`);
    for (let i = 0; i < 5; i++) client.socket.send(randomBytes(16 * KIB), { fin: false });
    assert.equal((await client.closed).code, 1006);
  });

  it("a service's message above the limit: 1009 for the service, 1011 for the client, and a log line that says why", async () => {
    const client = await openWebSocket(`${url}/service-size`);
    const arrived = await service.untilArrived(service.arrived.length);
    arrived.socket.send(randomBytes(64 * KIB));
    await client.untilMessages(1);
    arrived.socket.send(randomBytes(64 * KIB + 1));
    assert.deepEqual([(await client.closed).code, (await arrived.closed).code], [1011, 1009]);
    const line = await lastLog("/service-size");
    assert.deepEqual([line.flag, line.error], ["UP", "upstream-protocol"]);
  });

  it("a service that does not read costs its client the connection (1013), not the gateway its memory", async () => {
    scripts.set("/raw/deaf", (socket) => grant(socket, () => socket.pause()));
    const client = await openWebSocket(`${url}/raw/deaf`);
    const piece = randomBytes(32 * KIB);
    let sentBytes = 0;
    // Paced by what our own socket takes, so that an endless queue on our side is not what fills up.
    while (client.socket.readyState === client.socket.OPEN && sentBytes < 256 * MIB) {
      sentBytes += piece.length;
      await new Promise((resolve) => client.socket.send(piece, () => setImmediate(resolve)));
    }
    assert.equal((await client.closed).code, 1013);
    assert.ok(sentBytes < 64 * MIB, `${sentBytes} bytes were taken`);
    const line = await lastLog("/raw/deaf");
    assert.deepEqual([line.flag, line.error, line.closeCode], ["UO", "upstream-overflow", 1013]);
  });

  it("a client that does not read brakes its service; when it reads again, everything is there in order", async (t) => {
    const client = await openWebSocket(`${url}/slow-client`);
    const arrived = await service.untilArrived(service.arrived.length);
    const pid = workerPid(gateway);
    const before = peakMiB(pid);
    client.socket.pause();
    const count = 4_000;
    const pieces = Array.from({ length: 16 }, (_, index) => randomBytes(1 + index * 4 * KIB));
    let taken = 0;
    for (let i = 0; i < count; i++) arrived.socket.send(pieces[i % pieces.length] as Buffer, () => taken++);
    await eventually(() => taken > 0 && isStalled(arrived.socket), "the service is braked");
    assert.ok(taken < count, "not everything was taken");
    t.diagnostic(`${taken} of ${count} messages were taken while braked`);
    client.socket.resume();
    await client.untilMessages(count);
    for (const [index, { data }] of client.messages.entries())
      assert.ok(data.equals(pieces[index % pieces.length] as Buffer), `message ${index}`);
    t.diagnostic(`peak of the worker ${before} -> ${peakMiB(pid)} MiB`);
    assert.ok(peakMiB(pid) - before < 60, "the worker keeps little");
    client.socket.close();
  });

  describe("silence", { concurrency: true }, () => {
    it("a client that answers no ping is cut off after the idle timeout", { timeout: 40_000 }, async () => {
      const before = service.arrived.length;
      const raw = await connectRaw({ port: gateway.port("plain") });
      raw.send(`${HANDSHAKE.join("\r\n")}\r\n\r\n`);
      const arrived = await service.untilArrived(before + 1);
      await raw.untilClosed(30_000);
      assert.equal((await arrived.closed).code, 1006);
      const line = await lastLog("/mute");
      assert.deepEqual([line.flag, line.error], ["DT", "request-timeout"]);
    });

    it("a service that answers no ping is given up; one that is only quiet is not", { timeout: 40_000 }, async () => {
      scripts.set("/raw/silent", (socket) => grant(socket, () => socket.resume()));
      const silent = await openWebSocket(`${url}/raw/silent`);
      const quiet = await openWebSocket(`${url}/quiet`);
      assert.equal((await silent.closed).code, 1006);
      const line = await lastLog("/raw/silent");
      assert.deepEqual([line.flag, line.error], ["UT", "upstream-timeout"]);
      assert.ok(Number(line.durationMs) >= 8_000, `after ${line.durationMs} ms`);
      quiet.socket.send("still here");
      await quiet.untilMessages(1);
      quiet.socket.close();
    });
  });

  it("a connection ends with 1001 for both at its maximum age", async () => {
    const client = await openWebSocket(`${agedUrl}/aged`);
    const arrived = await service.untilArrived(service.arrived.length);
    assert.deepEqual([(await client.closed).code, (await arrived.closed).code], [1001, 1001]);
    const line = await lastLog("/aged");
    assert.deepEqual([line.flag, line.closeCode], ["", 1001]);
  });

  it("compression is off unless asked for", async () => {
    const off = await openWebSocket(`${url}/deflate`, [], { perMessageDeflate: true });
    assert.equal(off.socket.extensions, "");
    off.socket.close();
    const on = await openWebSocket(`${compressedUrl}/deflate`, [], { perMessageDeflate: { threshold: 0 } });
    assert.match(on.socket.extensions, /permessage-deflate/);
    const texts = ["", "short", "long ".repeat(10_000), "ä".repeat(5_000)];
    for (const text of texts) on.socket.send(text);
    await on.untilMessages(texts.length);
    assert.deepEqual(
      on.messages.map(({ data }) => data.toString()),
      texts,
    );
    on.socket.close();
  });

  it("a compressed message that would inflate beyond the limit ends the connection and is never inflated whole", async () => {
    const before = peakMiB(workerPid(gateway));
    const count = service.arrived.length;
    const raw = connect(gateway.port("compressed"), "127.0.0.1");
    raw.on("error", () => {});
    const bomb = deflateRawSync(Buffer.alloc(512 * MIB)).subarray(0, -4);
    const header = Buffer.alloc(14);
    header.set([0xc2, 0xff]);
    header.writeBigUInt64BE(BigInt(bomb.length), 2);
    raw.write(`${[...HANDSHAKE, "Sec-WebSocket-Extensions: permessage-deflate"].join("\r\n")}\r\n\r\n`);
    const arrived = await service.untilArrived(count + 1);
    raw.write(Buffer.concat([header, bomb]));
    assert.equal((await arrived.closed).code, 1006);
    assert.ok(peakMiB(workerPid(gateway)) - before < 50, "the worker did not inflate it");
    raw.destroy();
  });

  // ── services that break the rules ──────────────────────────────────────────────────────────────────────────────

  const BAD_HANDSHAKES: readonly (readonly [string, (socket: Socket) => void])[] = [
    [
      "a wrong accept",
      (socket) =>
        grant(
          socket,
          () => {},
          "",
          undefined,
          () => "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ),
    ],
    ["two accepts", (socket) => grant(socket, () => {}, "Sec-WebSocket-Accept: x\r\n")],
    ["a subprotocol nobody offered", (socket) => grant(socket, () => {}, "Sec-WebSocket-Protocol: chat\r\n")],
    ["an extension nobody offered", (socket) => grant(socket, () => {}, "Sec-WebSocket-Extensions: permessage-deflate\r\n")],
    ["no Upgrade", (socket) => grant(socket, () => {}, "x: upgrade: none\r\n")],
    ["a length", (socket) => grant(socket, () => {}, "Content-Length: 5\r\n")],
    ["chunked framing", (socket) => grant(socket, () => {}, "Transfer-Encoding: chunked\r\n")],
    [
      "HTTP/1.0",
      (socket) => void socket.once("data", () => socket.end("HTTP/1.0 101 OK\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")),
    ],
  ];
  for (const [index, [what, script]] of BAD_HANDSHAKES.entries()) {
    it(`a 101 with ${what} is 502 for the client`, async () => {
      const path = `/raw/handshake-${index}`;
      scripts.set(path, script);
      await assert.rejects(openWebSocket(url + path), /502/);
      assert.equal((await lastLog(path)).flag, "UP");
    });
  }

  const BAD_FRAMES: readonly (readonly [string, number[]])[] = [
    ["a masked frame", [0x81, 0x81, 1, 2, 3, 4, 5]],
    ["a reserved bit", [0xc1, 0x01, 0x61]],
    ["an unknown opcode", [0x83, 0x00]],
    ["text that is no UTF-8", [0x81, 0x02, 0xff, 0xff]],
    ["a continuation of nothing", [0x80, 0x00]],
    ["a fragmented ping", [0x09, 0x00]],
    ["a close code that must not travel", [0x88, 0x02, 0x03, 0xed]],
  ];
  for (const [index, [what, bytes]] of BAD_FRAMES.entries()) {
    it(`${what} from a service closes with 1011 for the client`, async () => {
      const path = `/raw/frame-${index}`;
      scripts.set(path, (socket) => grant(socket, () => setImmediate(() => socket.write(Buffer.from(bytes)))));
      const client = await openWebSocket(url + path);
      assert.equal((await client.closed).code, 1011);
      const line = await lastLog(path);
      assert.deepEqual([line.flag, line.error, line.closeCode], ["UP", "upstream-protocol", 1011]);
    });
  }

  it("what a service sends right behind its 101 arrives, up to and including its close", async () => {
    const early = Buffer.from([0x81, 0x02, 0x68, 0x69, 0x82, 0x01, 0x00, 0x88, 0x02, 0x0f, 0xa1]);
    scripts.set("/raw/early", (socket) => grant(socket, () => {}, "", early));
    const client = await openWebSocket(`${url}/raw/early`);
    assert.deepEqual(await client.closed, { code: 4001, reason: "" });
    assert.deepEqual(client.messages, [
      { data: Buffer.from("hi"), isBinary: false },
      { data: Buffer.from([0]), isBinary: true },
    ]);
  });

  it("frames cut at every byte arrive as they were sent", async () => {
    const frames = Buffer.from([0x81, 0x02, 0x68, 0x69, 0x02, 0x01, 0x01, 0x89, 0x01, 0x70, 0x80, 0x01, 0x02, 0x88, 0x02, 0x03, 0xe8]);
    scripts.set("/raw/cut", (socket) =>
      grant(socket, () => {
        socket.setNoDelay(true);
        let at = 0;
        const next = (): void => {
          if (at < frames.length) socket.write(frames.subarray(at, ++at), () => setImmediate(next));
        };
        next();
      }),
    );
    const client = await openWebSocket(`${url}/raw/cut`);
    assert.equal((await client.closed).code, 1000);
    assert.deepEqual(
      client.messages.map(({ data }) => [...data]),
      [
        [0x68, 0x69],
        [1, 2],
      ],
    );
    assert.deepEqual(client.pings, ["p"]);
  });
});

describe("the gateway's end", () => {
  it("closes WebSockets with 1001 on both sides, lets requests finish, refuses new upgrades, and ends with 0", async () => {
    const service = await startWebSocketUpstream({ onSocket: echo });
    const gateway = await startGateway(`
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: echo }] }]
services: [{ name: echo, endpoints: { static: [{ address: "${service.address}" }] } }]
workers: 1
drain: { timeout: 20s }
admin: { bind: "127.0.0.1:0" }
`);
    const url = `ws://127.0.0.1:${gateway.port("plain")}`;
    const clients = await Promise.all(Array.from({ length: 200 }, (_, index) => openWebSocket(`${url}/${index}`)));
    const stopped = gateway.stop();
    const codes = await Promise.all(clients.map(async ({ closed }) => (await closed).code));
    const { code, stdout, stderr } = await stopped;
    const odd = codes.findIndex((each) => each !== 1001);
    const oddLine = stdout.split("\n").find((line) => line.includes(`"path":"/${odd}"`));
    assert.equal(odd, -1, `client ${odd} saw ${codes[odd]}: ${oddLine}\n${stderr}`);
    assert.equal(code, 0);
    const serviceCodes = await Promise.all(service.arrived.map(async ({ closed }) => (await closed).code));
    assert.deepEqual(new Set(serviceCodes), new Set([1001]), "the service");
    const lines = logLines(stdout);
    assert.equal(lines.length, 200);
    for (const line of lines) assert.deepEqual([line.status, line.flag, line.error, line.closeCode], [101, "SD", "draining", 1001]);
    await service.close();
  });
});

/** Its socket has not taken anything for a while: nothing moves. */
function isStalled(socket: WebSocket): Promise<boolean> {
  const waiting = socket.bufferedAmount;
  return new Promise((resolve) => setTimeout(() => resolve(waiting > 0 && socket.bufferedAmount === waiting), 300));
}
