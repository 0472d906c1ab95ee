/** The HTTP/1.1 client of a worker: one pool per target, each gone when its last connection is. */
import type { UpstreamTarget } from "../engine/model/endpoint.js";
import type { Connector, SocketBudget, Timers, UpstreamCall, UpstreamHandler, UpstreamRequest } from "../proxy/ports.js";
import { encodeRequestHead } from "../wire/http1/request-encoder.js";
import { Http1Call } from "./http1-call.js";
import type { PoolOwner } from "./http1-pool.js";
import { Http1Pool } from "./http1-pool.js";
import { createWebSocketKey } from "./web-socket-handshake.js";

export interface Http1ConnectorOptions {
  readonly timers: Timers;
  /** Shared with everything else that holds sockets; default: unlimited. */
  readonly sockets?: SocketBudget;
}

export interface Http1ConnectorStats {
  readonly pools: number;
  /** Connecting, in use and idle. */
  readonly connections: number;
  readonly idleConnections: number;
  readonly waitingRequests: number;
  readonly webSockets: number;
  /** Since the start. */
  readonly openedConnections: number;
  readonly startedRequests: number;
}

export interface Http1Connector extends Connector {
  /** Closes every connection; attempts under way and waiting fail with `upstream-closed`, and so do later ones. */
  close(): void;
  stats(): Http1ConnectorStats;
}

export function createHttp1Connector(options: Http1ConnectorOptions): Http1Connector {
  return new PooledConnector(options);
}

class PooledConnector implements Http1Connector, PoolOwner {
  readonly timers: Timers;
  readonly #sockets: SocketBudget | null;
  readonly #pools = new Map<string, Http1Pool>();
  #openedConnections = 0;
  #startedRequests = 0;
  #isClosed = false;

  constructor({ timers, sockets }: Http1ConnectorOptions) {
    this.timers = timers;
    this.#sockets = sockets ?? null;
  }

  start(target: UpstreamTarget, request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    this.#startedRequests++;
    const webSocketKey = request.isWebSocket ? createWebSocketKey() : "";
    const head = encodeRequestHead(request, webSocketKey);
    const call = new Http1Call(request, handler, head ?? "", webSocketKey);
    if (this.#isClosed) call.failLater("upstream-closed", "connector closed");
    else if (head === null) call.failLater("internal", "request head holds CR, LF, NUL or a char beyond latin1");
    else this.#pool(target).start(call);
    return call;
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
    return {
      ...stats,
      pools: this.#pools.size,
      openedConnections: this.#openedConnections,
      startedRequests: this.#startedRequests,
    };
  }

  hasRoom(pool: Http1Pool): boolean {
    if (this.#sockets === null || this.#sockets.hasUpstreamRoom) return true;
    for (const other of this.#pools.values()) if (other !== pool && other.closeOldestIdle()) return true;
    return false;
  }

  opened(): void {
    this.#openedConnections++;
    this.#sockets?.openedUpstream();
  }

  closed(): void {
    this.#sockets?.closedUpstream();
  }

  emptied(pool: Http1Pool): void {
    if (this.#pools.get(pool.target.key) === pool) this.#pools.delete(pool.target.key);
  }

  #pool(target: UpstreamTarget): Http1Pool {
    let pool = this.#pools.get(target.key);
    if (pool === undefined) {
      pool = new Http1Pool(target, this);
      this.#pools.set(target.key, pool);
    }
    pool.target = target;
    return pool;
  }
}
