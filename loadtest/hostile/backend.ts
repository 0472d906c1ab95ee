/** The service behind the gateways, a process of its own: small answers, big ones at `/big`, and for uploads an answer at their end. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SMALL_BODY } from "../fixtures.js";

export interface BackendReport {
  readonly type: "backend";
  readonly port: number;
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

const server = createServer({ keepAliveTimeout: 120_000, requestTimeout: 0 }, (request, response) => {
  request.on("error", () => {}).resume();
  if (request.url === "/big") return sendBig(response);
  response.setHeader("content-length", SMALL_BODY.length);
  if (request.method === "POST") request.on("end", () => response.end(SMALL_BODY));
  else response.end(SMALL_BODY);
});
server.listen(0, "127.0.0.1", BACKLOG, () => {
  process.send?.({ type: "backend", port: (server.address() as AddressInfo).port } satisfies BackendReport);
});
process.once("disconnect", () => process.exit(0));
