/**
 * Generated exchanges between our codec and node:http2 (nghttp2), in both directions over a real socket: what one side sends,
 * the other must have understood, field by field and byte by byte. FUZZ_RUNS sets how many per direction.
 */
import assert from "node:assert/strict";
import http2 from "node:http2";
import type net from "node:net";
import { after, describe, it } from "node:test";
import { INTERNAL_ERROR } from "../../src/wire/http2/error-codes.js";
import type { Http2RequestHead, Http2ResponseHead } from "../../src/wire/http2/events.js";
import { type CodecServer, type CodecSocket, connectCodecClient, type IncomingMessage, startCodecServer } from "../support/http2-codec.js";

const EXCHANGES = Number(process.env.FUZZ_RUNS ?? 2000);
const PARALLEL = 16;

interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly requestFields: readonly string[];
  readonly requestBody: Buffer;
  readonly hasLength: boolean;
  readonly requestTrailers: readonly string[];
  readonly status: number;
  readonly interim: readonly number[];
  readonly responseFields: readonly string[];
  readonly responseBody: Buffer;
  readonly responseTrailers: readonly string[];
  /** The server resets after the head instead of finishing. */
  readonly resetCode: number | null;
}

/** mulberry32: the same exchanges in every run. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const NAMES = [
  "accept",
  "user-agent",
  "x-request-id",
  "x-a",
  "x-b",
  "x-long-name-that-is-not-in-any-table",
  "authorization",
  "etag",
  "grpc-timeout",
];
const VALUE_CHARS = "abcdefghijklmnopqrstuvwxyzABCDEF0123456789 !\"#$%&'()*+,-./:;<=>?@[]^_`{|}~";

function createExchange(index: number, random: (below: number) => number): Exchange {
  const value = () =>
    `v${Array.from({ length: random(random(8) === 0 ? 400 : 30) }, () => VALUE_CHARS[random(VALUE_CHARS.length)]).join("")}v`;
  const fields = () => NAMES.filter(() => random(3) === 0).flatMap((name) => [name, random(2) === 0 ? `same-${name}` : value()]);
  const body = () => Buffer.alloc(random(3) === 0 ? 0 : random(random(10) === 0 ? 300_000 : 3000), String(index));
  const method = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"][random(7)] as string;
  const hasBody = method !== "GET" && method !== "HEAD" && method !== "DELETE" && method !== "OPTIONS";
  const status = [200, 200, 200, 201, 204, 304, 404, 500][random(8)] as number;
  const isBodiless = method === "HEAD" || status === 204 || status === 304;
  const requestBody = hasBody ? body() : Buffer.alloc(0);
  const trailers = () => (random(4) === 0 ? ["x-checksum", value(), "grpc-status", "0"] : []);
  return {
    method,
    path: `/${index}?q=${random(1000)}`,
    requestFields: [...fields(), ...(random(4) === 0 ? ["cookie", "a=b; c=d; e=f"] : [])],
    requestBody,
    hasLength: random(2) === 0,
    requestTrailers: requestBody.length > 0 ? trailers() : [],
    status,
    interim: random(5) === 0 ? [103] : [],
    responseFields: [...fields(), ...(random(4) === 0 ? ["set-cookie", "a=b", "set-cookie", "c=d"] : [])],
    responseBody: isBodiless ? Buffer.alloc(0) : body(),
    responseTrailers: isBodiless ? [] : trailers(),
    resetCode: !isBodiless && random(12) === 0 ? ([2, 7, 8, 11][random(4)] as number) : null,
  };
}

function createExchanges(seed: number): Exchange[] {
  const random = createRandom(seed);
  return Array.from({ length: EXCHANGES }, (_, index) => createExchange(index, random));
}

const exchangeOf = (exchanges: readonly Exchange[], path: string) => exchanges[Number(/^\/(\d+)/.exec(path)?.[1])] as Exchange;

/** Name and value, without pseudo-fields and what each side adds by itself. */
function plainFields(rawHeaders: readonly string[]): string[] {
  const plain: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (!name.startsWith(":") && name !== "content-length" && name !== "date") plain.push(name, rawHeaders[i + 1] as string);
  }
  return plain;
}

/** node:http2 takes objects; repeated names as arrays. */
function toObject(fields: readonly string[]): http2.OutgoingHttpHeaders {
  const object: Record<string, string | string[]> = {};
  for (let i = 0; i < fields.length; i += 2) {
    const [name, value] = [fields[i] as string, fields[i + 1] as string];
    const earlier = object[name];
    object[name] = earlier === undefined ? value : [...(Array.isArray(earlier) ? earlier : [earlier]), value];
  }
  return object;
}

