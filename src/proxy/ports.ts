/**
 * The ports of the proxy: what it needs from listeners, upstream, filters, telemetry and time. Adapters implement
 * these; the proxy imports none of them. Callbacks instead of promises or streams: nothing here is allocated per
 * chunk. Each port states who owns a buffer and which calls are still allowed, because that is where bytes get lost.
 */
import type { UpstreamTarget } from "../engine/model/endpoint.js";
import type { ErrorCode } from "../engine/model/errors.js";
import type { HeaderList, Principal, RequestHead } from "../engine/model/request.js";
import type { UpstreamWebSocket, WebSocketEnd, WebSocketEvents } from "./web-socket-ports.js";

// ── Downstream: given by a listener, driven by the exchange ──────────────────────────────────────────────────────

/**
 * The response side of one request, and the brake on its body. After `end()`, `abort()` or the handler's `onAbort`,
 * every call is a harmless no-op: the exchange need not know who was first.
 */
export interface Downstream {
  /**
   * States the head; bytes may leave with the first `write`, `flush` or `end`. Once only. `headers` are free of
   * framing and hop-by-hop fields and of CR, LF and NUL; the listener frames.
   * `bodyLength`: exact bytes that `write` will bring, -1 when unknown. For HEAD, the length a GET would have had.
   */
  writeHead(status: number, headers: readonly string[], bodyLength: number): void;
  /** `chunk` is borrowed for the duration of the call; it may wait until the end of the turn. False: stop until `onDrain`. */
  write(chunk: Uint8Array): boolean;
  /**
   * A 1xx response ahead of the head, never 100 or 101; `headers` as in `writeHead`. Dropped where this kind of listener or
   * the client's version of HTTP has no place for it.
   */
  writeInterim(status: number, headers: readonly string[]): void;
  /** Unsays `writeHead` and what was written since, as long as no byte has left. False: too late. */
  takeBack(): boolean;
  /** Lets a stated head leave although no body byte has come yet, and what was written. */
  flush(): void;
  /** `trailers` are dropped where this kind of listener, or the framing, has no place for them. */
  end(trailers?: readonly string[] | null): void;
  /** Breaks the response so that the client cannot take it for complete. */
  abort(): void;
  /**
   * Instead of `writeHead`, when the request asks for a WebSocket: answers 101. `protocol`: the subprotocol the service
   * chose, "" for none. Null: too late, the client is gone.
   */
  acceptWebSocket(headers: readonly string[], protocol: string, events: WebSocketEvents): WebSocketEnd | null;
  /** Stop delivering `onBody` until `resumeBody`. */
  pauseBody(): void;
  resumeBody(): void;
  /** The request has passed its filters: a client that waits for `100 Continue` may begin. Absent where it has been told so already. */
  wantBody?(): void;
}

/** The exchange, as the listener sees it. */
export interface DownstreamHandler {
  /** `chunk` is borrowed for the duration of the call. `isLast` may come with an empty chunk. Not called when the body is empty. */
  onBody(chunk: Uint8Array, isLast: boolean): void;
  /** Instead of an `onBody` that is the last: the body is complete and trailers came behind it. The list is the handler's. */
  onTrailers(trailers: HeaderList): void;
  /** The body broke a rule or a limit after it was accepted; no further `onBody`. */
  onBodyError(code: ErrorCode, detail: string): void;
  /** `write` returned false earlier and the client has taken what it was given. */
  onDrain(): void;
  /** The client is gone. Last call. */
  onAbort(): void;
}

/** Where a listener hands over what it accepted. One exists per listener and lives as long as it. */
export interface Acceptor {
  accept(head: RequestHead, downstream: Downstream): DownstreamHandler;
  /**
   * The listener refuses the request itself; the proxy writes the local reply and counts it. The listener closes the
   * connection after the reply. No body follows.
   */
  refuse(head: RequestHead, downstream: Downstream, code: ErrorCode, detail: string): DownstreamHandler;
  /** True while draining: responses ask the client to close. */
  readonly isDraining: boolean;
}

// ── Upstream: given by a connector, driving the exchange ─────────────────────────────────────────────────────────

