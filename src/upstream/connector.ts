/**
 * The worker's way to services, whatever version of HTTP they speak. A target that negotiates is asked with its first
 * connection; while it has connections of HTTP/1.1, it counts as one that speaks that alone.
 */
import type { UpstreamTarget } from "../engine/model/endpoint.js";
import type { Connector, SocketBudget, Timers, UpstreamCall, UpstreamHandler, UpstreamRequest } from "../proxy/ports.js";
import type { Http1Call } from "./http1-call.js";
import type { Connected, Http1Connector } from "./http1-connector.js";
import { createHttp1Call, createHttp1Connector } from "./http1-connector.js";
import type { Http2Call } from "./http2-call.js";
import { Http2Connector } from "./http2-connector.js";
import { UpstreamSockets } from "./upstream-sockets.js";
import type { WarmResult } from "./warming.js";

export interface ConnectorOptions {
  readonly timers: Timers;
  /** Shared with everything else that holds sockets; default: unlimited. */
  readonly sockets?: SocketBudget;
}

export interface ConnectorStats {
  /** Targets with a connection; one that speaks both versions counts twice. */
  readonly pools: number;
  /** Connecting, in use and idle. */
  readonly connections: number;
  readonly idleConnections: number;
  /** Requests and WebSockets under way over HTTP/2. */
  readonly streams: number;
  readonly waitingRequests: number;
  readonly webSockets: number;
  /** Since the start. */
  readonly openedConnections: number;
  readonly startedRequests: number;
}

export interface UpstreamConnector extends Connector {
  /**
   * Opens connections to a target ahead of requests until it has `count`, as far as `maxConnections` and open files allow without
   * closing any.
   * @returns how many were begun; `result` is told of each, in a later turn
   */
  warm(target: UpstreamTarget, count: number, result: WarmResult): number;
  /** Closes every connection; attempts under way and waiting fail with `upstream-closed`, and so do later ones. */
  close(): void;
  stats(): ConnectorStats;
}

export function createConnector(options: ConnectorOptions): UpstreamConnector {
  return new AnyVersionConnector(options);
}

const PLAIN = { isWebSocket: false };

class AnyVersionConnector implements UpstreamConnector {
  readonly #sockets: UpstreamSockets;
  readonly #http1: Http1Connector;
  readonly #http2: Http2Connector;
  /** Keys of negotiating targets that chose HTTP/1.1 and still have a connection. */
  readonly #choseHttp1 = new Set<string>();
  #startedRequests = 0;

  constructor({ timers, sockets: budget }: ConnectorOptions) {
    const sockets = new UpstreamSockets(budget ?? null);
    this.#sockets = sockets;
    this.#http1 = createHttp1Connector({ timers, sockets, onEmptied: (key) => this.#choseHttp1.delete(key) });
    this.#http2 = new Http2Connector({
      timers,
      sockets,
      onHttp1: (target, connected, calls) => this.#continueWithHttp1(target, connected, calls),
    });
  }

  start(target: UpstreamTarget, request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    this.#startedRequests++;
    return this.#speaksHttp2(target, request) ? this.#http2.start(target, request, handler) : this.#http1.start(target, request, handler);
  }

  warm(target: UpstreamTarget, count: number, result: WarmResult): number {
    return (this.#speaksHttp2(target, PLAIN) ? this.#http2 : this.#http1).warm(target, count, result);
  }

  close(): void {
    this.#http1.close();
    this.#http2.close();
  }

  stats(): ConnectorStats {
    const http1 = this.#http1.stats();
    const http2 = this.#http2.stats();
    return {
      pools: http1.pools + http2.pools,
      connections: http1.connections + http2.connections,
      idleConnections: http1.idleConnections + http2.idleConnections,
      streams: http2.streams,
      waitingRequests: http1.waitingRequests + http2.waitingRequests,
      webSockets: http1.webSockets + http2.webSockets,
      openedConnections: this.#sockets.openedCount,
      startedRequests: this.#startedRequests,
    };
  }

  /** An upgrade needs HTTP/1.1, which a negotiating target then gets offered alone. */
  #speaksHttp2({ key, version }: UpstreamTarget, { isWebSocket }: Pick<UpstreamRequest, "isWebSocket">): boolean {
    if (version !== "negotiated") return version === "http2";
    return !isWebSocket && !this.#choseHttp1.has(key);
  }

  #continueWithHttp1(target: UpstreamTarget, connected: Connected, calls: readonly Http2Call[]): void {
    this.#choseHttp1.add(target.key);
    const [first = null, ...others] = calls.map(asHttp1Call);
    this.#http1.adopt(target, connected, first);
    for (const call of others) this.#http1.begin(target, call);
  }
}

function asHttp1Call(call: Http2Call): Http1Call {
  const http1Call = createHttp1Call(call.request, call.handler);
  http1Call.bodyState = call.bodyState;
  call.continueAs(http1Call);
  return http1Call;
}
