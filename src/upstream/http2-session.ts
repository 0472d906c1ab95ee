/**
 * One HTTP/2 connection to one target, as a state machine: connecting until the service's SETTINGS are there, ready, draining
 * (no new requests, those under way go on), closed; or handed over to HTTP/1.1. It owns the socket and the codec; what a stream says goes to its call.
 */
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import type { TLSSocket } from "node:tls";
import type { UpstreamTarget } from "../engine/model/endpoint.js";
import type { ErrorCode } from "../engine/model/errors.js";
import { type HeaderList, headerValue } from "../engine/model/request.js";
import type { Timer } from "../proxy/ports.js";
import type { UpstreamWebSocket } from "../proxy/web-socket-ports.js";
import { Http2Connection } from "../wire/http2/connection.js";
import { CANCEL, INTERNAL_ERROR } from "../wire/http2/error-codes.js";
import type { Http2Events, Http2RequestHead, Http2ResponseHead } from "../wire/http2/events.js";
import { OutputPump } from "../wire/http2/output-pump.js";
import type { Http2Refusal, StreamRefusal } from "../wire/http2/refusal.js";
import type { Http2Stream } from "../wire/http2/stream.js";
import { reportFailedWrites } from "./failed-writes.js";
import type { Http2Call } from "./http2-call.js";
import { upstreamHttp2Limits } from "./http2-limits.js";
import { Http2Pulse } from "./http2-pulse.js";
import type { StreamCarrier, StreamUser } from "./http2-stream-user.js";
import { Http2Tunnel } from "./http2-tunnel.js";
import type { OpenedSocket, ReadBuffer, TlsClient } from "./open-socket.js";
import { openSocket } from "./open-socket.js";
import type { SlowClients } from "./slow-clients.js";
import type { ConnectionStage } from "./socket-errors.js";
import { describeSocketError, describeStreamError, socketErrorCode, streamErrorCode } from "./socket-errors.js";
import { ServiceWebSocket, type WebSocketOwner } from "./web-socket.js";
import { negotiationProblem, withoutHandshake } from "./web-socket-handshake.js";

const NO_EXTENDED_CONNECT = "the service does not announce extended CONNECT (RFC 8441)";
const NOTHING = new Uint8Array(0);

/** `stage` "open": connected, but the service's SETTINGS have not come. */
export type SessionState =
  | { readonly kind: "connecting"; readonly stage: ConnectionStage }
  | { readonly kind: "ready" }
  | { readonly kind: "draining"; readonly reason: string }
  | { readonly kind: "closed"; readonly code: ErrorCode; readonly detail: string }
  /** The service chose HTTP/1.1: the socket is for others now. */
  | { readonly kind: "handedOver"; readonly opened: OpenedSocket };

/** The group of sessions to one target, as a session sees it. */
export interface SessionOwner extends WebSocketOwner {
  readonly target: UpstreamTarget;
  /** Of all sessions together. */
  readonly slowClients: SlowClients;
  hasRoomForWebSocket(): boolean;
  webSocketStarted(socket: UpstreamWebSocket): void;
  /** Null for plain TCP. Throws when the CA bundle cannot be parsed. */
  tlsClient(): TlsClient | null;
  /** After every change of `session.state`. */
  stateChanged(session: Http2Session, before: SessionState): void;
  /** A stream has ended, or the service allows more: requests that wait may have their turn. */
  roomMade(session: Http2Session): void;
}

/** How long an orderly end may take. */
const LINGER_MS = 1_000;
/** Probes of the kernel, for peers that are gone without a word while nothing is under way. */
const TCP_KEEP_ALIVE_MS = 30_000;
const ALPN = { http1: [], http2: ["h2"], negotiated: ["h2", "http/1.1"] } as const;