/** In node:http2, arrays become neighbours; the generated repeats are neighbours already. */
async function inParallel(exchanges: readonly Exchange[], run: (exchange: Exchange) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < exchanges.length) await run(exchanges[next++] as Exchange);
  };
  await Promise.all(Array.from({ length: PARALLEL }, lane));
}

describe("node:http2 as client, our codec as server", () => {
  const exchanges = createExchanges(4711);
  const problems: string[] = [];
  let server: CodecServer;
  let client: http2.ClientHttp2Session;

  after(async () => {
    client.destroy();
    await server.close();
  });

  it(`understand each other in ${EXCHANGES} exchanges`, async () => {
    server = await startCodecServer((socket, stream, incoming) => {
      const head = incoming.head as Http2RequestHead;
      const exchange = exchangeOf(exchanges, head.path);
      check(problems, exchange, "request head", [head.method, head.path, head.scheme], [exchange.method, exchange.path, "http"]);
      check(problems, exchange, "request fields", head.headers, exchange.requestFields);
      check(problems, exchange, "request trailers", incoming.trailers, exchange.requestTrailers);
      if (!Buffer.concat(incoming.chunks).equals(exchange.requestBody)) problems.push(`${exchange.path}: request body`);
      answer(socket, stream, exchange);
    });
    client = http2.connect(`http://127.0.0.1:${server.port}`);
    await inParallel(exchanges, (exchange) => requestWithNode(client, exchange, problems));
    assert.deepEqual(problems.slice(0, 5), []);
    assert.equal(server.sockets.length, 1);
    assert.equal(server.sockets[0]?.connection.refusal, null);
    assert.equal(server.sockets[0]?.connection.openStreams, 0);
  });
});

function answer(socket: CodecSocket, stream: Parameters<CodecSocket["respond"]>[0], exchange: Exchange): void {
  for (const status of exchange.interim) socket.connection.sendInterim(stream, status, ["link", "</x>"]);
  const head: Http2ResponseHead = {
    status: exchange.status,
    headers: exchange.responseFields,
    bodyLength: exchange.hasLength ? exchange.responseBody.length : -1,
  };
  if (exchange.resetCode === null)
    return socket.respond(stream, head, { body: exchange.responseBody, trailers: exchange.responseTrailers });
  socket.connection.sendResponse(stream, { ...head, bodyLength: -1 }, false);
  socket.connection.reset(stream, exchange.resetCode);
  socket.flush();
}

function requestWithNode(client: http2.ClientHttp2Session, exchange: Exchange, problems: string[]): Promise<void> {
  const { hasLength, method, path, requestBody, requestTrailers } = exchange;
  const length = hasLength && requestBody.length > 0 ? { "content-length": requestBody.length } : {};
  const pseudo = { ":method": method, ":path": path, ":authority": "a.example", ":scheme": "http" };
  const isEnd = requestBody.length === 0 && requestTrailers.length === 0;
  return new Promise((resolve) => {
    const request = client.request(
      { ...pseudo, ...toObject(exchange.requestFields), ...length },
      { endStream: isEnd, waitForTrailers: requestTrailers.length > 0 },
    );
    const chunks: Buffer[] = [];
    const interim: number[] = [];
    let trailers: string[] = [];
    request.on("wantTrailers", () => request.sendTrailers(toObject(requestTrailers)));
    request.on("headers", (headers) => interim.push(Number(headers[":status"])));
    request.on("response", (headers, _flags, rawHeaders?: string[]) => {
      check(problems, exchange, "status", [headers[":status"]], [exchange.status]);
      check(problems, exchange, "response fields", plainFields(rawHeaders ?? []), exchange.responseFields);
    });
    request.on("trailers", (_headers, _flags, rawTrailers?: string[]) => {
      trailers = rawTrailers ?? [];
    });
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("error", () => {});
    request.on("close", () => {
      check(problems, exchange, "interim", interim, exchange.interim);
      check(problems, exchange, "reset", [request.rstCode], [exchange.resetCode ?? 0]);
      if (exchange.resetCode === null) {
        check(problems, exchange, "response trailers", trailers, exchange.responseTrailers);
        if (!Buffer.concat(chunks).equals(exchange.responseBody)) problems.push(`${path}: response body`);
      }
      resolve();
    });
    if (!isEnd) request.end(requestBody);
  });
}

