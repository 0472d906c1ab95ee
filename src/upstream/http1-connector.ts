/** The HTTP/1.1 client of a worker: one pool per target, each gone when its last connection is. */
import type { UpstreamTarget } from "../engine/model/endpoint.js";
import type { Connector, Timers, UpstreamCall, UpstreamHandler, UpstreamRequest } from "../proxy/ports.js";
import { encodeRequestHead } from "../wire/http1/request-encoder.js";
import { Http1Call } from "./http1-call.js";
import type { PoolOwner } from "./http1-pool.js";
import { Http1Pool } from "./http1-pool.js";
import type { OpenedSocket, TlsClient } from "./open-socket.js";
import type { UpstreamSockets } from "./upstream-sockets.js";
import type { WarmResult } from "./warming.js";
import { createWebSocketKey } from "./web-socket-handshake.js";

export interface Http1ConnectorOptions {
  readonly timers: Timers;
  readonly sockets: UpstreamSockets;
  /** The last connection to the target with this key is closed. */
  readonly onEmptied?: (key: string) => void;
}

/** An open connection and what others to the same target can share of it. */
export interface Connected {
  readonly opened: OpenedSocket;
  readonly tls: TlsClient | null;
}

export interface Http1ConnectorStats {
  readonly pools: number;
  /** Connecting, in use and idle. */
  readonly connections: number;
  readonly idleConnections: number;
  readonly waitingRequests: number;
  readonly webSockets: number;
}

export interface Http1Connector extends Connector {
  /** Closes every connection; attempts under way and waiting fail with `upstream-closed`, and so do later ones. */
  close(): void;
  /** Like `start`, for a call that exists already. */
  begin(target: UpstreamTarget, call: Http1Call): void;
  /** Takes over a connection that was opened before its version of HTTP was known. `call`: its first one. */
  adopt(target: UpstreamTarget, connected: Connected, call: Http1Call | null): void;
  /** See `UpstreamConnector.warm`. */
  warm(target: UpstreamTarget, count: number, result: WarmResult): number;
  stats(): Http1ConnectorStats;
}

export function createHttp1Call(request: UpstreamRequest, handler: UpstreamHandler): Http1Call {
  const webSocketKey = request.isWebSocket ? createWebSocketKey() : "";
  return new Http1Call(request, handler, encodeRequestHead(request, webSocketKey), webSocketKey);
}

export function createHttp1Connector(options: Http1ConnectorOptions): Http1Connector {
  return new PooledConnector(options);
}

class PooledConnector implements Http1Connector, PoolOwner {
  readonly timers: Timers;
  readonly sockets: UpstreamSockets;
  readonly #onEmptied: (key: string) => void;
  readonly #pools = new Map<string, Http1Pool>();
  #isClosed = false;

  constructor({ timers, sockets, onEmptied }: Http1ConnectorOptions) {
    this.timers = timers;
    this.sockets = sockets;
    this.#onEmptied = onEmptied ?? (() => undefined);
  }

  start(target: UpstreamTarget, request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    const call = createHttp1Call(request, handler);
    this.begin(target, call);
    return call;
  }

  begin(target: UpstreamTarget, call: Http1Call): void {
    if (this.#isClosed) call.failLater("upstream-closed", "connector closed");
    else if (call.head === null) call.failLater("internal", "request head holds CR, LF, NUL or a char beyond latin1");
    else this.#pool(target).start(call);
  }

  adopt(target: UpstreamTarget, { opened, tls }: Connected, call: Http1Call | null): void {
    const isGood = call !== null && call.head !== null;
    this.#pool(target).adopt(opened, tls, isGood ? call : null);
    if (call !== null && !isGood) this.begin(target, call);
  }

  warm(target: UpstreamTarget, count: number, result: WarmResult): number {
    return this.#isClosed ? 0 : this.#pool(target).warm(count, result);
  }

  close(): void {
    this.#isClosed = true;
    for (const pool of this.#pools.values()) pool.closeAll();
  }

  stats(): Http1ConnectorStats {
    const stats = { connections: 0, idleConnections: 0, waitingRequests: 0, webSockets: 0 };
    for (const pool of this.#pools.values()) {
      stats.connections += pool.connectionCount;
      stats.idleConnections += pool.idleCount;
      stats.waitingRequests += pool.waitingCount;
      stats.webSockets += pool.webSocketCount;
    }
    return { ...stats, pools: this.#pools.size };
  }

  emptied(pool: Http1Pool): void {
    const { key } = pool.target;
    if (this.#pools.get(key) !== pool) return;
    this.#pools.delete(key);
    this.sockets.remove(pool);
    this.#onEmptied(key);
  }

  #pool(target: UpstreamTarget): Http1Pool {
    let pool = this.#pools.get(target.key);
    if (pool === undefined) {
      pool = new Http1Pool(target, this);
      this.#pools.set(target.key, pool);
      this.sockets.add(pool);
    }
    pool.target = target;
    return pool;
  }
}
