/** RFC 9218 end to end: a client whose connection is the bottleneck gets the urgent answer before the large ones it asked for earlier. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { after, before, describe, it } from "node:test";
import type { Http2Stream } from "../../src/wire/http2/stream.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { CodecSocket } from "../support/http2-codec.js";

/** The connection's window when nobody raises it. */
const WINDOW = 65_535;
/** The codec gives it back in halves. */
const HALF = 32_768;
const URGENT_BYTES = 30_000;
const BULK = [1, 3, 5];
const URGENT = 7;

/** Takes a window of data when told, and notes whose it was. */
class SlowReader extends CodecSocket {
  readonly heads = new Set<number>();
  /** Bytes by stream since the last `takeMore`. */
  taken = new Map<number, number>();
  #owed: [stream: Http2Stream, bytes: number][] = [];

  get takenBytes(): number {
    return [...this.taken.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  override onResponse(stream: Http2Stream): void {
    this.heads.add(stream.id);
  }

  override onData(stream: Http2Stream, data: Uint8Array): void {
    this.taken.set(stream.id, (this.taken.get(stream.id) ?? 0) + data.length);
    this.#owed.push([stream, data.length]);
  }

  takeMore(): void {
    this.taken = new Map();
    for (const [stream, bytes] of this.#owed) this.connection.consume(stream, bytes);
    this.#owed = [];
    this.flush();
  }

  ask(path: string, priority: string): void {
    const headers = priority === "" ? [] : ["priority", priority];
    const head = {
      method: "GET",
      scheme: "http",
      authority: "a.example",
      path,
      protocol: "",
      headers,
      bodyLength: 0,
      acceptsTrailers: false,
    };
    void this.request(head, { body: new Uint8Array(0), trailers: [] });
  }
}

describe("a client whose connection is the bottleneck", () => {
  const seen: string[] = [];
  let answered = 0;
  const server = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers.priority ?? "-"}`);
    response.once("finish", () => answered++);
    response.end(Buffer.alloc(request.url === "/urgent" ? URGENT_BYTES : 2_000_000));
  });
  let gateway: Gateway;

  before(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    gateway = await startGateway(`
listeners: [{ name: public, bind: "127.0.0.1:0", protocol: h2c }]
routes: [{ name: all, backends: [{ service: app }] }]
services: [{ name: app, endpoints: { static: [{ address: "127.0.0.1:${(server.address() as AddressInfo).port}" }] } }]
workers: 1
admin: { bind: "127.0.0.1:0" }
`);
  });
  after(async () => {
    await gateway.stop();
    server.closeAllConnections();
    server.close();
  });

  /** Whose bytes came in the first window after the urgent answer had reached the gateway, too. */
  async function nextWindow(bulk: string, urgent: string): Promise<Map<number, number>> {
    const socket = connect(gateway.port("public"), "127.0.0.1");
    await once(socket, "connect");
    const reader = new SlowReader("client", socket, { streamWindowBytes: 10_000_000, connectionWindowBytes: WINDOW });
    for (const _ of BULK) reader.ask("/bulk", bulk);
    await eventually(() => reader.takenBytes === WINDOW && BULK.every((id) => reader.heads.has(id)), "the window is spent");
    const before = answered;
    reader.ask("/urgent", urgent);
    await eventually(() => reader.heads.has(URGENT) && answered > before, "the urgent answer waits in the gateway");
    reader.takeMore();
    await eventually(() => reader.takenBytes >= HALF, "the window is spent again");
    socket.destroy();
    return reader.taken;
  }

  it("gets what is urgent whole and at once", async () => {
    const taken = await nextWindow("u=6, i", "u=0");
    assert.equal(taken.get(URGENT), URGENT_BYTES);
    assert.deepEqual(seen.slice(-4), ["/bulk u=6, i", "/bulk u=6, i", "/bulk u=6, i", "/urgent u=0"]);
  });

  it("gets its share when it has said nothing", async () => {
    const taken = await nextWindow("", "");
    assert.ok((taken.get(URGENT) ?? 0) < URGENT_BYTES);
  });
});
