/** What the tests of the upstream client share: raw servers that say what they are told, and a handler that takes notes. */
import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import type { UpstreamTarget } from "../../../src/engine/model/endpoint.js";
import type { ErrorCode } from "../../../src/engine/model/errors.js";
import type { Connector, SocketBudget, UpstreamCall, UpstreamHandler, UpstreamRequest } from "../../../src/proxy/ports.js";
import { createTimerWheel } from "../../../src/proxy/timer-wheel.js";
import type { UpstreamWebSocket } from "../../../src/proxy/web-socket-ports.js";
import type { UpstreamConnector } from "../../../src/upstream/connector.js";
import { createConnector } from "../../../src/upstream/connector.js";

export function targetOf(port: number, change: Partial<UpstreamTarget> = {}): UpstreamTarget {
  const http2 = { maxConcurrentStreams: 100, streamWindowBytes: 262_144, maxStreamWindowBytes: 262_144, pingMs: 0 };
  const limits = {
    connectTimeoutMs: 2000,
    keepAliveMs: 10_000,
    connectionAgeMs: 0,
    maxConnections: 100,
    maxPendingRequests: 100,
    maxSlowClientPercent: 75,
    maxWebSockets: 100,
  };
  return { key: `http://127.0.0.1:${port}`, host: "127.0.0.1", port, version: "http1", http2, tls: null, ...limits, ...change };
}

/** For services that speak HTTP/2 without TLS. */
export function http2TargetOf(port: number, change: Partial<UpstreamTarget> = {}): UpstreamTarget {
  return targetOf(port, { key: `http2|127.0.0.1|${port}`, version: "http2", ...change });
}

export function requestOf(change: Partial<UpstreamRequest> = {}): UpstreamRequest {
  const request = { method: "GET", target: "/", authority: "a.test", headers: [], bodyLength: 0 };
  return { ...request, hasZeroLength: false, acceptsTrailers: false, isWebSocket: false, isFresh: false, ...change };
}

/** Takes notes; `over` resolves with the last of them. */
export class Notes implements UpstreamHandler {
  readonly events: string[] = [];
  status = 0;
  headers: string[] = [];
  bodyLength = 0;
  body = "";
  bodyBytes = 0;
  trailers: string[] | null = null;
  /** Status and headers of each 1xx. */
  readonly interim: (number | string)[][] = [];
  error: ErrorCode | "" = "";
  detail = "";
  call: UpstreamCall | null = null;
  webSocket: UpstreamWebSocket | null = null;
  /** `end`, or the error code. */
  readonly over: Promise<string>;
  readonly #resolve: (outcome: string) => void;

  constructor() {
    let resolve: (outcome: string) => void = () => undefined;
    this.over = new Promise((done) => {
      resolve = done;
    });
    this.#resolve = resolve;
  }

  onInterim(status: number, headers: string[]): void {
    this.interim.push([status, ...headers]);
  }

  /** Starts the attempt and keeps its call. */
  start(connector: Connector, target: UpstreamTarget, request: UpstreamRequest = requestOf()): this {
    this.call = connector.start(target, request, this);
    this.events.push("started");
    return this;
  }

  onConnected(): void {
    this.events.push("connected");
  }

  onHead(status: number, headers: string[], bodyLength: number): void {
    this.events.push("head");
    this.status = status;
    this.headers = headers;
    this.bodyLength = bodyLength;
  }

  onBody(chunk: Uint8Array): void {
    this.events.push("body");
    this.bodyBytes += chunk.length;
    if (this.bodyBytes < 100_000) this.body += Buffer.from(chunk).toString("latin1");
  }

  onReadEnd(): void {
    this.events.push("read-end");
  }

  onUpgrade(headers: string[], socket: UpstreamWebSocket): void {
    this.events.push("upgrade");
    this.status = 101;
    this.headers = headers;
    this.webSocket = socket;
    this.#resolve("upgrade");
  }

  onEnd(trailers: string[] | null): void {
    this.events.push("end");
    this.trailers = trailers;
    this.#resolve("end");
  }

  onError(code: ErrorCode, detail: string): void {
    this.events.push("error");
    this.error = code;
    this.detail = detail;
    this.#resolve(code);
  }

  onDrain(): void {
    this.events.push("drain");
  }
}

export interface RawServer {
  readonly port: number;
  /** All there ever were. */
  readonly sockets: Socket[];
  close(): Promise<void>;
}

export async function startRawServer(onSocket: (socket: Socket, index: number) => void): Promise<RawServer> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    onSocket(socket, sockets.length - 1);
  });
  return await listening(server, sockets);
}

export async function listening(server: Server, sockets: Socket[]): Promise<RawServer> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  };
  return { port: (server.address() as AddressInfo).port, sockets, close };
}

/** Calls `onRequest` with the head (and what else came by then) each time a head has ended. Bodies are not understood. */
export function onRequests(socket: Socket, onRequest: (head: string, index: number) => void): void {
  let held = "";
  let count = 0;
  socket.on("data", (bytes) => {
    held += bytes.toString("latin1");
    for (let end = held.indexOf("\r\n\r\n"); end !== -1; end = held.indexOf("\r\n\r\n")) {
      const head = held.slice(0, end);
      held = held.slice(end + 4);
      onRequest(head, count++);
    }
  });
}

/** Answers every request with `text`. */
export function answering(text: string | Buffer): (socket: Socket) => void {
  return (socket) => onRequests(socket, () => socket.write(text, "latin1"));
}

export const HELLO = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello";

/** A connector on a real, quick wheel. */
export function startConnector(sockets?: SocketBudget): { readonly connector: UpstreamConnector; close(): void } {
  const timers = createTimerWheel({ tickMs: 10 });
  const connector = createConnector(sockets === undefined ? { timers } : { timers, sockets });
  return {
    connector,
    close: () => {
      connector.close();
      timers.stop();
    },
  };
}

export async function until(condition: () => boolean, what: string, deadlineMs = 5000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
