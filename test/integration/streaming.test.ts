/**
 * Large bodies both ways at once, past a reader that is slow and a service that is slow: every byte arrives, framed as
 * it came, and the worker's memory does not grow with the size. STREAMING_MIB sets the size of each body (default 256).
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { after, before, describe, it, type TestContext } from "node:test";
import { type CertificateFiles, developmentCertificates, EDGE_TLS } from "../support/certificates.js";
import { type Gateway, startGateway } from "../support/gateway.js";
import { workerPid } from "../support/processes.js";
import { startStreamingUpstream, type Upstream } from "../support/upstream.js";
import { peakMiB, untilIdle } from "./attack-support.js";
import { exchange, hashed, hashOf, MIB, pieces, readHash, resetPeak, slowly } from "./streaming-support.js";

const SIZE_BYTES = Number(process.env.STREAMING_MIB ?? 256) * MIB;
/** An echo moves every byte four times through these two processes. */
const ECHO_BYTES = process.env.STREAMING_MIB === undefined ? 64 * MIB : SIZE_BYTES;
/** Buffers of kernel-sized reads, code and garbage that is not collected yet; a body that is kept would be seen. */
const MAX_GROWTH_MIB = 150;
/** For so long that everything before it fills up. */
const STOPS = { everyBytes: 16 * MIB, ms: 60 };

describe("large bodies", { skip: process.platform === "linux" ? false : "reads /proc" }, () => {
  let files: CertificateFiles;
  let upstream: Upstream;
  let gateway: Gateway;
  let worker: number;
  /** How the service was sent the last upload to a path. */
  const framing = new Map<string, string>();

  before(async () => {
    files = await developmentCertificates();
    upstream = await startStreamingUpstream((request, response) => void serve(request, response).catch(() => request.destroy()));
    const common = 'direction: ingress, bind: "127.0.0.1:0", limits: { maxBodyBytes: 0 }, timeouts: { request: 0s }';
    gateway = await startGateway(
      `
listeners:
  - { name: http, protocol: http, ${common} }
  - { name: https, protocol: https, tls: ${EDGE_TLS}, ${common} }
routes: [{ name: all, backends: [{ service: app }], timeouts: { request: 0s } }]
services: [{ name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }]
admin: { bind: "127.0.0.1:0" }
workers: 1
`,
      { files },
    );
    worker = workerPid(gateway);
    for (const listener of ["http", "https"]) await upload(listener, "/warm", MIB, pieces(1, MIB));
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = "", isChunked] = (request.url ?? "").split("?");
    framing.set(path, request.headers["transfer-encoding"] ?? `${request.headers["content-length"]}`);
    if (path === "/down") {
      if (isChunked !== "chunked") response.setHeader("content-length", SIZE_BYTES);
      return await pipeline(Readable.from(pieces(5, SIZE_BYTES)), response);
    }
    if (path === "/echo") {
      const length = request.headers["content-length"];
      if (length !== undefined) response.setHeader("content-length", length);
      return await pipeline(request, response);
    }
    response.end((await readHash(request, STOPS)).hash);
  }

  /** The answer is the hash of what the service read. */
  async function upload(listener: string, path: string, bytes: number, body: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<string> {
    const { response, sent } = await exchange(gateway, {
      listener,
      path,
      bytes,
      body,
      ...(listener === "https" ? { ca: files["ca.pem"] } : {}),
    });
    await sent;
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk;
    assert.equal(response.statusCode, 200, text);
    return text;
  }

  async function download(path: string): Promise<{ hash: string; response: IncomingMessage }> {
    const { response } = await exchange(gateway, { listener: "http", path, bytes: 0, body: [] });
    assert.equal(response.statusCode, 200);
    return { hash: (await readHash(response, STOPS)).hash, response };
  }

  function reportMemory(t: TestContext, beforeMiB: number): void {
    const peak = peakMiB(worker);
    t.diagnostic(`worker: ${Math.round(beforeMiB)} MiB before, at most ${Math.round(peak)} MiB`);
    assert.ok(peak - beforeMiB < MAX_GROWTH_MIB, `the worker grew by ${Math.round(peak - beforeMiB)} MiB`);
  }

  for (const isChunked of [false, true]) {
    const kind = isChunked ? "chunked" : "of known length";

    it(`(${kind}) pass up and down at once, whole and without being kept`, { timeout: 600_000 }, async (t) => {
      const beforeMiB = resetPeak(worker);
      const bytes = isChunked ? -1 : SIZE_BYTES;
      // No faster than about 300 MB/s: a client on the same machine can outrun the addon's brake, one across a network cannot.
      const paced = slowly(pieces(3, SIZE_BYTES), 1);
      const [down, up] = await Promise.all([download(isChunked ? "/down?chunked" : "/down"), upload("http", "/up", bytes, paced)]);
      assert.equal(down.hash, hashOf(pieces(5, SIZE_BYTES)));
      assert.equal(up, hashOf(pieces(3, SIZE_BYTES)));
      assert.equal(framing.get("/up"), isChunked ? "chunked" : String(SIZE_BYTES));
      assertFraming(down.response, bytes);
      await untilIdle(gateway);
      reportMemory(t, beforeMiB);
    });

    for (const listener of ["http", "https"]) {
      it(`(${kind}) pass up and down within one exchange over ${listener}`, { timeout: 600_000 }, async (t) => {
        const beforeMiB = resetPeak(worker);
        const bytes = isChunked ? -1 : ECHO_BYTES;
        const sentHash = createHash("sha256");
        const body = hashed(pieces(7, ECHO_BYTES), sentHash);
        const ca = listener === "https" ? { ca: files["ca.pem"] } : {};
        const { response, sent } = await exchange(gateway, { listener, path: "/echo", bytes, body, ...ca });
        const received = await readHash(response, STOPS);
        await sent;
        assert.deepEqual(received, { hash: sentHash.digest("hex"), bytes: ECHO_BYTES });
        assert.equal(framing.get("/echo"), isChunked ? "chunked" : String(ECHO_BYTES));
        assertFraming(response, bytes);
        await untilIdle(gateway);
        reportMemory(t, beforeMiB);
      });
    }
  }

  function assertFraming({ headers }: IncomingMessage, bytes: number): void {
    assert.equal(headers["content-length"], bytes < 0 ? undefined : String(bytes));
    assert.equal(headers["transfer-encoding"], bytes < 0 ? "chunked" : undefined);
  }
});
