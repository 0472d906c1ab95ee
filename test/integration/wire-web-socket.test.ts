/** WebSockets over HTTP/2 (RFC 8441): a stream of a connection that also carries other requests, spoken to by a real client. */
import assert from "node:assert/strict";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type IncomingHttpHeaders } from "node:http2";
import type { Duplex } from "node:stream";
import { after, before, describe, it } from "node:test";
import { WebSocket } from "ws";
import { logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { startWebSocketUpstream, type WebSocketUpstream } from "../support/web-socket.js";
import { metric, untilIdle } from "./attack-support.js";

const VERSION = { "sec-websocket-version": "13" };

describe("WebSocket over HTTP/2", () => {
  let service: WebSocketUpstream;
  let gateway: Gateway;
  let session: ClientHttp2Session;
  /** Sockets whose upgrade the service does not answer. */
  const undecided: Duplex[] = [];

  before(async () => {
    service = await startWebSocketUpstream({
      chooseProtocol: (offered) => (offered.has("second") ? "second" : false),
      onUpgrade(request, socket) {
        if (request.url !== "/undecided") return false;
        undecided.push(socket);
        return true;
      },
    });
    gateway = await startGateway(`
listeners: [{ name: plain, bind: "127.0.0.1:0", protocol: h2c, webSocket: { maxMessageBytes: 2MiB } }]
routes:
  - { name: all, backends: [{ service: echo }] }
  - { name: none, match: [{ path: { value: /none } }], filters: [{ respond: { status: 403 } }] }
services: [{ name: echo, endpoints: { static: [{ address: "${service.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
    // Node.js refuses requests of its own while it holds more of what was written (in MB).
    session = connect(`http://127.0.0.1:${gateway.port("plain")}`, { maxSessionMemory: 100 });
    await new Promise((resolve) => session.once("remoteSettings", resolve));
  });
  after(async () => {
    session?.destroy();
    await gateway?.stop();
    await service?.close();
  });

  async function extendedConnect(
    path: string,
    fields: Record<string, string> = VERSION,
  ): Promise<[ClientHttp2Stream, IncomingHttpHeaders]> {
    const stream = session.request({ ":method": "CONNECT", ":protocol": "websocket", ":path": path, ":authority": "a.test", ...fields });
    const headers = await new Promise<IncomingHttpHeaders>((resolve, reject) => stream.once("response", resolve).once("error", reject));
    return [stream, headers];
  }

  /** `ws`, on a stream instead of a socket. */
  function speak(stream: ClientHttp2Stream): WebSocket {
    const socket = new WebSocket(null as unknown as string, undefined, {});
    const adopt = socket as unknown as {
      _isServer: boolean;
      _closeTimeout: number;
      setSocket(stream: unknown, head: Buffer, options: object): void;
    };
    adopt._isServer = false;
    adopt._closeTimeout = 10_000;
    adopt.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 8 * 1024 * 1024, skipUTF8Validation: false });
    return socket;
  }

  it("is announced, accepted with 200, and carries messages of every length", async () => {
    assert.equal(session.remoteSettings?.enableConnectProtocol, true);
    const [stream, headers] = await extendedConnect("/echo", { ...VERSION, "sec-websocket-protocol": "first, second" });
    assert.equal(headers[":status"], 200);
    assert.equal(headers["sec-websocket-protocol"], "second");
    const socket = speak(stream);
    const received: Buffer[] = [];
    socket.on("message", (data: Buffer) => received.push(data));
    const sent = [0, 1, 125, 126, 65_535, 65_536, 300_000, 1024 * 1024].map((bytes, i) => Buffer.alloc(bytes, i + 1));
    for (const data of sent) socket.send(data);
    await eventually(() => received.length === sent.length, "all messages back", 20_000);
    for (const [i, data] of sent.entries()) assert.ok(data.equals(received[i] as Buffer), `message ${i} of ${data.length} bytes`);
    const pinged = new Promise((resolve) => socket.once("pong", resolve));
    socket.ping("here");
    assert.equal(String(await pinged), "here");
    const closed = new Promise<number>((resolve) => socket.once("close", resolve));
    socket.close(4001, "done");
    assert.equal(await closed, 4001);
    assert.deepEqual(await (service.arrived[0] as (typeof service.arrived)[number]).closed, { code: 4001, reason: "done" });
    const line = await eventually(() => logLines(gateway.stdout()).findLast((entry) => entry.path === "/echo"), "a log line");
    assert.deepEqual([line.method, line.status, line.closeCode], ["GET", 101, 4001]);
  });

  it("shares its connection with requests, and many share one", async () => {
    const sockets = await Promise.all(Array.from({ length: 20 }, async (_, i) => speak((await extendedConnect(`/many/${i}`))[0])));
    const echoes = sockets.map(
      (socket, i) => new Promise<string>((resolve) => socket.once("message", (data: Buffer) => resolve(`${i} ${data}`))),
    );
    const plain = session.request({ ":path": "/plain", ":authority": "a.test" });
    for (const socket of sockets) socket.send("hello");
    let text = "";
    for await (const chunk of plain.setEncoding("utf8")) text += chunk;
    assert.equal(text, "plain GET /plain");
    assert.deepEqual(
      await Promise.all(echoes),
      sockets.map((_, i) => `${i} hello`),
    );
    assert.equal(await metric(gateway, "windrose_open_websockets"), 20);
    for (const socket of sockets) socket.close();
    await untilIdle(gateway);
  });

  it("a client that takes nothing brakes the service, and loses nothing", async () => {
    const before = service.arrived.length;
    const [stream] = await extendedConnect("/slow");
    stream.pause();
    const arrived = await service.untilArrived(before + 1);
    const message = Buffer.alloc(256 * 1024, 7);
    const count = 128;
    for (let i = 0; i < count; i++) arrived.socket.send(message);
    await eventually(() => arrived.socket.bufferedAmount > 1024 * 1024, "the service to be braked");
    const socket = speak(stream);
    let bytes = 0;
    socket.on("message", (data: Buffer) => {
      bytes += data.length;
    });
    stream.resume();
    await eventually(() => bytes === count * message.length, "everything", 20_000);
    socket.close();
  });

  it("a service that takes nothing brakes the client, and the connection serves on", async () => {
    const before = service.arrived.length;
    const [stream] = await extendedConnect("/stuck");
    const arrived = await service.untilArrived(before + 1);
    arrived.socket.pause();
    const socket = speak(stream);
    const message = Buffer.alloc(256 * 1024, 9);
    for (let i = 0; i < 128; i++) socket.send(message);
    await eventually(() => stream.writableLength > 0, "the client to be braked");
    const plain = session.request({ ":path": "/while-stuck", ":authority": "a.test" });
    plain.resume();
    await new Promise((resolve) => plain.once("end", resolve));
    arrived.socket.resume();
    await arrived.untilMessages(128);
    socket.close();
    await untilIdle(gateway);
  });

  it("a stream that is reset ends the service's socket, and the other way round", async () => {
    const before = service.arrived.length;
    const [reset] = await extendedConnect("/reset");
    const arrived = await service.untilArrived(before + 1);
    reset.on("error", () => {});
    reset.close(constants.NGHTTP2_CANCEL);
    assert.equal((await arrived.closed).code, 1006);
    const [stream] = await extendedConnect("/vanishes");
    const ended = new Promise((resolve) => stream.once("close", resolve));
    stream.on("error", () => {}).resume();
    (await service.untilArrived(before + 2)).socket.terminate();
    await ended;
    assert.notEqual(stream.rstCode, constants.NGHTTP2_NO_ERROR);
  });

  it("refuses what it cannot be, and answers as routes say", async () => {
    const cases: [string, Record<string, string>, number][] = [
      ["/echo", { "sec-websocket-version": "8" }, 426],
      ["/echo", {}, 426],
      ["/echo", { ...VERSION, ":protocol": "connect-udp" }, 501],
      ["/none", VERSION, 403],
    ];
    const before = service.arrived.length;
    for (const [path, fields, status] of cases) {
      const [stream, headers] = await extendedConnect(path, fields);
      assert.equal(headers[":status"], status, `${path} ${JSON.stringify(fields)}`);
      stream.resume().close();
    }
    assert.equal(service.arrived.length, before);
  });

  it("frames that do not wait for the answer end the stream, and nothing is lost in silence", async () => {
    const stream = session.request({
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":path": "/undecided",
      ":authority": "a.test",
      ...VERSION,
    });
    stream.on("error", () => {});
    const closed = new Promise((resolve) => stream.once("close", resolve));
    await eventually(() => undecided.length === 1, "the upgrade at the service");
    const gone = new Promise((resolve) => undecided[0]?.once("end", resolve).resume());
    stream.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x41]));
    await closed;
    assert.equal(stream.rstCode, constants.NGHTTP2_PROTOCOL_ERROR);
    await gone;
    undecided[0]?.destroy();
    await untilIdle(gateway);
  });

  it("a stream that ends with its head can be no WebSocket", async () => {
    const before = service.arrived.length;
    const stream = session.request(
      { ":method": "CONNECT", ":protocol": "websocket", ":path": "/echo", ":authority": "a.test", ...VERSION },
      { endStream: true },
    );
    const headers = await new Promise<IncomingHttpHeaders>((resolve, reject) => stream.once("response", resolve).once("error", reject));
    assert.equal(headers[":status"], 400);
    stream.resume();
    assert.equal(service.arrived.length, before);
  });

  it("a broken frame is answered with its close code, and only that stream ends", async () => {
    const [stream] = await extendedConnect("/broken");
    const bytes: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => bytes.push(chunk));
    const ended = new Promise((resolve) => stream.once("end", resolve));
    stream.write(Buffer.from([0x81, 0x01, 0x41])); // not masked
    await ended;
    assert.deepEqual([...Buffer.concat(bytes)], [0x88, 0x02, 0x03, 0xea]);
    stream.close();
    assert.equal(session.closed, false);
    await untilIdle(gateway);
  });
});
