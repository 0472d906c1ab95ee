/**
 * The service behind the gateways, a process of its own: small answers, big ones at `/big` behind whatever prefix, and for
 * uploads an answer at their end. Over HTTP/1.1, and over HTTP/2 without TLS on a port of its own.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import { SMALL_BODY } from "../fixtures.js";

export interface BackendReport {
  readonly type: "backend";
  readonly port: number;
  readonly http2Port: number;
}

const BIG_BYTES = 10 * 1024 * 1024;
const PIECE = Buffer.alloc(64 * 1024, "0123456789abcdef");
const BACKLOG = 4096;

function sendBig(response: ServerResponse): void {
  response.setHeader("content-length", BIG_BYTES);
  let leftBytes = BIG_BYTES;
  const go = (): void => {
    while (leftBytes > 0 && !response.destroyed) {
      leftBytes -= PIECE.length;
      if (!response.write(PIECE)) return void response.once("drain", go);
    }
    response.end();
  };
  go();
}

function answer(request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void {
  request.on("error", () => {}).resume();
  response.on("error", () => {});
  if (request.url?.endsWith("/big") === true) return sendBig(response as ServerResponse);
  response.setHeader("content-length", SMALL_BODY.length);
  if (request.method === "POST") request.on("end", () => response.end(SMALL_BODY));
  else response.end(SMALL_BODY);
}

const server = createServer({ keepAliveTimeout: 120_000, requestTimeout: 0 }, answer);
const http2Server = createHttp2Server({ maxSessionMemory: 1_000 }, answer);
http2Server.on("session", (session) => session.on("error", () => {}));
const portOf = (listening: { address(): AddressInfo | string | null }): number => (listening.address() as AddressInfo).port;
http2Server.listen(0, "127.0.0.1", BACKLOG, () => {
  server.listen(0, "127.0.0.1", BACKLOG, () => {
    process.send?.({ type: "backend", port: portOf(server), http2Port: portOf(http2Server) } satisfies BackendReport);
  });
});
process.once("disconnect", () => process.exit(0));