describe("our codec as client, node:http2 as server", () => {
  const exchanges = createExchanges(815);
  const problems: string[] = [];
  const server = http2.createServer();
  let client: CodecSocket;

  after(async () => {
    client.socket.destroy();
    await new Promise((done) => server.close(done));
  });

  it(`understand each other in ${EXCHANGES} exchanges`, async () => {
    server.on("stream", (stream, headers, _flags, rawHeaders?: string[]) =>
      serveWithNode({ stream, headers, rawHeaders: rawHeaders ?? [] }, exchanges, problems),
    );
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    client = await connectCodecClient((server.address() as net.AddressInfo).port);
    await inParallel(exchanges, (exchange) => requestWithCodec(client, exchange, problems));
    assert.deepEqual(problems.slice(0, 5), []);
    assert.equal(client.connection.refusal, null);
    assert.equal(client.connection.openStreams, 0);
  });
});

async function requestWithCodec(client: CodecSocket, exchange: Exchange, problems: string[]): Promise<void> {
  const outgoing = { body: exchange.requestBody, trailers: exchange.requestTrailers };
  const head: Http2RequestHead = {
    ...{ method: exchange.method, scheme: "http", authority: "a.example", path: exchange.path, protocol: "" },
    headers: exchange.requestFields,
    bodyLength: exchange.hasLength ? exchange.requestBody.length : -1,
    acceptsTrailers: false,
  };
  const incoming = await (client.request(head, outgoing) as Promise<IncomingMessage>);
  check(problems, exchange, "reset", [incoming.resetCode], [exchange.resetCode === null ? null : INTERNAL_ERROR]);
  const response = incoming.head as Http2ResponseHead | null;
  // node:http2 may drop a head that it has not sent when its stream is closed.
  if (response === null && exchange.resetCode !== null) return;
  if (response === null) throw new Error(`no answer to ${exchange.path}`);
  check(problems, exchange, "status", [response.status], [exchange.status]);
  check(problems, exchange, "interim", incoming.interim, exchange.interim);
  check(problems, exchange, "response fields", plainFields(response.headers), exchange.responseFields);
  if (exchange.resetCode !== null) return;
  check(problems, exchange, "response trailers", incoming.trailers, exchange.responseTrailers);
  if (!Buffer.concat(incoming.chunks).equals(exchange.responseBody)) problems.push(`${exchange.path}: response body`);
}

interface NodeRequest {
  readonly stream: http2.ServerHttp2Stream;
  readonly headers: http2.IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
}

function serveWithNode({ headers, rawHeaders, stream }: NodeRequest, exchanges: readonly Exchange[], problems: string[]): void {
  const exchange = exchangeOf(exchanges, String(headers[":path"]));
  const chunks: Buffer[] = [];
  let trailers: string[] = [];
  stream.on("trailers", (_trailers, _flags, rawTrailers?: string[]) => {
    trailers = rawTrailers ?? [];
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => {});
  stream.on("end", () => {
    check(problems, exchange, "method", [headers[":method"], headers[":authority"]], [exchange.method, "a.example"]);
    check(problems, exchange, "request fields", plainFields(rawHeaders), exchange.requestFields);
    check(problems, exchange, "request trailers", trailers, exchange.requestTrailers);
    if (!Buffer.concat(chunks).equals(exchange.requestBody)) problems.push(`${exchange.path}: request body`);
    for (const status of exchange.interim) stream.additionalHeaders({ ":status": status, link: "</x>" });
    const length = exchange.hasLength && exchange.responseBody.length > 0 ? { "content-length": exchange.responseBody.length } : {};
    const head = { ":status": exchange.status, ...toObject(exchange.responseFields), ...length };
    const hasTrailers = exchange.responseTrailers.length > 0;
    stream.on("wantTrailers", () => stream.sendTrailers(toObject(exchange.responseTrailers)));
    stream.respond(head, {
      waitForTrailers: hasTrailers,

      endStream: exchange.responseBody.length === 0 && !hasTrailers && exchange.resetCode === null,
    });
    // close(code) would end the stream before it resets it; an error resets with INTERNAL_ERROR.
    if (exchange.resetCode !== null) stream.destroy(new Error("cut off"));
    else stream.end(exchange.responseBody);
  });
}

function check(problems: string[], exchange: Exchange, what: string, actual: readonly unknown[], expected: readonly unknown[]): void {
  if (JSON.stringify(actual) === JSON.stringify(expected)) return;
  problems.push(`${exchange.method} ${exchange.path}: ${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
}
