/**
 * The caller's handle on one attempt. It outlives its connection's part in it, so that a late call can never touch an
 * exchange that uses the same connection afterwards.
 */
import type { ErrorCode } from "../engine/model/errors.js";
import type { HeaderList } from "../engine/model/request.js";
import type { Timer, UpstreamCall, UpstreamHandler, UpstreamRequest } from "../proxy/ports.js";
import type { UpstreamWebSocket } from "../proxy/web-socket-ports.js";
import type { BodyState, WaitingCall } from "./waiting-calls.js";

/** What carries the attempt at present: a connection, or the queue it waits in. */
export interface Carrier {
  readonly isConnecting: boolean;
  write(chunk: Uint8Array): boolean;
  endRequest(): void;
  pause(): void;
  resume(): void;
  /** `call.bodyState` has changed. */
  bodyArrived(call: Http1Call): void;
  abort(call: Http1Call): void;
}

export class Http1Call implements UpstreamCall, WaitingCall {
  readonly request: UpstreamRequest;
  readonly handler: UpstreamHandler;
  /** Encoded request head; null: the request cannot be encoded. */
  readonly head: string | null;
  /** Sent in the head when the request asks for WebSocket, else "". */
  readonly webSocketKey: string;
  /** Null before there is one and after the attempt is over. */
  carrier: Carrier | null = null;
  waitTimer: Timer | null = null;
  bodyState: BodyState;
  #isOver = false;

  constructor(request: UpstreamRequest, handler: UpstreamHandler, head: string | null, webSocketKey: string) {
    this.request = request;
    this.handler = handler;
    this.head = head;
    this.webSocketKey = webSocketKey;
    this.bodyState = request.bodyLength === 0 ? "whole" : "partial";
  }

  /** Not one that had to wait for its place first: its time has passed there. */
  get isConnecting(): boolean {
    return this.waitTimer === null && this.carrier !== null && this.carrier.isConnecting;
  }

  write(chunk: Uint8Array): boolean {
    return this.carrier === null ? true : this.carrier.write(chunk);
  }

  /**
   * Trailers of a request end here, as RFC 9110 §6.5.1 allows: HTTP/1 services are in use (uWebSockets.js among them) that take
   * what stands behind the last chunk for the next request.
   */
  end(): void {
    this.carrier?.endRequest();
  }

  pause(): void {
    this.carrier?.pause();
  }

  resume(): void {
    this.carrier?.resume();
  }

  bodyArrived(isWhole: boolean): void {
    this.bodyState = isWhole ? "whole" : "full";
    this.carrier?.bodyArrived(this);
  }

  abort(): void {
    const { carrier } = this;
    if (this.#close()) carrier?.abort(this);
  }

  succeed(trailers: string[] | null): void {
    if (this.#close()) this.handler.onEnd(trailers);
  }

  /** The service has switched protocols: the attempt is over, its connection lives on as `socket`. */
  upgrade(headers: HeaderList, socket: UpstreamWebSocket): void {
    if (this.#close()) this.handler.onUpgrade(headers, socket);
    else socket.abort();
  }

  fail(code: ErrorCode, detail: string): void {
    if (this.#close()) this.handler.onError(code, detail);
  }

  /** For failures found while `start` is still running. */
  failLater(code: ErrorCode, detail: string): void {
    setImmediate(failNow, this, code, detail);
  }

  #close(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.carrier = null;
    return true;
  }
}

function failNow(call: Http1Call, code: ErrorCode, detail: string): void {
  call.fail(code, detail);
}
