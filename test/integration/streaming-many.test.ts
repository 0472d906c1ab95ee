/**
 * A thousand exchanges at once, down, up and both ways, some of them with slow clients: every byte is checked by hash,
 * and the worker's memory stays far below what is under way. STREAMING_MANY_KIB sets the size of each body (default 256).
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { after, before, describe, it, type TestContext } from "node:test";
import { type Gateway, startGateway } from "../support/gateway.js";
import { workerPid } from "../support/processes.js";
import { tcpMemoryAborts } from "../support/tcp-memory.js";
import { startStreamingUpstream, type Upstream } from "../support/upstream.js";
import { metric, peakMiB, untilIdle } from "./attack-support.js";
import { exchange, hashed, hashOf, pieces, readHash, resetPeak, slowly } from "./streaming-support.js";

const COUNT = 1_000;
const BODY_BYTES = Number(process.env.STREAMING_MANY_KIB ?? 256) * 1024;
const PIECE_BYTES = 32 * 1024;
/** All bodies together are 250 MiB and more; sockets, codecs and pumps of a thousand exchanges are allowed. */
const MAX_GROWTH_MIB = 130;
/** Every tenth client is slow; so slow that it is among the last. */
const isSlow = (index: number): boolean => index % 10 === 0;
const STOPS = { everyBytes: BODY_BYTES / 8, ms: 60 };

const body = (index: number): Generator<Buffer> => pieces(index + 1, BODY_BYTES, PIECE_BYTES);

describe("a thousand exchanges at once", { skip: process.platform === "linux" ? false : "reads /proc" }, () => {
  let upstream: Upstream;
  let gateway: Gateway;
  let worker: number;
  /** The service answers nobody, and reads from nobody, until all have come. */
  let waiting: (() => void)[] = [];

  before(async () => {
    upstream = await startStreamingUpstream((request, response) => void serve(request, response).catch(() => request.destroy()));
    gateway = await startGateway(`
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]
routes: [{ name: all, backends: [{ service: app }], timeouts: { request: 0s } }]
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`);
    worker = workerPid(gateway);
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  function everyone(): Promise<void> {
    return new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length < COUNT) return;
      for (const go of waiting) go();
      waiting = [];
    });
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, kind, id] = (request.url ?? "").split("/");
    await everyone();
    if (Number(id) % 2 === 0) response.setHeader("content-length", kind === "up" ? 64 : BODY_BYTES);
    if (kind === "down") return await pipeline(Readable.from(body(Number(id))), response);
    if (kind === "echo") return await pipeline(request, response);
    response.end((await readHash(request, isSlow(Number(id) + 5) ? STOPS : null)).hash);
  }

  async function all(t: TestContext, client: (index: number) => Promise<void>): Promise<void> {
    const abortsBefore = tcpMemoryAborts();
    const beforeMiB = resetPeak(worker);
    try {
      await Promise.all(Array.from({ length: COUNT }, (_, index) => client(index)));
    } finally {
      const aborts = tcpMemoryAborts() - abortsBefore;
      if (aborts > 0) t.diagnostic(`the kernel was out of TCP memory and reset ${aborts} connections of this machine`);
    }
    const peak = peakMiB(worker);
    t.diagnostic(`worker: ${Math.round(beforeMiB)} MiB before, at most ${Math.round(peak)} MiB`);
    assert.ok(peak - beforeMiB < MAX_GROWTH_MIB, `the worker grew by ${Math.round(peak - beforeMiB)} MiB`);
    await untilIdle(gateway);
  }

  /** Half of the bodies are chunked. */
  const lengthOf = (index: number): number => (index % 2 === 0 ? BODY_BYTES : -1);
  const stopsOf = (index: number) => (isSlow(index) ? STOPS : null);

  it("download", { timeout: 120_000 }, async (t) => {
    await all(t, async (index) => {
      const { response } = await exchange(gateway, { listener: "public", path: `/down/${index}`, bytes: 0, body: [] });
      assert.deepEqual(await readHash(response, stopsOf(index)), { hash: hashOf(body(index)), bytes: BODY_BYTES });
    });
  });

  it("upload", { timeout: 120_000 }, async (t) => {
    await all(t, async (index) => {
      const hash = createHash("sha256");
      const upload = isSlow(index) ? slowly(hashed(body(index), hash), 30) : hashed(body(index), hash);
      const { response } = await exchange(gateway, { listener: "public", path: `/up/${index}`, bytes: lengthOf(index), body: upload });
      let text = "";
      for await (const chunk of response.setEncoding("utf8")) text += chunk;
      assert.equal(text, hash.digest("hex"));
    });
  });

  it("upload and download within one exchange", { timeout: 120_000 }, async (t) => {
    await all(t, async (index) => {
      const hash = createHash("sha256");
      const upload = isSlow(index + 5) ? slowly(hashed(body(index), hash), 30) : hashed(body(index), hash);
      const { response } = await exchange(gateway, { listener: "public", path: `/echo/${index}`, bytes: lengthOf(index), body: upload });
      assert.deepEqual(await readHash(response, stopsOf(index)), { hash: hash.digest("hex"), bytes: BODY_BYTES });
    });
  });

  it("leave no connection of theirs behind", async () => {
    assert.equal(await metric(gateway, "windrose_requests_total"), 3 * COUNT);
    assert.doesNotMatch(gateway.stderr(), /ended unexpectedly|bug/);
  });
});
