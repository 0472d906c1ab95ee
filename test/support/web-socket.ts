/** WebSocket services and clients on `ws`, for tests: what each end saw, in order, and an end to wait for. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type ClientOptions, WebSocket, WebSocketServer } from "ws";
import { eventually } from "./gateway.js";

export interface Message {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** One end of a connection, with notes of everything that reached it. */
export interface NotedSocket {
  readonly socket: WebSocket;
  readonly messages: readonly Message[];
  readonly pings: readonly string[];
  readonly pongs: readonly string[];
  readonly closed: Promise<Closed>;
  untilMessages(count: number): Promise<void>;
}

export interface Arrived extends NotedSocket {
  readonly headers: IncomingHttpHeaders;
  readonly url: string;
}

export interface WebSocketUpstream {
  readonly address: string;
  /** In order of arrival. */
  readonly arrived: readonly Arrived[];
  untilArrived(count: number): Promise<Arrived>;
  close(): Promise<void>;
}

export interface WebSocketUpstreamOptions {
  /** Default: echoes every message. */
  readonly onSocket?: (socket: WebSocket, request: IncomingMessage) => void;
  /** Takes the upgrade over when it returns true. */
  readonly onUpgrade?: (request: IncomingMessage, socket: Duplex) => boolean;
  readonly chooseProtocol?: (offered: ReadonlySet<string>) => string | false;
}

export async function startWebSocketUpstream(options: WebSocketUpstreamOptions = {}): Promise<WebSocketUpstream> {
  const arrived: Arrived[] = [];
  const { chooseProtocol } = options;
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    ...(chooseProtocol === undefined ? {} : { handleProtocols: chooseProtocol }),
  });
  const server = createServer((request, response) => response.end(`plain ${request.method} ${request.url}`));
  server.on("upgrade", (request, socket, early) => {
    socket.on("error", () => {});
    if (options.onUpgrade?.(request, socket) === true) return;
    sockets.handleUpgrade(request, socket, early, (webSocket) => {
      arrived.push({ ...noted(webSocket), headers: request.headers, url: request.url ?? "" });
      (options.onSocket ?? echo)(webSocket, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    arrived,
    async untilArrived(count) {
      await eventually(() => arrived.length >= count, `${count} sockets at the service`);
      return arrived[count - 1] as Arrived;
    },
    close() {
      for (const { socket } of arrived) socket.terminate();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

export function echo(socket: WebSocket): void {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
}

/** Rejects when the upgrade is refused; `refusalOf` tells how. */
export async function openWebSocket(url: string, protocols: string[] = [], options: ClientOptions = {}): Promise<NotedSocket> {
  const socket = new WebSocket(url, protocols, { perMessageDeflate: false, ...options });
  const notes = noted(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  return notes;
}

export interface Refused {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** The answer to an upgrade that is not granted. */
export function refusalOf(url: string, options: ClientOptions = {}): Promise<Refused> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, options);
    socket.on("error", reject);
    socket.on("open", () => reject(new Error("the upgrade was granted")));
    socket.on("unexpected-response", (_request, response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, headers, text: Buffer.concat(chunks).toString() });
        socket.removeAllListeners("error");
        socket.on("error", () => {});
        socket.terminate();
      });
    });
  });
}

function noted(socket: WebSocket): NotedSocket {
  const messages: Message[] = [];
  const pings: string[] = [];
  const pongs: string[] = [];
  socket.on("message", (data, isBinary) => messages.push({ data: data as Buffer, isBinary }));
  socket.on("ping", (data) => pings.push(data.toString()));
  socket.on("pong", (data) => pongs.push(data.toString()));
  socket.on("error", () => {});
  const closed = new Promise<Closed>((resolve) => {
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  return {
    socket,
    messages,
    pings,
    pongs,
    closed,
    async untilMessages(count) {
      await eventually(() => messages.length >= count, `${count} messages`);
    },
  };
}
