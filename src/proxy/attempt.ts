/**
 * One try of an exchange against one endpoint: forwards what the connector reports to the exchange, keeps the endpoint's
 * count of attempts under way exact, whatever ends it, and tells those who learn from attempts how it went.
 */
import { performance } from "node:perf_hooks";
import { type AttemptFeedback, AttemptResult, type Endpoint } from "../engine/model/endpoint.js";
import type { ErrorCode } from "../engine/model/errors.js";
import { type HeaderList, headerValue } from "../engine/model/request.js";
import { isGrpc, statusBehind } from "./grpc.js";
import type { Connector, UpstreamCall, UpstreamHandler, UpstreamRequest } from "./ports.js";
import { retryAfterMs } from "./retry-after.js";
import type { UpstreamWebSocket } from "./web-socket-ports.js";

/** One for all: it is read before the next one is told. */
const result = new AttemptResult();
const SWITCHING_PROTOCOLS = 101;
const OK = 200;
const LOWEST_FAILURE = 400;
const NO_HEADERS: readonly string[] = [];

/** What the exchange does with an attempt's news. */
export interface AttemptOwner {
  attemptConnected(call: UpstreamCall): void;
  attemptInterim(status: number, headers: HeaderList): void;
  attemptHead(status: number, headers: HeaderList, bodyLength: number): void;
  attemptBody(chunk: Uint8Array): void;
  attemptReadEnd(): void;
  attemptEnd(trailers: HeaderList | null): void;
  attemptUpgrade(headers: HeaderList, socket: UpstreamWebSocket): void;
  attemptError(code: ErrorCode, detail: string): void;
  attemptDrain(): void;
  bug(error: unknown): void;
}

export class Attempt implements UpstreamHandler {
  readonly endpoint: Endpoint;
  /** Null when nobody learns from it. */
  readonly #feedback: AttemptFeedback | null;
  /** `performance.now()`. */
  readonly #startedAt: number;
  #owner: AttemptOwner;
  #call: UpstreamCall | null = null;
  /** A connection carries it: whatever happens now, the service may have seen the request. */
  isSent = false;
  #isOver = false;
  #wasConnectedEarly = false;
  #isTold = false;
  /** Fields of a gRPC request from whose answer somebody learns; null for all others. */
  #grpcRequest: readonly string[] | null = null;
  #awaitsStatus = false;

  constructor(owner: AttemptOwner, endpoint: Endpoint, feedback: AttemptFeedback | null, startedAt: number) {
    this.#owner = owner;
    this.endpoint = endpoint;
    this.#feedback = feedback;
    this.#startedAt = startedAt;
  }

