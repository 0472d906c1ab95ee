/**
 * The life of one exchange, from accept to complete: eight phases, one failure path (`fail`), one end (`#complete`).
 * Bytes move here too: response chunks straight from the attempt to the downstream, request chunks through
 * RequestBody. README.md of this folder draws the picture.
 */
import { performance } from "node:perf_hooks";
import type { Endpoint } from "../engine/model/endpoint.js";
import { ERRORS, type ErrorCode } from "../engine/model/errors.js";
import type { HeaderList, Principal, RequestHead } from "../engine/model/request.js";
import type { RouteTimeouts } from "../engine/model/snapshot.js";
import { noteRequest, tryRetry } from "../engine/resilience/retry-budget.js";
import {
  isFree,
  isIdempotent,
  isUnprocessed,
  LOWEST_RETRIED_STATUS,
  retriesError,
  retriesStatus,
} from "../engine/resilience/retry-policy.js";
import { matchRoute } from "../engine/routing/match-route.js";
import { admit, SERVER_WIDE, SERVER_WIDE_REPLY } from "./admission.js";
import { Attempt, type AttemptOwner } from "./attempt.js";
import { DroppedAnswer } from "./dropped-answer.js";
import { ExchangeTimers } from "./exchange-timers.js";
import { EXPLAIN_FIELD, explainField } from "./explain-field.js";
import { type FilteredExchange, filterRequest, filterResponse } from "./filter-chain.js";
import { type ForwardedRequest, prepareRequest } from "./forwarded-request.js";
import type { Gateway } from "./gateway.js";
import { localReply } from "./local-reply.js";
import { pickBackend, pickEndpoint, pickOccasion, whyNone } from "./pick-endpoint.js";
import type { BodyTransform, Downstream, DownstreamHandler, ExchangeRecord, Reply, UpstreamCall } from "./ports.js";
import { RequestBody } from "./request-body.js";
import type { BackendRuntime, ListenerRuntime, RouteRuntime, Runtime } from "./runtime.js";
import { upstreamRequest } from "./upstream-request.js";
import type { UpstreamWebSocket } from "./web-socket-ports.js";
import { type RelayOwner, WebSocketRelay } from "./web-socket-relay.js";

export type Phase = "accept" | "route" | "requestFilters" | "pick" | "attempt" | "responseFilters" | "stream" | "complete";

const MAX_ERROR_DETAIL = 300;
const SWITCHING_PROTOCOLS = 101;

export class Exchange implements DownstreamHandler, AttemptOwner, RelayOwner, FilteredExchange, ExchangeRecord {
  readonly request: RequestHead;
  readonly startedAt: number;
  readonly #gateway: Gateway;
  readonly #runtime: Runtime;
  readonly #listener: ListenerRuntime;
  readonly #downstream: Downstream;
  #phase: Phase = "accept";
  #route: RouteRuntime | null = null;
  #backend: BackendRuntime | null = null;
  #lastEndpoint: Endpoint | null = null;
  #attempt: Attempt | null = null;
  /** Null for requests without a body. */
  #body: RequestBody | null;
  /** The caller holds a token: the response says how it was decided. */
  #isExplained = false;
  #isHeadSent = false;
  #isWaitingForDrain = false;
  /** The service's side of it has been given up; the client learns it when it has taken what is on its way. */
  #isCutOff = false;
  /** The attempt under way repeats the one before, at the same endpoint and for free: so it happens once. */
  #isRepetition = false;
  /** Endpoints that have failed, one per retry; null while there was none. */
  #tried: Endpoint[] | null = null;
  #extraHeaders: HeaderList | null = null;
  /** Carries the bytes once the exchange is a WebSocket. */
  #relay: WebSocketRelay | null = null;
  readonly #timers: ExchangeTimers;

  requestId = "";
  clientAddress: string;
  matchedPath = "";
  principal: Principal | null = null;
  bodyTransform: BodyTransform | null = null;
  status = 0;
  flag = "";
  errorCode: ErrorCode | "" = "";
  errorDetail = "";
  isLocalReply = false;
  attempts = 0;
  responseBytes = 0;
  closeCode = 0;
  attemptStartedAt = 0;
  upstreamHeadAt = 0;
  completedAt = 0;
  traceId = "";

