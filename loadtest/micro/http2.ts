/**
 * Prints what an exchange costs the HTTP/2 codec in the role of a server, without sockets: HEADERS in; HEADERS and DATA out; 32
 * streams at a time, as h2load sends them. Next to it, the same with a body in the request, and bodies of 1 MiB out. Run:
 * `node dist/loadtest/micro/http2.js`. Rounds of the scenarios alternate and the median counts.
 */
import { Http2Connection } from "../../src/wire/http2/connection.js";
import type { Http2Events, Http2RequestHead } from "../../src/wire/http2/events.js";
import { DEFAULT_HTTP2_LIMITS } from "../../src/wire/http2/limits.js";
import type { Http2Stream } from "../../src/wire/http2/stream.js";

const ROUNDS = 15;
const STREAMS = 32;
const BATCHES_PER_ROUND = 300;

interface Scenario {
  readonly name: string;
  readonly request: Http2RequestHead;
  readonly requestBody: Uint8Array;
  readonly response: Uint8Array;
  readonly batches: number;
}

const GET: Http2RequestHead = {
  method: "GET",
  scheme: "https",
  authority: "api.example.com",
  path: "/orders/1234",
  protocol: "",
  headers: ["accept", "*/*", "user-agent", "bench/1.0", "x-request-id", "8c4f2d0e"],
  bodyLength: 0,
  acceptsTrailers: false,
};
const RESPONSE_HEADERS = ["content-type", "application/json", "date", "Sat, 21 Nov 2026 12:00:00 GMT", "server", "bench"];

const SCENARIOS: readonly Scenario[] = [
  { name: "GET, 100 bytes back", request: GET, requestBody: new Uint8Array(0), response: new Uint8Array(100), batches: BATCHES_PER_ROUND },
  {
    name: "POST of 200 bytes, 100 bytes back",
    request: { ...GET, method: "POST", bodyLength: 200 },
    requestBody: new Uint8Array(200),
    response: new Uint8Array(100),
    batches: BATCHES_PER_ROUND,
  },
  { name: "GET, 1 MiB back", request: GET, requestBody: new Uint8Array(0), response: new Uint8Array(1_048_576), batches: 3 },
];

/** Either end; what an event does not need costs nothing. */
class End implements Http2Events {
  readonly connection: Http2Connection;
  readonly #response: Uint8Array;
  doneCount = 0;

  constructor(role: "server" | "client", response: Uint8Array) {
    const limits = { ...DEFAULT_HTTP2_LIMITS, streamWindowBytes: 16_777_216, connectionWindowBytes: 134_217_728 };
    this.connection = new Http2Connection(role, limits, this);
    this.#response = response;
  }

  onRequest(stream: Http2Stream, _head: Http2RequestHead, isEnd: boolean): void {
    if (isEnd) this.#answer(stream);
  }

  onData(stream: Http2Stream, data: Uint8Array, isEnd: boolean): void {
    this.connection.consume(stream, data.length);
    if (isEnd && !stream.isHeadSent) this.#answer(stream);
    else if (isEnd) this.doneCount++;
  }

  onWritable(stream: Http2Stream): void {
    const response = this.#response;
    this.connection.sendData(stream, stream.sentBytes === 0 ? response : response.subarray(stream.sentBytes), true);
  }

  #answer(stream: Http2Stream): void {
    this.connection.sendResponse(stream, { status: 200, headers: RESPONSE_HEADERS, bodyLength: this.#response.length }, false);
    this.onWritable(stream);
  }

  onResponse(): void {}
  onInterim(): void {}
  onTrailers(): void {}
  onReset(): void {}
  onOversizedRequest(): void {}
  onRefusedRequest(): void {}
  onSettings(): void {}
  onPingAck(): void {}
  onGoAway(): void {}
}

/** Moves what `from` has to say; returns the nanoseconds that `watched` spent on it. */
function carry(from: End, to: End, watched: End): bigint {
  let spent = 0n;
  for (;;) {
    const before = process.hrtime.bigint();
    const piece = from.connection.takeOutput();
    const taken = process.hrtime.bigint();
    if (from === watched) spent += taken - before;
    if (piece === null) return spent;
    const feedFrom = process.hrtime.bigint();
    to.connection.feed(piece, 0, piece.length, 0);
    if (to === watched) spent += process.hrtime.bigint() - feedFrom;
    from.connection.releaseOutput(piece);
  }
}

/** Microseconds that the server spends per exchange. */
function measure(scenario: Scenario): number {
  const client = new End("client", new Uint8Array(0));
  const server = new End("server", scenario.response);
  carry(client, server, server);
  carry(server, client, server);
  let spent = 0n;
  for (let batch = 0; batch < scenario.batches; batch++) {
    for (let i = 0; i < STREAMS; i++) {
      const stream = client.connection.sendRequest(scenario.request, scenario.requestBody.length === 0);
      if (stream === null) throw new Error("no stream to be had");
      if (scenario.requestBody.length > 0) client.connection.sendData(stream, scenario.requestBody, true);
    }
    while (client.doneCount < (batch + 1) * STREAMS) {
      spent += carry(client, server, server);
      spent += carry(server, client, server);
    }
  }
  return Number(spent) / 1000 / (scenario.batches * STREAMS);
}

const results = SCENARIOS.map((): number[] => []);
for (let round = 0; round < ROUNDS; round++) {
  SCENARIOS.forEach((scenario, index) => {
    results[index]?.push(measure(scenario));
  });
}
SCENARIOS.forEach(({ name }, index) => {
  const sorted = (results[index] as number[]).sort((a, b) => a - b);
  console.log(
    `${name}: ${(sorted[Math.floor(ROUNDS / 2)] as number).toFixed(2)} µs of the server per exchange (fastest round ${sorted[0]?.toFixed(2)})`,
  );
});
