/** Client and server of our own, with bytes carried between them in random pieces and orders: every body must arrive whole. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Http2Connection } from "../../../../src/wire/http2/connection.js";
import { CANCEL } from "../../../../src/wire/http2/error-codes.js";
import type { Http2Events, Http2RequestHead, Http2ResponseHead } from "../../../../src/wire/http2/events.js";
import type { Http2Limits } from "../../../../src/wire/http2/limits.js";
import { DEFAULT_HTTP2_LIMITS } from "../../../../src/wire/http2/limits.js";
import type { Http2Stream } from "../../../../src/wire/http2/stream.js";

const seed = Number(process.env.FUZZ_SEED ?? 20_260_101);
const numRuns = Number(process.env.FUZZ_RUNS ?? 100);

interface Message {
  readonly bytes: number;
  readonly hasLength: boolean;
  readonly trailers: readonly string[];
}

interface Exchange {
  readonly request: Message;
  readonly response: Message;
  readonly headers: readonly string[];
  /** Reset by the client when so many bytes of the response have come; -1: never. */
  readonly resetAt: number;
}

/** One message of an exchange, on its way out and as it came in. */
interface Transfer {
  readonly message: Message;
  sent: number;
  received: number;
  trailers: readonly string[];
  isOk: boolean;
  isEnded: boolean;
}

const message: fc.Arbitrary<Message> = fc.record({
  bytes: fc.oneof(fc.nat(20), fc.nat(1000), fc.nat(200_000)),
  hasLength: fc.boolean(),
  trailers: fc.constantFrom([], [], ["grpc-status", "0"]),
});
const exchange: fc.Arbitrary<Exchange> = fc.record({
  request: message,
  response: message,
  headers: fc
    .array(fc.tuple(fc.constantFrom("x-a", "x-b", "cookie", "accept"), fc.stringMatching(/^[a-z0-9]{1,30}$/)), { maxLength: 6 })
    .map((list) => list.flat()),
  resetAt: fc.constantFrom(-1, -1, -1, 0, 5000),
});
const limits: fc.Arbitrary<Http2Limits> = fc
  .record({
    streamWindowBytes: fc.constantFrom(65_535, 65_536, 300_000),
    connectionWindowBytes: fc.constantFrom(65_535, 100_000, 1_048_576),
    maxConcurrentStreams: fc.constantFrom(1, 3, 100),
    maxPendingDataBytes: fc.constantFrom(1, 20_000, 65_536),
  })
  .map((some) => ({ ...DEFAULT_HTTP2_LIMITS, ...some }));

/** Every byte tells where it belongs. */
function content(id: number, from: number, to: number): Uint8Array {
  return Uint8Array.from({ length: to - from }, (_, i) => (id * 31 + (from + i) * 7) & 0xff);
}

abstract class Side implements Http2Events {
  readonly connection: Http2Connection;
  readonly out = new Map<Http2Stream, Transfer>();
  readonly in = new Map<Http2Stream, Transfer>();
  readonly resets: string[] = [];

  constructor(role: "client" | "server", its: Http2Limits) {
    this.connection = new Http2Connection(role, its, this);
  }

  onData(stream: Http2Stream, data: Uint8Array, isEnd: boolean): void {
    const transfer = this.in.get(stream);
    assert.ok(transfer !== undefined);
    transfer.isOk &&= Buffer.from(content(stream.id, transfer.received, transfer.received + data.length)).equals(data);
    transfer.received += data.length;
    transfer.isEnded ||= isEnd;
    this.connection.consume(stream, data.length);
    this.afterData(stream, transfer);
  }

  onTrailers(stream: Http2Stream, trailers: string[]): void {
    const transfer = this.in.get(stream);
    assert.ok(transfer !== undefined);
    transfer.trailers = trailers;
    transfer.isEnded = true;
  }

  onReset(_stream: Http2Stream, errorCode: number, reason: string | null): void {
    this.resets.push(`${reason} ${errorCode}`);
  }

  onWritable(stream: Http2Stream): void {
    this.push(stream);
  }

  push(stream: Http2Stream): void {
    const transfer = this.out.get(stream);
    assert.ok(transfer !== undefined);
    const { message, sent } = transfer;
    const hasTrailers = message.trailers.length > 0;
    transfer.sent += this.connection.sendData(stream, content(stream.id, sent, message.bytes), !hasTrailers);
    if (transfer.sent === message.bytes && hasTrailers) this.connection.sendTrailers(stream, message.trailers);
  }

  start(message: Message): Transfer {
    return { message, sent: 0, received: 0, trailers: [], isOk: true, isEnded: false };
  }

  afterData(_stream: Http2Stream, _transfer: Transfer): void {}
  onRequest(_stream: Http2Stream, _head: Http2RequestHead, _isEnd: boolean): void {}
  onResponse(_stream: Http2Stream, _head: Http2ResponseHead, _isEnd: boolean): void {}
  onOversizedRequest(): void {}
  onRefusedRequest(id: number, _code: number, reason: string): void {
    this.resets.push(`${id} ${reason}`);
  }
  onInterim(): void {}
  onSettings(): void {}
  onPingAck(): void {}
  onGoAway(): void {}
}

class Server extends Side {
  readonly exchanges: readonly Exchange[];

  constructor(exchanges: readonly Exchange[], its: Http2Limits) {
    super("server", its);
    this.exchanges = exchanges;
  }