  constructor(gateway: Gateway, runtime: Runtime, listener: ListenerRuntime, request: RequestHead, downstream: Downstream) {
    this.startedAt = performance.now();
    this.#gateway = gateway;
    gateway.active++;
    this.#runtime = runtime;
    this.#listener = listener;
    this.request = request;
    this.#downstream = downstream;
    this.#timers = new ExchangeTimers(gateway.timers, this);
    this.clientAddress = request.remoteAddress;
    this.#body = request.bodyLength === 0 ? null : new RequestBody(downstream, isIdempotent(request.method));
  }

  get listenerName(): string {
    return this.#listener.spec.name;
  }

  get routeName(): string {
    return this.#route === null ? "" : this.#route.spec.name;
  }

  get serviceName(): string {
    return this.#backend === null ? "" : this.#backend.service.spec.name;
  }

  get endpoint(): string {
    return this.#lastEndpoint === null ? "" : this.#lastEndpoint.id;
  }

  get requestBytes(): number {
    if (this.#body !== null) return this.#body.receivedBytes;
    return this.#relay === null ? 0 : this.#relay.bytesFromClient;
  }

  // ── accept, route ──────────────────────────────────────────────────────────────────────────────────────────────

  begin(via: string): void {
    const refusal = admit(this.request, this.#listener.spec);
    const forwarded = this.#prepare(via);
    this.request.headers = forwarded.headers;
    this.traceId = forwarded.traceId;
    if (refusal !== null) return this.fail(refusal.code, refusal.detail);
    if (forwarded.isLoop) return this.fail("loop-detected", "the Via header names this listener");
    if (this.request.isWebSocket && this.#gateway.isDraining) return this.fail("draining", "no new WebSockets");
    if (this.request.path === SERVER_WIDE) return this.#reply(SERVER_WIDE_REPLY);
    this.#routeRequest();
  }

  /** The listener refused the request; it only needs an answer and a line in the log. */
  refuse(code: ErrorCode, detail: string, via: string): void {
    this.#prepare(via);
    this.#body = null;
    this.fail(code, detail);
  }

  #prepare(via: string): ForwardedRequest {
    const forwarded = prepareRequest(this.request, this.#listener, via);
    this.requestId = forwarded.requestId;
    this.clientAddress = forwarded.clientAddress;
    if (forwarded.explain !== "") this.#isExplained = this.#gateway.explain.opensFor(forwarded.explain);
    return forwarded;
  }

  #routeRequest(): void {
    this.#phase = "route";
    const match = matchRoute(this.#listener.table, this.request);
    if (match === null) return this.fail("route-not-found", "");
    const route = this.#runtime.routes[match.routeIndex] as RouteRuntime;
    this.#route = route;
    this.matchedPath = match.path;
    // The route's clock starts when the request is complete, so that a slow upload is the listener's matter.
    if (this.#body === null) this.#startDeadline();
    else this.#body.maxReplayBytes = route.spec.retry.maxReplayBytes;
    this.#phase = "requestFilters";
    filterRequest(this, route.requestFilters, 0);
  }

  #startDeadline(): void {
    if (this.#route !== null) this.#timers.startRoute(this.#route.spec.timeouts.requestMs);
  }

  // ── requestFilters ─────────────────────────────────────────────────────────────────────────────────────────────

  get isComplete(): boolean {
    return this.#phase === "complete";
  }

  filtersPassed(): void {
    this.#pick();
  }

  filterReplied(reply: Reply): void {
    this.#reply(reply);
  }

  addResponseHeader(name: string, value: string): void {
    if (this.#extraHeaders === null) this.#extraHeaders = [name, value];
    else this.#extraHeaders.push(name, value);
  }

  #reply(reply: Reply): void {
    if (reply.code !== null) return this.#refuse(reply, reply.code);
    this.isLocalReply = true;
    this.#sendWhole(reply.status, [...reply.headers], Buffer.from(reply.body, "utf8"));
  }

  #refuse({ detail, logDetail, headers }: Reply, code: ErrorCode): void {
    this.#note(code, logDetail);
    this.#sendError(code, detail, headers);
  }

  // ── pick, attempt ──────────────────────────────────────────────────────────────────────────────────────────────

  #pick(): void {
    this.#phase = "pick";
    const backend = pickBackend((this.#route as RouteRuntime).backends);
    if (backend === undefined) return this.fail("no-healthy-endpoint", "the route has no backend with weight");
    this.#backend = backend;
    noteRequest(backend.service.retryBudget, this.startedAt);
    if (this.#body !== null) this.#downstream.wantBody?.();
    const now = performance.now();
    const endpoint = pickEndpoint(this, backend, pickOccasion(now, null));
    if (endpoint === null) return this.fail(...whyNone(backend.service));
    this.#startAttempt(endpoint, false, now);
  }

  #startAttempt(endpoint: Endpoint, isRepetition: boolean, now = performance.now()): void {
    this.#phase = "attempt";
    this.#isRepetition = isRepetition;
    this.attempts++;
    this.#lastEndpoint = endpoint;
    this.attemptStartedAt = now;
    this.#startClock((this.#route as RouteRuntime).spec.timeouts);
    const attempt = new Attempt(this, endpoint, (this.#backend as BackendRuntime).service.feedback, now);
    this.#attempt = attempt;
    // HTTP/2 can tell that a request was not looked at: then it may be repeated whatever its method is.
    if (endpoint.target.version !== "http1") this.#body?.keepSent();
    attempt.start(this.#gateway.connector, upstreamRequest(this.request, isRepetition));
    if (this.#body !== null) this.#tellHowMuchIsHere(this.#body);
  }

  /** Whoever waits for a connection waits behind those whose bodies are here. */
  #tellHowMuchIsHere(body: RequestBody): void {
    if (body.isComplete || body.isFull) this.#attempt?.bodyArrived(body.isComplete);
  }

  /** With no deadline of its own, an attempt may be silent for only so long. */
  #startClock({ requestMs, backendRequestMs }: RouteTimeouts): void {
    if (requestMs === 0 && backendRequestMs === 0) this.#timers.watchSilence(this.#listener.spec.timeouts.streamIdleMs);
    else this.#timers.startAttempt(backendRequestMs);
  }

  attemptConnected(call: UpstreamCall): void {
    this.#body?.attach(call);
  }

  attemptDrain(): void {
    this.#body?.drained();
  }

  attemptError(code: ErrorCode, detail: string): void {
    const isSent = this.#attempt?.isSent !== false;
    this.#attempt = null;
    if (this.#isHeadSent) return this.#breakOff(code, detail);
    this.#body?.detach();
    const mayRepeat = !isSent || (isUnprocessed(code) ? this.#hasWholeBody() : this.#canRepeat());
    // No retry, for the service was not asked. It may refuse again, and so it is asked once more only.
    const isUnanswered = code === "upstream-stale" || isUnprocessed(code);
    if (isUnanswered && mayRepeat && !this.#isRepetition) return this.#startAttempt(this.#lastEndpoint as Endpoint, true);
    const endpoint = retriesError((this.#route as RouteRuntime).spec.retry.on, code) ? this.#nextEndpoint(mayRepeat, code) : null;
    if (endpoint === null) this.fail(code, detail);
    else this.#startAttempt(endpoint, false);
  }

  /** A slow reader that was told at once would be back at once. */
  #breakOff(code: ErrorCode, detail: string): void {
    if (code !== "slow-client" || !this.#isWaitingForDrain) return this.fail(code, detail);
    this.#isCutOff = true;
    this.#note(code, detail);
  }

  attemptTimedOut(detail: string): void {
    this.#attempt?.timeOut(detail);
  }

  /** A client that does not take what waits for it is no fault of the service. */
  fellSilent(detail: string): void {
    if (this.#isCutOff) this.fail("slow-client", this.errorDetail);
    else this.fail(this.#isWaitingForDrain ? "downstream-abort" : "upstream-timeout", detail);
  }

  /** The request may reach a service twice, and all of it is still here. */
  #canRepeat(): boolean {
    return isIdempotent(this.request.method) && this.#hasWholeBody();
  }

  #hasWholeBody(): boolean {
    return this.#body === null || this.#body.canReplay;
  }

  /** Where to try again after `code` ("": an answer); null when that is not allowed or there is no such place. */
  #nextEndpoint(mayRepeat: boolean, code: ErrorCode | ""): Endpoint | null {
    this.#phase = "pick";
    const { retry } = (this.#route as RouteRuntime).spec;
    const backend = this.#backend as BackendRuntime;
    const now = performance.now();
    if ((this.#tried?.length ?? 0) >= retry.attempts || !mayRepeat) return null;
    if (!isFree(code) && !tryRetry(backend.service.retryBudget, now, retry)) return null;
    this.#tried = [...(this.#tried ?? []), this.#lastEndpoint as Endpoint];
    return pickEndpoint(this, backend, pickOccasion(now, this.#tried));
  }

  /** True: another endpoint is asked as soon as this answer is out of the way. */
  #dropsAnswer(status: number): boolean {
    const attempt = this.#attempt as Attempt;
    const endpoint = retriesStatus((this.#route as RouteRuntime).spec.retry.on, status) ? this.#nextEndpoint(this.#canRepeat(), "") : null;
    if (endpoint === null) return false;
    this.#body?.detach();
    attempt.handOver(new DroppedAnswer(attempt, () => this.#startAttempt(endpoint, false)));
    return true;
  }

  // ── responseFilters, stream ────────────────────────────────────────────────────────────────────────────────────

  attemptInterim(status: number, headers: HeaderList): void {
    this.#downstream.writeInterim(status, headers);
  }

  attemptHead(status: number, headers: HeaderList, bodyLength: number): void {
    if (status >= LOWEST_RETRIED_STATUS && this.#dropsAnswer(status)) return;
    this.#phase = "responseFilters";
    this.upstreamHeadAt = performance.now();
    this.#body?.forgetSent();
    this.status = this.#filterResponse(status, headers);
    this.#phase = "stream";
    this.#isHeadSent = true;
    this.#downstream.writeHead(this.status, headers, this.bodyTransform?.changesResponse === true ? -1 : bodyLength);
  }

  /** Applies response filters to `headers` in place; returns the status. */
  #filterResponse(status: number, headers: HeaderList): number {
    const filters = this.#route === null ? NO_FILTERS : this.#route.responseFilters;
    const filtered = filters.length === 0 ? status : filterResponse(this, filters, { status, headers });
    if (this.#extraHeaders !== null) headers.push(...this.#extraHeaders);
    if (this.#isExplained) headers.push(EXPLAIN_FIELD, explainField(this.#runtime.snapshot.version, this, this.#route));
    return filtered;
  }

  attemptBody(chunk: Uint8Array): void {
    this.#timers.hasMoved = true;
    const bytes = this.bodyTransform?.changesResponse === true ? this.bodyTransform.response(chunk) : chunk;
    this.responseBytes += bytes.length;
    if (this.#downstream.write(bytes)) return;
    this.#isWaitingForDrain = true;
    this.#attempt?.pause();
  }

  attemptReadEnd(): void {
    if (!this.#isHeadSent) return;
    this.#timers.watchSilence(this.#listener.spec.timeouts.streamIdleMs);
    this.#downstream.flush();
  }

  attemptEnd(trailers: HeaderList | null): void {
    this.#attempt = null;
    if (this.bodyTransform?.changesResponse === true) this.#endTransformed(this.bodyTransform, trailers);
    else this.#downstream.end(trailers);
    this.#complete();
  }

  #endTransformed(transform: BodyTransform, trailers: HeaderList | null): void {
    const last = transform.responseEnd(trailers);
    this.responseBytes += last.length;
    this.#downstream.write(last);
    this.#downstream.end();
  }

  /** From here on the relay moves the bytes, and its end is the end of the exchange. */
  attemptUpgrade(headers: HeaderList, socket: UpstreamWebSocket): void {
    this.#phase = "responseFilters";
    this.upstreamHeadAt = performance.now();
    this.#filterResponse(SWITCHING_PROTOCOLS, headers);
    this.#phase = "stream";
    this.status = SWITCHING_PROTOCOLS;
    this.#isHeadSent = true;
    this.#timers.stop();
    const relay = new WebSocketRelay(this, this.#listener.spec.webSocket, socket, this.#gateway.timers);
    this.#relay = relay;
    const client = this.#downstream.acceptWebSocket(headers, socket.protocol, relay.clientEvents);
    if (client === null) return socket.abort();
    this.#gateway.webSockets.add(relay);
    relay.start(client);
  }

  relayEnded(code: ErrorCode | "", detail: string, closeCode: number): void {
    if (this.#relay !== null) this.#gateway.webSockets.delete(this.#relay);
    if (this.#phase === "complete") return;
    if (this.#gateway.isClosing) this.#note("drain-timeout", "the drain timeout passed");
    else if (code !== "") this.#note(code, detail);
    this.closeCode = closeCode;
    this.responseBytes = this.#relay?.bytesFromService ?? 0;
    this.#attempt?.abort();
    this.#complete();
  }

  // ── news from downstream ───────────────────────────────────────────────────────────────────────────────────────

  onBody(chunk: Uint8Array, isLast: boolean): void {
    if (this.#phase === "complete" || this.#body === null) return;
    this.#timers.hasMoved = true;
    const bytes = this.bodyTransform === null ? chunk : this.bodyTransform.request(chunk, isLast);
    if (bytes === null) return this.fail("bad-request", "malformed body");
    this.#body.push(bytes, isLast);
    this.#tellHowMuchIsHere(this.#body);
    if (isLast) this.#startDeadline();
  }

  onTrailers(trailers: HeaderList): void {
    if (this.#phase === "complete" || this.#body === null) return;
    this.#body.finish(trailers);
    this.#tellHowMuchIsHere(this.#body);
    this.#startDeadline();
  }

  onBodyError(code: ErrorCode, detail: string): void {
    this.fail(code, detail);
  }

  onDrain(): void {
    if (!this.#isWaitingForDrain) return;
    if (this.#isCutOff) return this.fail("slow-client", this.errorDetail);
    this.#timers.hasMoved = true;
    this.#isWaitingForDrain = false;
    this.#attempt?.resume();
  }

  onAbort(): void {
    if (this.#phase === "complete") return;
    if (this.#gateway.isClosing) this.#note("drain-timeout", "the drain timeout passed");
    else if (!this.#isCutOff) this.#note("downstream-abort", "");
    this.#attempt?.abort();
    this.#complete();
  }

  // ── fail, complete ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends the exchange: a local reply while the head is not sent, a broken response after it. Safe at any time. */
  fail(code: ErrorCode, detail: string): void {
    if (this.#phase === "complete") return;
    if (this.#relay !== null) return this.#relay.abort(code, detail);
    this.#note(code, detail);
    this.#attempt?.abort(code);
    this.#attempt = null;
    // A head that is only stated can still be taken back: the caller then gets the reply that is true.
    if (this.#isHeadSent && !this.#downstream.takeBack()) {
      this.#downstream.abort();
      return this.#complete();
    }
    this.responseBytes = 0;
    this.#sendError(code, detail, NO_HEADERS);
  }

  #sendError(code: ErrorCode, detail: string, headers: readonly string[]): void {
    this.isLocalReply = true;
    const reply = localReply(this.request, code, detail, this.requestId, headers);
    this.#sendWhole(reply.status, reply.headers, reply.body);
  }

  /** A filter or the proxy itself threw: the caller gets 500, the log gets the error. */
  bug(error: unknown): void {
    this.#gateway.onBug(error);
    this.fail("internal", "");
  }

  #note(code: ErrorCode, detail: string): void {
    this.errorCode = code;
    this.errorDetail = detail.length > MAX_ERROR_DETAIL ? detail.slice(0, MAX_ERROR_DETAIL) : detail;
    this.flag = ERRORS[code].flag;
  }

  #sendWhole(status: number, headers: HeaderList, body: Uint8Array): void {
    this.status = this.#filterResponse(status, headers);
    this.#isHeadSent = true;
    this.#body?.discard();
    this.#downstream.writeHead(this.status, headers, body.length);
    if (body.length > 0) this.#downstream.write(body);
    this.responseBytes = body.length;
    this.#downstream.end();
    this.#complete();
  }

  #complete(): void {
    this.#phase = "complete";
    this.completedAt = performance.now();
    this.#timers.stop();
    this.#body?.discard();
    this.#gateway.active--;
    this.#gateway.observer.onComplete(this);
  }
}

const NO_HEADERS: readonly string[] = [];
const NO_FILTERS: RouteRuntime["responseFilters"] = [];
