/** The HTTP/2 client of a worker: one group of sessions per target, each gone when its last connection is. */
import type { UpstreamTarget } from "../engine/model/endpoint.js";
import type { Connector, Timers, UpstreamCall, UpstreamHandler, UpstreamRequest } from "../proxy/ports.js";
import type { Connected } from "./http1-connector.js";
import { Http2Call } from "./http2-call.js";
import { http2RequestHead } from "./http2-request.js";
import type { SessionsOwner } from "./http2-sessions.js";
import { Http2Sessions } from "./http2-sessions.js";
import type { OpenedSocket } from "./open-socket.js";
import type { UpstreamSockets } from "./upstream-sockets.js";
import type { WarmResult } from "./warming.js";

/** Takes over what an offer of both versions has brought to HTTP/1.1. */
export type OnHttp1 = (target: UpstreamTarget, connected: Connected, calls: readonly Http2Call[]) => void;

export interface Http2ConnectorOptions {
  readonly timers: Timers;
  readonly sockets: UpstreamSockets;
  readonly onHttp1: OnHttp1;
}

export interface Http2ConnectorStats {
  /** Targets with a connection. */
  readonly pools: number;
  readonly connections: number;
  readonly idleConnections: number;
  /** Requests under way. */
  readonly streams: number;
  readonly waitingRequests: number;
  readonly webSockets: number;
}

export class Http2Connector implements Connector, SessionsOwner {
  readonly timers: Timers;
  readonly sockets: UpstreamSockets;
  readonly #onHttp1: OnHttp1;
  readonly #groups = new Map<string, Http2Sessions>();
  #isClosed = false;

  constructor({ timers, sockets, onHttp1 }: Http2ConnectorOptions) {
    this.timers = timers;
    this.sockets = sockets;
    this.#onHttp1 = onHttp1;
  }

  start(target: UpstreamTarget, request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    const call = new Http2Call(request, handler, http2RequestHead(request, target.tls === null ? "http" : "https"));
    if (this.#isClosed) call.failLater("upstream-closed", "connector closed");
    else if (call.head === null) call.failLater("internal", "request head holds control bytes or a char beyond latin1");
    else this.#group(target).start(call);
    return call;
  }

  /** See `UpstreamConnector.warm`. */
  warm(target: UpstreamTarget, count: number, result: WarmResult): number {
    return this.#isClosed ? 0 : this.#group(target).warm(count, result);
  }

  close(): void {
    this.#isClosed = true;
    for (const group of this.#groups.values()) group.closeAll();
  }

  stats(): Http2ConnectorStats {
    const stats = { connections: 0, idleConnections: 0, streams: 0, waitingRequests: 0, webSockets: 0 };
    for (const group of this.#groups.values()) {
      stats.connections += group.connectionCount;
      stats.idleConnections += group.idleCount;
      stats.streams += group.streamCount;
      stats.waitingRequests += group.waitingCount;
      stats.webSockets += group.webSocketCount;
    }
    return { ...stats, pools: this.#groups.size };
  }

  emptied(group: Http2Sessions): void {
    if (this.#groups.get(group.target.key) !== group) return;
    this.#groups.delete(group.target.key);
    this.sockets.remove(group);
  }

  choseHttp1(group: Http2Sessions, opened: OpenedSocket, calls: readonly Http2Call[]): void {
    this.#onHttp1(group.target, { opened, tls: group.tlsClient() }, calls);
  }

  #group(target: UpstreamTarget): Http2Sessions {
    let group = this.#groups.get(target.key);
    if (group === undefined) {
      group = new Http2Sessions(target, this);
      this.#groups.set(target.key, group);
      this.sockets.add(group);
    }
    group.target = target;
    return group;
  }
}