  start(connector: Connector, request: UpstreamRequest): void {
    this.endpoint.inFlight++;
    this.endpoint.set.inFlight++;
    // `te: trailers` is asked first because hardly any other request says it.
    if (request.acceptsTrailers && this.#feedback?.hearsSuccesses === true && isGrpc(request.headers)) this.#grpcRequest = request.headers;
    const call = connector.start(this.endpoint.target, request, this);
    this.#call = call;
    // A pooled connection connects inside start(), before there is a call to write to.
    if (this.#wasConnectedEarly) this.#owner.attemptConnected(call);
  }

  pause(): void {
    this.#call?.pause();
  }

  resume(): void {
    this.#call?.resume();
  }

  /** All of the request's body, or as much as is kept, waits for the service. */
  bodyArrived(isWhole: boolean): void {
    if (!this.isSent) this.#call?.bodyArrived(isWhole);
  }

  /**
   * Gives it up; the owner hears nothing any more.
   * @param code why, if the exchange failed: a service that was silent, or out of reach, while the time of the whole exchange
   * passed is told of
   */
  abort(code: ErrorCode | "" = ""): void {
    if (!this.#over()) return;
    const { isConnecting, isAsked } = this.#wait;
    this.#call?.abort();
    if (code === "upstream-timeout" && isAsked && !this.#isTold) this.#tell(0, isConnecting ? "connect-timeout" : code, NO_HEADERS);
  }

  /** Ends it as a failure because its own time has passed. */
  timeOut(detail: string): void {
    if (!this.#over()) return;
    const { isConnecting, isAsked } = this.#wait;
    const code = isConnecting ? "connect-timeout" : "upstream-timeout";
    this.#call?.abort();
    if (isAsked) this.#tell(0, code, NO_HEADERS);
    this.#owner.attemptError(code, detail);
  }

  /** For whom it waits: not for the service as long as others of our requests are before it. */
  get #wait(): { readonly isConnecting: boolean; readonly isAsked: boolean } {
    const isConnecting = !this.isSent && this.#call?.isConnecting === true;
    return { isConnecting, isAsked: this.isSent || isConnecting };
  }

  /** Whatever comes from now on is for `owner`. */
  handOver(owner: AttemptOwner): void {
    this.#owner = owner;
  }

  onConnected(): void {
    this.isSent = true;
    if (this.#call === null) this.#wasConnectedEarly = true;
    else this.#owner.attemptConnected(this.#call);
  }

  onInterim(status: number, headers: HeaderList): void {
    if (!this.#isOver) this.#owner.attemptInterim(status, headers);
  }

  onHead(status: number, headers: HeaderList, bodyLength: number): void {
    // A service that answers with something else does not speak gRPC, whatever its caller says.
    if (this.#grpcRequest === null || status !== OK || !isGrpc(headers)) this.#tell(status, "", headers);
    else this.#tellGrpc(this.#grpcRequest, headers);
    // Response filters run in here: a throw must end this exchange, not the worker.
    try {
      this.#owner.attemptHead(status, headers, bodyLength);
    } catch (error) {
      this.#owner.bug(error);
    }
  }

  onBody(chunk: Uint8Array): void {
    this.#owner.attemptBody(chunk);
  }

  onReadEnd(): void {
    if (!this.#isOver) this.#owner.attemptReadEnd();
  }

  onEnd(trailers: HeaderList | null): void {
    if (!this.#over()) return;
    if (this.#awaitsStatus && this.#grpcRequest !== null) this.#tellStatus(this.#grpcRequest, trailers ?? NO_HEADERS);
    this.#owner.attemptEnd(trailers);
  }

  /** The attempt goes on for as long as the WebSocket: its endpoint is in use. */
  onUpgrade(headers: HeaderList, socket: UpstreamWebSocket): void {
    if (this.#isOver) return socket.abort();
    this.#tell(SWITCHING_PROTOCOLS, "", headers);
    try {
      this.#owner.attemptUpgrade(headers, socket);
    } catch (error) {
      socket.abort();
      this.#owner.bug(error);
    }
  }

  onError(code: ErrorCode, detail: string): void {
    if (!this.#over()) return;
    this.#tell(0, code, NO_HEADERS);
    this.#owner.attemptError(code, detail);
  }

  onDrain(): void {
    this.#owner.attemptDrain();
  }

  /** Without messages the status is in the head, else behind them: until then the service may still fail. */
  #tellGrpc(asked: readonly string[], headers: readonly string[]): void {
    this.#awaitsStatus = headerValue(headers, "grpc-status") === undefined;
    const status = this.#awaitsStatus ? null : statusBehind(asked, headers);
    if (status !== null) return this.#tell(status, "", headers);
    result.part = "head";
    this.#tell(OK, "", NO_HEADERS);
    result.part = "whole";
  }

  #tellStatus(asked: readonly string[], trailers: readonly string[]): void {
    const status = statusBehind(asked, trailers);
    if (status === null) return;
    result.part = "status";
    this.#tell(status, "", NO_HEADERS);
    result.part = "whole";
  }

  #tell(status: number, code: ErrorCode | "", headers: readonly string[]): void {
    if (this.#feedback === null) return;
    this.#isTold = true;
    if (code === "" && status < LOWEST_FAILURE && !this.#feedback.hearsSuccesses) return;
    result.endpoint = this.endpoint;
    result.status = status;
    result.code = code;
    result.now = performance.now();
    result.elapsedMs = result.now - this.#startedAt;
    result.retryAfterMs = retryAfterMs(status, headers);
    this.#feedback.note(result);
  }

  #over(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.endpoint.inFlight--;
    this.endpoint.set.inFlight--;
    return true;
  }
}