  override onRequest(stream: Http2Stream, head: Http2RequestHead, isEnd: boolean): void {
    const { headers, request, response } = this.exchanges[Number(head.path.slice(1))] as Exchange;
    assert.deepEqual(head.headers, withOneCookie(headers));
    assert.equal(head.acceptsTrailers, true);
    this.in.set(stream, { ...this.start(request), isEnded: isEnd });
    this.out.set(stream, this.start(response));
    const bodyLength = response.hasLength ? response.bytes : -1;
    this.connection.sendInterim(stream, 103, ["link", "</a>"]);
    this.connection.sendResponse(stream, { status: 200, headers: ["x-path", head.path], bodyLength }, false);
    this.push(stream);
  }
}

class Client extends Side {
  readonly waiting: Exchange[];
  readonly #all: readonly Exchange[];
  readonly exchangeOf = new Map<Http2Stream, Exchange>();

  constructor(exchanges: readonly Exchange[], its: Http2Limits) {
    super("client", its);
    this.#all = exchanges;
    this.waiting = [...exchanges];
  }

  open(): void {
    const next = this.waiting[0];
    if (next === undefined || !this.connection.peer.isKnown || !this.connection.canRequest) return;
    this.waiting.shift();
    const { headers, request } = next;
    const stream = this.connection.sendRequest(
      {
        method: "POST",
        scheme: "https",
        authority: "a.example",
        path: `/${this.#all.indexOf(next)}`,
        protocol: "",
        headers,
        bodyLength: request.hasLength ? request.bytes : -1,
        acceptsTrailers: true,
      },
      false,
    );
    assert.ok(stream !== null);
    this.exchangeOf.set(stream, next);
    this.out.set(stream, this.start(request));
    this.in.set(stream, this.start(next.response));
    this.push(stream);
  }

  override afterData(stream: Http2Stream, transfer: Transfer): void {
    const { resetAt } = this.exchangeOf.get(stream) as Exchange;
    if (resetAt >= 0 && transfer.received > resetAt) this.connection.reset(stream, CANCEL);
  }
}

/** RFC 9113 §8.2.3. */
function withOneCookie(headers: readonly string[]): string[] {
  const joined: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const [name, value] = [headers[i] as string, headers[i + 1] as string];
    const cookieAt = name === "cookie" ? joined.indexOf("cookie") : -1;
    if (cookieAt === -1) joined.push(name, value);
    else joined[cookieAt + 1] += `; ${value}`;
  }
  return joined;
}

/** The bytes between two ends, as sockets hold them: what is taken is cut anew. */
class Wire {
  #held = Buffer.alloc(0);
  readonly #from: Http2Connection;
  readonly #to: Http2Connection;

  constructor(from: Http2Connection, to: Http2Connection) {
    this.#from = from;
    this.#to = to;
  }

  /** False: there was nothing to carry. */
  carry(bytes: number, nowMs: number): boolean {
    const piece = this.#held.length < 100_000 ? this.#from.takeOutput() : null;
    if (piece !== null) {
      this.#held = Buffer.concat([this.#held, piece]);
      this.#from.releaseOutput(piece);
    }
    const moved = this.#held.subarray(0, bytes);
    this.#to.feed(moved, 0, moved.length, nowMs);
    this.#held = this.#held.subarray(moved.length);
    return piece !== null || moved.length > 0;
  }
}

test("bodies, trailers and heads arrive whole, however the bytes of both directions interleave", () => {
  const pieces = fc.array(fc.tuple(fc.boolean(), fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 70_000 }))), {
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(
    fc.property(fc.array(exchange, { minLength: 1, maxLength: 12 }), limits, limits, pieces, (exchanges, ofClient, ofServer, steps) => {
      const client = new Client(exchanges, ofClient);
      const server = new Server(exchanges, ofServer);
      const there = new Wire(client.connection, server.connection);
      const back = new Wire(server.connection, client.connection);
      let isQuiet = false;
      for (let turn = 0; !isQuiet; turn++) {
        client.open();
        const [isThere, bytes] = steps[turn % steps.length] as [boolean, number];
        (isThere ? there : back).carry(bytes, turn);
        // Nothing moves at all for a whole round: it is over, or stuck.
        if (turn % 50 === 49) isQuiet = !there.carry(30_000, turn) && !back.carry(30_000, turn) && !client.connection.canRequest;
        if (turn % 50 === 49 && client.waiting.length === 0 && client.connection.openStreams + server.connection.openStreams === 0)
          isQuiet = true;
        assert.ok(turn < 2_000_000, "stuck");
      }
      assert.equal(client.connection.refusal, null);
      assert.equal(server.connection.refusal, null);
      assert.deepEqual(
        server.resets.filter((reset) => reset !== `null ${CANCEL}`),
        [],
      );
      assert.deepEqual(client.resets, []);
      assert.equal(client.waiting.length, 0);
      assert.equal(client.connection.openStreams, 0);
      assert.equal(server.connection.openStreams, 0);
      const wasReset = new Set([...client.exchangeOf].filter(([, { resetAt }]) => resetAt >= 0).map(([stream]) => stream.id));
      for (const [stream, transfer] of [...client.in, ...server.in]) {
        assert.ok(transfer.isOk);
        if (wasReset.has(stream.id)) continue;
        assert.equal(transfer.isEnded, true);
        assert.equal(transfer.received, transfer.message.bytes);
        assert.deepEqual(transfer.trailers, transfer.message.trailers);
      }
    }),
    { seed, numRuns },
  );
});
