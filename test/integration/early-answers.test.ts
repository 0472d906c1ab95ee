/**
 * Services that answer before they have read the request, and then read on, stop reading, close or reset. The client,
 * which is uploading, gets the whole answer; where the service destroys part of its own answer, a broken one.
 */
import assert from "node:assert/strict";
import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { developmentCertificates } from "../support/certificates.js";
import { logLines } from "../support/client.js";
import { eventually, type Gateway, startGateway } from "../support/gateway.js";
import { startStreamingUpstream, type Upstream } from "../support/upstream.js";
import { inParallel, metric, untilIdle } from "./attack-support.js";

const UPLOAD_BYTES = 6 * 1024 * 1024;
const SMALL = "that is enough";
const LARGE = "x".repeat(1024 * 1024);

/** What the service does once its answer is on its way. */
const WAYS: Readonly<Record<string, (request: IncomingMessage, socket: Socket) => void>> = {
  "reads on": (request) => void request.resume(),
  "stops reading": () => {},
  closes: (_request, socket) => socket.destroy(),
  resets: (_request, socket) => socket.resetAndDestroy(),
};
const STATUSES = [200, 307, 413];

describe("an answer that comes before the end of the upload", () => {
  let upstream: Upstream;
  let secure: ReturnType<typeof createTlsServer>;
  let gateway: Gateway;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const [, , way = "", status, size, framing] = decodeURIComponent(request.url ?? "").split("/");
    const body = size === "small" ? SMALL : LARGE;
    const { socket } = request;
    request.on("error", () => {});
    response.writeHead(Number(status), framing === "chunked" ? {} : { "content-length": body.length });
    response.write(body.slice(0, 5));
    response.end(body.slice(5), () => WAYS[way]?.(request, socket));
  }

  before(async () => {
    upstream = await startStreamingUpstream(answer);
    const files = await developmentCertificates();
    secure = createTlsServer({ cert: files["edge.pem"], key: files["edge-key.pem"] }, answer);
    await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
    gateway = await startGateway(
      `
listeners: [{ name: public, direction: ingress, bind: "127.0.0.1:0", protocol: http }]
routes:
  - { name: secure, match: [{ path: { type: PathPrefix, value: /secure } }], backends: [{ service: secure }] }
  - { name: plain, backends: [{ service: app }] }
services:
  - { name: app, endpoints: { static: [{ address: "${upstream.address}" }] } }
  - { name: secure, protocol: https, tls: { ca: ca.pem }, endpoints: { static: [{ address: "127.0.0.1:${(secure.address() as AddressInfo).port}" }] } }
admin: { bind: "127.0.0.1:0" }
workers: 1
`,
      { files },
    );
  });
  after(async () => {
    await gateway?.stop();
    await upstream?.close();
    secure?.closeAllConnections();
    secure?.close();
  });

  interface Outcome {
    readonly status: number;
    readonly bytes: number;
    readonly isBroken: boolean;
  }

  /** Uploads as fast as it can and reads at the same time; `isLast` says `Connection: close`. */
  function upload(path: string, isChunked: boolean, isLast: boolean): Promise<Outcome> {
    return new Promise((resolve) => {
      const headers = isChunked ? { "transfer-encoding": "chunked" } : { "content-length": UPLOAD_BYTES };
      const agent = new Agent({ keepAlive: !isLast });
      const request = httpRequest({ port: gateway.port("public"), method: "POST", path: encodeURI(path), agent, headers });
      const outcome = { status: 0, bytes: 0 };
      const end = (isBroken: boolean): void => {
        resolve({ ...outcome, isBroken });
        request.destroy();
        agent.destroy();
      };
      request.on("error", () => end(true));
      request.on("response", (response) => {
        outcome.status = response.statusCode ?? 0;
        response.on("data", (chunk: Buffer) => {
          outcome.bytes += chunk.length;
        });
        response.on("end", () => end(false)).on("error", () => end(true));
      });
      let leftBytes = UPLOAD_BYTES;
      const go = (): void => {
        for (; leftBytes > 0 && !request.destroyed; leftBytes -= 65_536) if (!request.write(Buffer.alloc(65_536))) break;
        if (leftBytes > 0) leftBytes -= 65_536;
        if (leftBytes <= 0) request.end();
      };
      request.on("drain", go);
      go();
    });
  }

  const paths = (service: string, way: string, size: string): string[] =>
    STATUSES.flatMap((status) => ["known", "chunked"].map((framing) => `/${service}/${way}/${status}/${size}/${framing}`));

  for (const service of ["plain", "secure"]) {
    // A TLS socket cannot reset; with bytes it has not read, closing does.
    for (const way of Object.keys(WAYS).filter((name) => name !== "resets" || service === "plain")) {
      it(`arrives whole from a ${service} service that ${way}, whatever the client does with its connection`, {
        timeout: 60_000,
      }, async () => {
        const calls = paths(service, way, "small").flatMap((path) => [0, 1, 2, 3].map((kind) => ({ path: `${path}/${kind}`, kind })));
        await inParallel(calls, 4, async ({ path, kind }) => {
          const outcome = await upload(path, kind % 2 === 1, kind >= 2);
          assert.deepEqual(outcome, { status: Number(path.split("/")[3]), bytes: SMALL.length, isBroken: false }, path);
        });
      });

      it(`of a megabyte from a ${service} service that ${way} is whole or broken, never short`, { timeout: 60_000 }, async () => {
        const mayBreak = way === "closes" || way === "resets";
        await inParallel(paths(service, way, "large"), 3, async (path) => {
          const outcome = await upload(path, path.length % 2 === 0, false);
          if (mayBreak && (outcome.isBroken || outcome.status === 502)) return;
          assert.deepEqual(outcome, { status: Number(path.split("/")[3]), bytes: LARGE.length, isBroken: false }, path);
        });
      });
    }
  }

  it("is logged once, and leaves nothing behind", async () => {
    await untilIdle(gateway);
    const finished = await metric(gateway, "windrose_requests_total");
    const lines = await eventually(() => {
      const all = logLines(gateway.stdout());
      return all.length >= finished ? all : null;
    }, `${finished} log lines`);
    assert.equal(new Set(lines.map((line) => line.path)).size, lines.length);
    assert.equal(lines.length, finished);
    const whole = lines.filter((line) => String(line.path).includes("small"));
    assert.deepEqual([...new Set(whole.map((line) => line.flag))], [""]);
    assert.doesNotMatch(gateway.stderr(), /ended unexpectedly|bug/);
    await eventually(async () => (await metric(gateway, "windrose_downstream_connections")) === 0, "no downstream connections");
  });
});