export class Http2Session implements StreamCarrier, Http2Events {
  readonly #owner: SessionOwner;
  readonly #opened: OpenedSocket;
  readonly #socket: Socket;
  readonly #isTls: boolean;
  readonly #connection: Http2Connection;
  readonly #output: OutputPump;
  readonly #pulse = new Http2Pulse();
  readonly #users = new Set<StreamUser>();
  /** Connecting, idle, or lingering: never two of them. */
  readonly #timer: Timer;
  readonly #pulseTimer: Timer;
  #ageTimer: Timer | null = null;
  #state: SessionState = { kind: "connecting", stage: "connect" };
  /** Had news in this read. */
  #touched: StreamUser[] = [];
  #readCount = 0;
  /** A response has been completed: what fails now on this connection may fail because it is old. */
  #isProven = false;
  #isIdle = false;
  #isTurnDue = false;
  #isPulseDue = false;
  readonly #listeners: readonly (readonly [string, (error: Error) => void])[] = [
    ["end", () => this.#lose(this.#goneCode(), "the service closed the connection")],
    ["error", (error) => this.#lose(socketErrorCode(error, this.#stage()), describeSocketError(error))],
    ["close", () => this.#lose(this.#goneCode(), "connection closed")],
  ];

  /** Throws when the target cannot be connected to at all (bad port, unreadable CA). */
  constructor(owner: SessionOwner) {
    const { target, timers } = owner;
    const tls = owner.tlsClient();
    this.#owner = owner;
    this.#isTls = tls !== null;
    this.#connection = new Http2Connection("client", upstreamHttp2Limits(target.http2), this);
    const onRead = (byteCount: number, buffer: ReadBuffer): boolean => this.#onRead(byteCount, buffer);
    this.#opened = openSocket(target, { tls, alpn: ALPN[target.version], onRead });
    this.#socket = this.#opened.socket;
    // Also after a failed write: what the codec still has to say is taken and goes nowhere.
    const onWritten = (): void => this.#output.flush();
    this.#output = new OutputPump(this.#socket, this.#connection, { onWritten, allocate: Buffer.allocUnsafe });
    this.#timer = timers.create(() => this.#onTimer());
    this.#pulseTimer = timers.create(() => this.#onPulse());
    this.#timer.arm(target.connectTimeoutMs);
    this.#listen();
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Open streams. */
  get streamCount(): number {
    return this.#connection.openStreams;
  }

  get isIdle(): boolean {
    return this.#state.kind === "ready" && this.#connection.openStreams === 0;
  }

  /** Another request may begin here. */
  get hasRoom(): boolean {
    return this.#state.kind === "ready" && this.#connection.canRequest;
  }

  /** How many requests the service takes at a time. */
  get maxStreams(): number {
    return Math.min(this.#connection.peer.maxConcurrentStreams, this.#owner.target.http2.maxConcurrentStreams);
  }

  get silentMs(): number {
    return this.#pulse.silentMs;
  }

  /** Only with `hasRoom`. */
  begin(call: Http2Call, head: Http2RequestHead): void {
    const { bodyLength, isWebSocket } = call.request;
    if (isWebSocket && !this.#connection.peer.allowsExtendedConnect) return call.failLater("upgrade-not-supported", NO_EXTENDED_CONNECT);
    this.#wakeUp();
    const stream = this.#connection.sendRequest(head, bodyLength === 0 && !isWebSocket);
    if (stream === null) return call.failLater("internal", "no stream where there was room");
    this.#users.add(call);
    call.readCountAtStart = this.#readCount;
    this.#turnLater();
    call.open(this, stream);
  }

  /** In good order when nothing is under way; what is, fails. */
  close(detail: string): void {
    if (this.#state.kind === "connecting") return this.#lose("upstream-closed", detail);
    this.#become({ kind: "closed", code: "upstream-closed", detail });
  }

  // ── The one place where the state changes ──────────────────────────────────────────────────────────────────────

  #become(next: SessionState): void {
    const before = this.#state;
    if (before.kind === "closed" || before.kind === "handedOver") return;
    this.#state = next;
    if (next.kind === "ready") this.#onReady();
    else if (next.kind === "closed") this.#onClosed(next, before);
    else if (next.kind === "handedOver") this.#letGo();
    this.#owner.stateChanged(this, before);
    if (next.kind === "closed") this.#failUsers(next.code, next.detail);
    else this.#turnLater();
  }

  #onReady(): void {
    const { connectionAgeMs } = this.#owner.target;
    this.#timer.cancel();
    if (connectionAgeMs === 0) return;
    this.#ageTimer = this.#owner.timers.create(() => this.#become({ kind: "draining", reason: "connection age" }));
    this.#ageTimer.arm(connectionAgeMs);
  }

  #onClosed({ code }: { readonly code: ErrorCode }, before: SessionState): void {
    this.#timer.cancel();
    this.#pulseTimer.cancel();
    this.#ageTimer?.cancel();
    const isOrderly = before.kind !== "connecting" && (code === "upstream-closed" || code === "upstream-protocol");
    if (isOrderly && !this.#socket.destroyed) this.#linger();
    else this.#socket.destroy();
  }

  #letGo(): void {
    this.#timer.cancel();
    for (const [event, listener] of this.#listeners) this.#socket.off(event, listener);
  }

  /** The last GOAWAY leaves, and then the socket goes. */
  #linger(): void {
    if (this.#connection.refusal === null) this.#connection.goAway(0);
    this.#output.flush();
    this.#socket.destroySoon();
    this.#timer.arm(LINGER_MS);
  }

  #failUsers(code: ErrorCode, detail: string): void {
    const users = [...this.#users];
    this.#users.clear();
    for (const user of users) user.lost(this.#isStale(user, code) ? "upstream-stale" : code, detail);
  }

  /** The service gave the connection up before it can have seen this request, as far as anybody can tell. */
  #isStale(user: StreamUser, code: ErrorCode): boolean {
    const isGone = code === "upstream-closed" || code === "upstream-reset";
    return isGone && this.#isProven && user.readCountAtStart === this.#readCount;
  }

  #lose(code: ErrorCode, detail: string): void {
    this.#become({ kind: "closed", code, detail });
  }

  // ── StreamCarrier ────────────────────────────────────────────────────────────────────────────────────────────────

  get slowClients(): SlowClients {
    return this.#owner.slowClients;
  }

  send(stream: Http2Stream, bytes: Uint8Array): number {
    this.#turnLater();
    return this.#connection.sendData(stream, bytes, false);
  }

  endRequest(stream: Http2Stream, trailers: readonly string[]): void {
    this.#turnLater();
    this.#connection.sendTrailers(stream, trailers);
  }

  credit(stream: Http2Stream): void {
    this.#connection.consume(stream, stream.unconsumedBytes);
    this.#turnLater();
  }

  release(user: StreamUser, stream: Http2Stream): void {
    if (!this.#users.delete(user)) return;
    stream.owner = null;
    if (stream.isReceiveEnded) this.#isProven = true;
    this.#connection.consume(stream, stream.unconsumedBytes);
    // Also after a complete response: what is left of the request has no reader any more (RFC 9113 §8.1).
    if (!stream.isReceiveEnded || !stream.isSendEnded) this.#connection.reset(stream, CANCEL);
    this.#turnLater();
  }

  touch(user: StreamUser): void {
    this.#touched.push(user);
  }

  upgrade(call: Http2Call, stream: Http2Stream, headers: HeaderList): void {
    const problem = negotiationProblem(call.request.headers, headers);
    if (problem !== null) return call.fail("upstream-protocol", problem);
    if (!this.#owner.hasRoomForWebSocket()) return call.fail("upstream-overflow", "too many WebSockets open");
    const tunnel = new Http2Tunnel(this, stream);
    this.#users.delete(call);
    this.#users.add(tunnel);
    stream.owner = tunnel;
    if (stream.isReceiveEnded) tunnel.ended();
    const protocol = headerValue(headers, "sec-websocket-protocol") ?? "";
    const socket = new ServiceWebSocket(tunnel, this.#owner, protocol, NOTHING);
    this.#owner.webSocketStarted(socket);
    call.upgraded(withoutHandshake(headers), socket);
  }

  // ── Http2Events ────────────────────────────────────────────────────────────────────────────────────────────────

  onInterim(stream: Http2Stream, status: number, headers: string[]): void {
    this.#pulse.moved();
    if (status !== 100) userOf(stream)?.interim(status, headers);
  }

  onResponse(stream: Http2Stream, head: Http2ResponseHead, isEnd: boolean): void {
    this.#pulse.moved();
    userOf(stream)?.responded(head, isEnd);
  }

  onData(stream: Http2Stream, data: Uint8Array, isEnd: boolean): void {
    this.#pulse.moved();
    const user = userOf(stream);
    if (user === null) this.#connection.consume(stream, data.length);
    else user.received(data, isEnd);
  }

  onTrailers(stream: Http2Stream, trailers: string[]): void {
    userOf(stream)?.ended(trailers);
  }

  onReset(stream: Http2Stream, errorCode: number, reason: StreamRefusal | null): void {
    const user = userOf(stream);
    if (user === null) return;
    if (reason !== null) user.lost("upstream-protocol", reason);
    else user.lost(streamErrorCode(errorCode, user.hasHead), `stream reset: ${describeStreamError(errorCode)}`);
  }

  onWritable(stream: Http2Stream): void {
    userOf(stream)?.writable();
  }

  onSettings(): void {
    if (this.#state.kind === "connecting") this.#become({ kind: "ready" });
  }

  onPingAck(): void {}

  /** What it has not looked at has been told so already, by `onReset`. */
  onGoAway(_lastStreamId: number, errorCode: number): void {
    this.#become({ kind: "draining", reason: `GOAWAY: ${describeStreamError(errorCode)}` });
  }

  onRequest(): void {}

  onOversizedRequest(): void {}

  onRefusedRequest(): void {}

  // ── Socket events ──────────────────────────────────────────────────────────────────────────────────────────────

  #listen(): void {
    const socket = this.#socket;
    if (this.#isTls) {
      socket.once("connect", () => {
        if (this.#isAt("connect")) this.#become({ kind: "connecting", stage: "handshake" });
      });
    }
    socket.once(this.#isTls ? "secureConnect" : "connect", () => this.#onOpen());
    for (const [event, listener] of this.#listeners) socket.on(event, listener);
  }

  #onOpen(): void {
    if (this.#state.kind !== "connecting") return;
    const chosen = this.#isTls ? (this.#socket as TLSSocket).alpnProtocol : "h2";
    if (chosen !== "h2") return this.#onOtherProtocol();
    // A GOAWAY that says what was not processed can still be read when writing has failed.
    reportFailedWrites(this.#socket, (error) => this.#onWriteFailed(describeSocketError(error)));
    this.#socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
    this.#become({ kind: "connecting", stage: "open" });
  }

  #onWriteFailed(reason: string): void {
    if (this.#state.kind === "connecting") this.#lose("connect-failed", reason);
    else this.#become({ kind: "draining", reason });
  }

  #onOtherProtocol(): void {
    if (this.#owner.target.version === "negotiated") this.#become({ kind: "handedOver", opened: this.#opened });
    else this.#lose("upstream-tls-failed", "the service did not choose h2 (ALPN)");
  }

  #isAt(stage: ConnectionStage): boolean {
    return this.#state.kind === "connecting" && this.#state.stage === stage;
  }

  #stage(): ConnectionStage {
    return this.#state.kind === "connecting" ? this.#state.stage : "open";
  }

  /** Before its SETTINGS a service has not promised anything: that counts as a failed connect. */
  #goneCode(): ErrorCode {
    if (this.#state.kind !== "connecting") return "upstream-closed";
    return this.#state.stage === "handshake" ? "upstream-tls-failed" : "connect-failed";
  }

  /**
   * Reading never stops: with a service that stops reading while it cannot write, both would wait for ever. What it can make us
   * hold is bounded by the windows, and what it can make us say by the codec.
   */
  #onRead(byteCount: number, buffer: ReadBuffer): boolean {
    if (this.#state.kind === "closed") return true;
    const nowMs = performance.now();
    this.#readCount++;
    this.#pulse.heard(nowMs);
    this.#connection.feed(buffer, 0, byteCount, nowMs);
    this.#readEnded();
    const { refusal } = this.#connection;
    if (refusal !== null) this.#refused(refusal);
    else this.#turnLater();
    return true;
  }

  #readEnded(): void {
    const touched = this.#touched;
    if (touched.length === 0) return;
    this.#touched = [];
    for (const user of touched) user.readEnded();
  }

  #refused({ errorCode, reason }: Http2Refusal): void {
    const isOurs = errorCode === INTERNAL_ERROR;
    this.#lose("upstream-protocol", isOurs ? reason : `${reason} (${describeStreamError(errorCode)})`);
  }

  // ── Once per turn of the loop ──────────────────────────────────────────────────────────────────────────────────

  #turnLater(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(runTurn, this);
  }

  /** @internal */
  turn(): void {
    this.#isTurnDue = false;
    if (!this.#isOpen()) return;
    this.#output.flush();
    if (this.#state.kind === "ready") this.#owner.roomMade(this);
    if (this.#connection.openStreams === 0) this.#rest();
  }

  #isOpen(): boolean {
    const { kind } = this.#state;
    return kind === "ready" || kind === "draining" || this.#isAt("open");
  }

  // ── Rest, silence, age ─────────────────────────────────────────────────────────────────────────────────────────

  /** Nothing is under way. */
  #rest(): void {
    const { keepAliveMs } = this.#owner.target;
    if (this.#state.kind === "draining") return this.close(this.#state.reason);
    if (this.#state.kind !== "ready" || this.#isIdle) return;
    if (keepAliveMs === 0) return this.close("not kept alive");
    this.#isIdle = true;
    this.#timer.arm(keepAliveMs);
  }

  /** The first request after a rest: if the connection has died meanwhile, a ping tells sooner than the request's timeout. */
  #wakeUp(): void {
    const { pingMs } = this.#owner.target.http2;
    if (this.#isIdle) {
      this.#isIdle = false;
      this.#timer.cancel();
      if (pingMs > 0 && this.#pulse.silentMs > pingMs) this.#ping();
    }
    if (this.#isPulseDue || pingMs === 0) return;
    this.#isPulseDue = true;
    this.#pulseTimer.arm(pingMs);
  }

  #ping(): void {
    if (this.#connection.ping()) this.#pulse.pinged();
    this.#turnLater();
  }

  #onPulse(): void {
    const { pingMs } = this.#owner.target.http2;
    this.#isPulseDue = false;
    if (pingMs === 0 || this.#connection.openStreams === 0) return;
    const verdict = this.#pulse.judge(pingMs);
    if (verdict === "dead") return this.#lose("upstream-closed", `no answer to a ping within ${pingMs} ms`);
    if (verdict === "ping") this.#ping();
    this.#isPulseDue = true;
    this.#pulseTimer.arm(pingMs);
  }

  #onTimer(): void {
    if (this.#state.kind === "closed") this.#socket.destroy();
    else if (this.#state.kind === "connecting") this.#lose("connect-timeout", `no ${this.#waitsFor()} in time`);
    else if (this.#isIdle) this.close("idle");
  }

  #waitsFor(): string {
    return this.#stage() === "open" ? "SETTINGS" : this.#stage();
  }
}

function userOf(stream: Http2Stream): StreamUser | null {
  return stream.owner as StreamUser | null;
}

function runTurn(session: Http2Session): void {
  session.turn();
}
