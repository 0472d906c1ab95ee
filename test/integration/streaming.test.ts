/**
 * Large bodies both ways at once, past a reader that is slow and a service that is slow: every byte arrives, and the
 * worker's memory does not grow with the size. STREAMING_MIB sets the size of each body (default 256).
 */
import assert from "node:assert/strict";
import { createHash, type Hash } from "node:crypto";
import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { Readable, Transform, type TransformCallback } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, it } from "node:test";
import { type Gateway, startGateway } from "../support/gateway.js";
import { startStreamingUpstream } from "../support/upstream.js";
import { peakMiB, untilIdle, workerPid } from "./attack-support.js";

const MIB = 1024 * 1024;
const SIZE_BYTES = Number(process.env.STREAMING_MIB ?? 256) * MIB;
const PIECE_BYTES = 256 * 1024;
/** Buffers of kernel-sized reads, code and garbage that is not collected yet; a body that is kept would be seen. */
const MAX_GROWTH_MIB = Math.min(150, (SIZE_BYTES / MIB) * 0.6);

/** Bytes that repeat nowhere near: pieces that were lost, doubled or swapped change the hash. */
function* pieces(seed: number, bytes: number): Generator<Buffer> {
  const piece = Buffer.alloc(PIECE_BYTES);
  for (let i = 0; i < piece.length; i++) piece[i] = (i * 31 + (i >> 8) * seed) & 0xff;
  for (let at = 0; at < bytes; at += piece.length) {
    piece.writeUInt32LE(at / piece.length, 8);
    yield Buffer.from(piece.subarray(0, Math.min(piece.length, bytes - at)));
  }
}

function hashOf(seed: number): string {
  const hash = createHash("sha256");
  for (const piece of pieces(seed, SIZE_BYTES)) hash.update(piece);
  return hash.digest("hex");
}

/** Stops now and then, for so long that everything before it fills up. */
class SlowHash extends Transform {
  readonly hash: Hash = createHash("sha256");
  bytes = 0;
  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.hash.update(chunk);
    const isStop = Math.floor(this.bytes / (16 * MIB)) !== Math.floor((this.bytes + chunk.length) / (16 * MIB));
    this.bytes += chunk.length;
    if (isStop) setTimeout(done, 60);
    else done();
  }
}

async function hashSlowly(source: Readable): Promise<string> {
  const slow = new SlowHash();
  slow.resume();
  await pipeline(source, slow);
  return slow.hash.digest("hex");
}

/** No faster than about 300 MB/s: a client on the same machine can outrun the addon's brake, one across a network cannot. */
async function* paced(seed: number): AsyncGenerator<Buffer> {
  for (const piece of pieces(seed, SIZE_BYTES)) {
    yield piece;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

describe("large bodies", { skip: process.platform === "linux" ? false : "reads /proc" }, () => {
  for (const isChunked of [false, true]) {
    it(`(${isChunked ? "chunked" : "of known length"}) pass both ways at once, whole and without being kept`, {
      timeout: 600_000,
    }, async () => {
      const expected = { up: hashOf(3), down: hashOf(5) };
      const upstream = await startStreamingUpstream(
        (request, response) => void serve(request, response, isChunked).catch(() => request.destroy()),
      );
      const gateway = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http, limits: { maxBodyBytes: 0 }, timeouts: { request: 0s } }]
routes: [{ name: all, backends: [{ service: app }], timeouts: { request: 0s } }]
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
      try {
        const worker = workerPid(gateway);
        await Promise.all([send(gateway, "/warm", false, Readable.from([Buffer.from("x")]), 1)]);
        const before = peakMiB(worker);
        const [down, up] = await Promise.all([download(gateway), upload(gateway, isChunked)]);
        assert.equal(down, expected.down);
        assert.equal(up, expected.up);
        const growth = peakMiB(worker) - before;
        assert.ok(growth < MAX_GROWTH_MIB, `the worker grew by ${Math.round(growth)} MiB`);
        await untilIdle(gateway);
      } finally {
        await gateway.stop();
        await upstream.close();
      }
    });
  }
});

async function serve(request: IncomingMessage, response: ServerResponse, isChunked: boolean): Promise<void> {
  if (request.url === "/down") {
    if (!isChunked) response.setHeader("content-length", SIZE_BYTES);
    return await pipeline(Readable.from(pieces(5, SIZE_BYTES)), response);
  }
  response.end(await hashSlowly(request));
}

async function download(gateway: Gateway): Promise<string> {
  const request = httpRequest({ port: gateway.port("public"), path: "/down", agent: false }).end();
  const response = await new Promise<IncomingMessage>((resolve, reject) => request.on("response", resolve).on("error", reject));
  assert.equal(response.statusCode, 200);
  return await hashSlowly(response);
}

function upload(gateway: Gateway, isChunked: boolean): Promise<string> {
  return send(gateway, "/up", isChunked, Readable.from(paced(3)), SIZE_BYTES);
}

async function send(gateway: Gateway, path: string, isChunked: boolean, body: Readable, bytes: number): Promise<string> {
  const headers = isChunked ? { "transfer-encoding": "chunked" } : { "content-length": bytes };
  const request = httpRequest({ port: gateway.port("public"), path, method: "PUT", headers, agent: false });
  const answered = new Promise<IncomingMessage>((resolve, reject) => request.on("response", resolve).on("error", reject));
  const [response] = await Promise.all([answered, pipeline(body, request)]);
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk;
  assert.equal(response.statusCode, 200, text);
  return text;
}