/** What an attempt sends. Reused between attempts of one exchange. */
export interface UpstreamRequest {
  readonly method: string;
  /** Origin-form (RFC 9112 §3.2.1). */
  readonly target: string;
  readonly authority: string;
  /** Without host, framing and hop-by-hop fields. */
  readonly headers: readonly string[];
  /** 0: no body and no Content-Length; n: exact; -1: chunked. */
  readonly bodyLength: number;
  /** Send `content-length: 0`. */
  readonly hasZeroLength: boolean;
  /** `te: trailers`: the caller reads trailers. */
  readonly acceptsTrailers: boolean;
  /** Ask for a switch to WebSocket; 101 is then answered with `onUpgrade`. */
  readonly isWebSocket: boolean;
  /** Do not use a pooled connection that may be stale: the last one was. */
  readonly isFresh: boolean;
}

export interface Connector {
  /** Never calls `handler` synchronously except `onConnected` and `onDrain`; failures arrive in a later turn. */
  start(target: UpstreamTarget, request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall;
}

/** The request side of one attempt. After `onEnd`, `onError` or `abort`, every call is a harmless no-op. */
export interface UpstreamCall {
  /** Allowed after `onConnected`. `chunk` is borrowed for the duration of the call. False: wait for `onDrain`. */
  write(chunk: Uint8Array): boolean;
  /** The request body is complete. Not needed when `bodyLength` is 0. `trailers` are dropped where the framing has no place for them. */
  end(trailers?: readonly string[]): void;
  /** Stop and resume the delivery of response bytes. */
  pause(): void;
  resume(): void;
  /**
   * Before `onConnected`: the request's body is here, all of it or as much as is kept. Whoever waits for a connection
   * waits for the service now, no longer for the client.
   */
  bodyArrived(isWhole: boolean): void;
  /** Before `onConnected`: it waits until the service is reached, and not for a place among other requests to it. */
  readonly isConnecting: boolean;
  /** Gives the attempt up; what carried it, a connection or a stream, is closed unless the exchange was complete. No further callbacks. */
  abort(): void;
}

export interface UpstreamHandler {
  /** The request head is on its way (or queued in the socket): body bytes may be written. */
  onConnected(): void;
  /** A 1xx response before the final head, never 100 or 101; `headers` as in `onHead`. */
  onInterim(status: number, headers: HeaderList): void;
  /**
   * The final response head. Names lower case, values latin1, without
   * framing and hop-by-hop fields, those that Connection names included; the list is the handler's. `bodyLength` as in `Downstream.writeHead`.
   */
  onHead(status: number, headers: HeaderList, bodyLength: number): void;
  /** `chunk` is borrowed for the duration of the call. */
  onBody(chunk: Uint8Array): void;
  /** All events of one socket read have been delivered: time to flush what waits. */
  onReadEnd(): void;
  /** The response is complete and was framed correctly. Trailers, if any, as a header list. */
  onEnd(trailers: HeaderList | null): void;
  /**
   * Instead of `onHead`: the service has switched to WebSocket as asked. `headers` as in `onHead`, without those of the
   * handshake. Last call; `socket` belongs to the receiver and is silent until it is opened.
   */
  onUpgrade(headers: HeaderList, socket: UpstreamWebSocket): void;
  /** Instead of `onEnd`: the attempt failed. `detail` is for logs, never for callers. */
  onError(code: ErrorCode, detail: string): void;
  /** `write` returned false earlier and the socket has room again. */
  onDrain(): void;
}

// ── Open files ───────────────────────────────────────────────────────────────────────────────────────────────────

/** The sockets of a worker, both directions together: adapters count them, so that open files never run out. */
export interface SocketBudget {
  /** A caller's connection has been accepted. False: one too many, close it (and count that, too). */
  openedDownstream(): boolean;
  closedDownstream(): void;
  /** Another connection to a service may be opened. */
  readonly hasUpstreamRoom: boolean;
  openedUpstream(): void;
  closedUpstream(): void;
}

/** Why a listener closed a connection of its own accord; the last ones only where our own codecs carry it. */
export type ConnectionRefusal =
  | "max-connections"
  | "max-connections-per-address"
  | "open-files"
  | "too-many-handshakes"
  | "handshake"
  | "proxy-header"
  | `http2-${string}`;

// ── Filters ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** What a filter may read and change; implemented by the exchange. */
export interface FilterContext {
  readonly requestId: string;
  readonly clientAddress: string;
  readonly routeName: string;
  readonly listenerName: string;
  /** The matched path value of the route (Exact or PathPrefix). */
  readonly matchedPath: string;
  /** Its headers may be changed in place: they are what goes upstream. */
  readonly request: RequestHead;
  principal: Principal | null;
  /** Set by a filter that rewrites bodies of this exchange; null: they pass as they are. */
  bodyTransform: BodyTransform | null;
  /** Appended to whatever response is sent, local replies included. Values without CR, LF, NUL. */
  addResponseHeader(name: string, value: string): void;
}

/**
 * Rewrites the bodies of one exchange as they pass. Chunks are borrowed; what is returned may be a view of them, or empty.
 * Whoever changes the length of a request's body sets `request.bodyLength`.
 */
export interface BodyTransform {
  /** The response is rewritten: its length is unknown, and trailers go to `responseEnd` instead of down. */
  readonly changesResponse: boolean;
  /** Null: the body is malformed, the request fails. */
  request(chunk: Uint8Array, isLast: boolean): Uint8Array | null;
  response(chunk: Uint8Array): Uint8Array;
  /** What comes behind the last byte of the response. */
  responseEnd(trailers: readonly string[] | null): Uint8Array;
}

/** A verdict is `null` (continue) or the reply that ends the exchange. */
export type Verdict = Reply | null;

export interface Reply {
  /** Set for refusals: decides status, flag and body of the local reply. Null for a direct response. */
  readonly code: ErrorCode | null;
  /** For a direct response; ignored when `code` is set. */
  readonly status: number;
  readonly headers: readonly string[];
  /** Direct response body, UTF-8. */
  readonly body: string;
  /** For the caller and the log: never holds a secret or a token. */
  readonly detail: string;
  /** For the log instead of `detail`, when operators may know more than callers; never a secret either. */
  readonly logDetail: string;
}

export function refuse(code: ErrorCode, detail: string, headers: readonly string[] = [], logDetail = detail): Reply {
  return { code, status: 0, headers, body: "", detail, logDetail };
}

export function respondWith(status: number, headers: readonly string[], body: string): Reply {
  return { code: null, status, headers, body, detail: "", logDetail: "" };
}

/** The response head on its way down, as response filters see it. */
export interface ResponseHead {
  status: number;
  readonly headers: HeaderList;
}

/** Built once per snapshot and route; holds no state of an exchange. */
export interface Filter {
  readonly type: string;
  /** Sync by default; the runner awaits only what is a promise. Must not throw or reject for expected outcomes. */
  readonly onRequest?: (context: FilterContext) => Verdict | Promise<Verdict>;
  readonly onResponse?: (context: FilterContext, response: ResponseHead) => void;
}

// ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A reusable alarm; arming an armed one moves it. */
export interface Timer {
  arm(delayMs: number): void;
  cancel(): void;
}

/** One coarse wheel per process (tick 100 ms): a timer fires between its delay and one tick later. */
export interface Timers {
  create(onFire: () => void): Timer;
}

// ── Seeing ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** A finished exchange, read by observers inside `onComplete` only: its fields are not kept afterwards. */
export interface ExchangeRecord {
  readonly requestId: string;
  readonly listenerName: string;
  readonly request: RequestHead;
  readonly clientAddress: string;
  /** "" when no route matched. */
  readonly routeName: string;
  /** "" when none was chosen. */
  readonly serviceName: string;
  /** `host:port` of the last attempt, or "". */
  readonly endpoint: string;
  readonly principal: Principal | null;
  /** Status sent to the client; 0 when none was. */
  readonly status: number;
  /** "" for a plain proxied response. */
  readonly flag: string;
  readonly errorCode: ErrorCode | "";
  readonly errorDetail: string;
  readonly isLocalReply: boolean;
  readonly attempts: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** `performance.now()` values; 0 when the point was not reached. */
  readonly startedAt: number;
  readonly attemptStartedAt: number;
  readonly upstreamHeadAt: number;
  readonly completedAt: number;
  /** W3C trace id of the request, or "". */
  readonly traceId: string;
  /** With which a WebSocket ended (RFC 6455 §7.4; 1006: without a close frame); 0 when there was none. */
  readonly closeCode: number;
}

export interface Observer {
  onAccept(listenerName: string): void;
  onComplete(record: ExchangeRecord): void;
}
