/**
 * The WebSocket service: sends every message back as it came, and ends connections as the query of the upgrade asks:
 * `close` and `reason` after `after` messages, `terminate` after as many, or `refuse` with a status.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Duplex } from "node:stream";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import type { Ledger } from "./ledger.js";
import { ID_HEADER } from "./order.js";

/** What the service and its clients speak. */
export const SUBPROTOCOL = "soak.v1";
/** Not sent, but seen where the peer vanished or named no code. */
export const NO_CODE = 1005;

export function createWebSocketService(ledger: Ledger): Server {
  const server = createServer((_request, response) => response.writeHead(426).end());
  const upgrader = new WebSocketServer({ noServer: true, handleProtocols: (names) => (names.has(SUBPROTOCOL) ? SUBPROTOCOL : false) });
  server.on("upgrade", (request, socket, head) => {
    const query = new URL(request.url ?? "/", "http://service").searchParams;
    const status = Number(query.get("refuse") ?? 0);
    if (status > 0) refuse(socket, status, String(request.headers[ID_HEADER]));
    else upgrader.handleUpgrade(request, socket, head, (client) => serve(client, query, request, ledger));
  });
  return server;
}

function refuse(socket: Duplex, status: number, id: string): void {
  socket.end(`HTTP/1.1 ${status} Refused\r\n${ID_HEADER}: ${id}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
}

function serve(client: WebSocket, query: URLSearchParams, request: IncomingMessage, ledger: Ledger): void {
  const after = Number(query.get("after") ?? Number.POSITIVE_INFINITY);
  let messages = 0;
  client.on("message", (data: RawData, isBinary: boolean) => {
    client.send(data, { binary: isBinary });
    if (++messages === after) end(client, query);
  });
  client.on("error", () => undefined);
  client.on("close", (code, reason) => checkClose(code, reason.toString(), query, request, ledger));
  if (after === 0) end(client, query);
}

function end(client: WebSocket, query: URLSearchParams): void {
  const code = query.get("close");
  if (code === null) client.terminate();
  else client.close(Number(code), query.get("reason") ?? "");
}

/** `says` and `why`: how the client means to end it. A client that vanishes shows as a code of the gateway's choice. */
function checkClose(code: number, reason: string, query: URLSearchParams, request: IncomingMessage, ledger: Ledger): void {
  const says = query.get("says");
  if (says === null) return;
  const why = query.get("why") ?? "";
  if (code === Number(says) && reason === why) return;
  ledger.violation(`${String(request.headers[ID_HEADER])}: the client closed with ${says} "${why}", the service saw ${code} "${reason}"`);
}
