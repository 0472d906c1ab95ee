/** WebSockets to services over HTTP/2 (RFC 8441). The service that speaks it is the gateway's own h2c listener, before one that does not. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, before, describe, it } from "node:test";
import { CANCEL } from "../../src/wire/http2/error-codes.js";
import { logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { findFreePort } from "../support/upstream.js";
import { openWebSocket, refusalOf, startWebSocketUpstream, type WebSocketUpstream } from "../support/web-socket.js";
import { type RawConnection, startRawHttp2 } from "../unit/upstream/raw-http2.js";
import type { RawServer } from "../unit/upstream/support.js";
import { http2TargetOf, Notes, requestOf, startConnector, until } from "../unit/upstream/support.js";
import * as raw from "../unit/wire/http2/raw-frames.js";

describe("a WebSocket over HTTP/2 to a service", () => {
  let service: WebSocketUpstream;
  let gateway: Gateway;
  let url = "";

  before(async () => {
    service = await startWebSocketUpstream({
      chooseProtocol: (offered) => (offered.has("second") ? "second" : false),
      onUpgrade(request, socket) {
        if (!request.url?.startsWith("/refuses")) return false;
        socket.end("HTTP/1.1 403 Forbidden\r\nx-why: closed\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
        return true;
      },
    });
    const port = await findFreePort();
    gateway = await startGateway(`
listeners:
  - { name: front, bind: "127.0.0.1:0", protocol: http, webSocket: { maxQueueBytes: 4MiB } }
  - { name: back, bind: "127.0.0.1:${port}", protocol: h2c }
routes:
  - { name: front, listeners: [front], backends: [{ service: back }] }
  - { name: back, listeners: [back], backends: [{ service: echo }] }
services:
  - { name: back, protocol: h2c, endpoints: { static: [{ address: "127.0.0.1:${port}" }] } }
  - { name: echo, endpoints: { static: [{ address: "${service.address}" }] } }
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
    url = `ws://127.0.0.1:${gateway.port("front")}`;
  });
  after(async () => {
    await gateway?.stop();
    await service?.close();
  });

  it("brings messages of every length class back byte for byte", async () => {
    const { socket, messages, untilMessages, closed } = await openWebSocket(`${url}/lengths`);
    const sent = [0, 1, 125, 126, 65_535, 65_536, 300_000, 1024 * 1024].map((length) => randomBytes(length));
    for (const data of sent) socket.send(data);
    await untilMessages(sent.length);
    for (const [index, data] of sent.entries()) assert.ok(data.equals(messages[index]?.data as Buffer), `message ${index}`);
    socket.close(1000);
    assert.equal((await closed).code, 1000);
  });

  it("carries many at a time, beside requests, on one connection", async () => {
    const sockets = await Promise.all(Array.from({ length: 50 }, () => openWebSocket(`${url}/many`)));
    for (const [i, { socket }] of sockets.entries()) socket.send(`message ${i}`);
    for (const [i, { messages, socket, untilMessages }] of sockets.entries()) {
      await untilMessages(1);
      assert.equal(messages[0]?.data.toString(), `message ${i}`);
      socket.close();
    }
    await Promise.all(sockets.map(({ closed }) => closed));
  });

  it("passes subprotocols, pings and close codes on, from either end", async () => {
    for (const closer of ["client", "service"]) {
      const count = service.arrived.length;
      const client = await openWebSocket(`${url}/closes`, ["first", "second"]);
      const arrived = await service.untilArrived(count + 1);
      assert.equal(client.socket.protocol, "second");
      assert.equal(arrived.headers["sec-websocket-version"], "13");
      arrived.socket.ping("are you there");
      await eventually(() => client.pings.length === 1 && arrived.pongs.length === 1, "ping and pong");
      (closer === "client" ? client : arrived).socket.close(4_001, "own");
      assert.deepEqual([await client.closed, await arrived.closed], Array(2).fill({ code: 4_001, reason: "own" }));
    }
  });

  it("ends with either end that vanishes", async () => {
    for (const leaver of ["client", "service"]) {
      const count = service.arrived.length;
      const client = await openWebSocket(`${url}/${leaver}-vanishes`);
      const arrived = await service.untilArrived(count + 1);
      (leaver === "client" ? client : arrived).socket.terminate();
      assert.deepEqual([(await client.closed).code, (await arrived.closed).code], [1006, 1006]);
    }
  });

  it("that the service refuses gets the service's answer", async () => {
    const { status, headers, text } = await refusalOf(`${url}/refuses`);
    assert.deepEqual([status, headers["x-why"], text], [403, "closed", "no"]);
    const lines = await eventually(() => {
      const found = logLines(gateway.stdout()).filter((line) => line.path === "/refuses");
      return found.length === 2 ? found : null;
    }, "two lines in the log");
    assert.deepEqual(
      lines.map(({ status: logged, error }) => [logged, error]),
      Array(2).fill([403, ""]),
    );
  });
});

describe("an extended CONNECT", () => {
  const ENABLE_CONNECT = [8, 1];
  const bench = startConnector();
  let server: RawServer | null = null;

  afterEach(async () => {
    await server?.close();
    server = null;
  });
  after(() => bench.close());

  async function connect(say: (connection: RawConnection, id: number) => void, maxWebSockets = 10): Promise<Notes> {
    server = await startRawHttp2({ settings: ENABLE_CONNECT, onRequest: say });
    return new Notes().start(bench.connector, http2TargetOf(server.port, { maxWebSockets }), requestOf({ isWebSocket: true }));
  }

  const grant = ({ send }: RawConnection, id: number): void => send(raw.headers(id, [":status: 200"], false));

  it("asks as RFC 8441 says, and counts as a WebSocket", async () => {
    let connection: RawConnection | null = null;
    const notes = await connect((opened, id) => {
      connection = opened;
      grant(opened, id);
    });
    assert.equal(await notes.over, "upgrade", notes.detail);
    assert.deepEqual([bench.connector.stats().webSockets, bench.connector.stats().streams], [1, 1]);
    const head = (connection as unknown as RawConnection).frames.find(({ type }) => type === 1);
    assert.equal((head?.flags ?? 1) & 1, 0, "the stream is open");
    notes.webSocket?.abort();
    const reset = (): raw.RawFrame | undefined => (connection as unknown as RawConnection).frames.find(({ type }) => type === 3);
    await until(() => reset() !== undefined, "the stream to be reset");
    assert.equal(reset()?.payload.readUInt32BE(0), CANCEL);
    assert.deepEqual([bench.connector.stats().webSockets, bench.connector.stats().connections], [0, 1]);
  });

  it("fails when there are too many, or the answer is none that may be believed", async () => {
    const tooMany = await connect(grant, 0);
    assert.equal(await tooMany.over, "upstream-overflow");
    await server?.close();
    const unasked = await connect(({ send }, id) => send(raw.headers(id, [":status: 200", "sec-websocket-protocol: x"], false)));
    assert.equal(await unasked.over, "upstream-protocol");
    assert.equal(bench.connector.stats().webSockets, 0);
  });

  const ENDS: readonly (readonly [string, (connection: RawConnection, id: number) => void])[] = [
    ["ends its side", ({ send }, id) => send(raw.data(id, "", true))],
    ["resets the stream", ({ send }, id) => send(raw.reset(id, CANCEL))],
    ["closes the connection", ({ socket }) => socket.destroy()],
  ];
  for (const [name, leave] of ENDS) {
    it(`tells when the service ${name}, behind what it has said`, async () => {
      const notes = await connect((connection, id) => {
        grant(connection, id);
        connection.send(raw.data(id, Buffer.from([0x81, 2, 0x68, 0x69])));
        setImmediate(() => leave(connection, id));
      });
      assert.equal(await notes.over, "upgrade", notes.detail);
      const heard: string[] = [];
      const ignore = (): void => undefined;
      notes.webSocket?.open(
        {
          onMessage: (data) => heard.push(Buffer.from(data).toString()),
          onAbort: (code) => heard.push(code),
          onClose: () => heard.push("close"),
          onPing: ignore,
          onPong: ignore,
          onDrain: ignore,
        },
        1_000,
      );
      await until(() => heard.length === 2, "the end");
      assert.deepEqual(heard, ["hi", name === "resets the stream" ? "upstream-reset" : "upstream-closed"]);
      assert.equal(bench.connector.stats().webSockets, 0);
    });
  }

  it("holds messages back that the service has no window for, and says when there is room", async () => {
    let stream = 0;
    let connection: RawConnection | null = null;
    const notes = await connect((opened, id) => {
      stream = id;
      connection = opened;
      grant(opened, id);
    });
    assert.equal(await notes.over, "upgrade", notes.detail);
    let drains = 0;
    const ignore = (): void => undefined;
    notes.webSocket?.open(
      { onMessage: ignore, onAbort: ignore, onClose: ignore, onPing: ignore, onPong: ignore, onDrain: () => drains++ },
      1_000,
    );
    assert.equal(notes.webSocket?.send(Buffer.alloc(300_000), true), false);
    const received = (): number =>
      (connection as unknown as RawConnection).frames.reduce((sum, { type, payload }) => sum + (type === 0 ? payload.length : 0), 0);
    await until(() => received() === 65_535, "the window to be used up");
    assert.equal(drains, 0);
    (connection as unknown as RawConnection).send(raw.windowUpdate(0, 1_000_000), raw.windowUpdate(stream, 1_000_000));
    await until(() => drains === 1, "the drain");
    assert.equal(notes.webSocket?.waitingBytes, 0);
    notes.webSocket?.abort();
  });
});
