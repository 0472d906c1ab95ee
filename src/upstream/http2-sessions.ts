/**
 * The HTTP/2 connections to one target. Requests go to the oldest session that takes them, so that frames of many share a
 * write and sessions that are not needed grow idle; another is opened when all streams are in use. Requests that find none
 * wait in order of arrival, a bounded number of them for a bounded time, several for one connect; those whose bodies are
 * not here yet have only a share of the streams and wait behind the others.
 */
import type { UpstreamTarget } from "../engine/model/endpoint.js";
import type { ErrorCode } from "../engine/model/errors.js";
import type { Timers } from "../proxy/ports.js";
import type { UpstreamWebSocket } from "../proxy/web-socket-ports.js";
import type { Http2RequestHead } from "../wire/http2/events.js";
import type { CallQueue, Http2Call } from "./http2-call.js";
import type { SessionOwner, SessionState } from "./http2-session.js";
import { Http2Session } from "./http2-session.js";
import type { OpenedSocket, TlsClient } from "./open-socket.js";
import { createTlsClient } from "./open-socket.js";
import { Relief } from "./relief.js";
import { noPlaceForUpload, SlowClients, shareOf } from "./slow-clients.js";
import { describeSocketError } from "./socket-errors.js";
import type { IdleHolder, UpstreamSockets } from "./upstream-sockets.js";
import { GATHERING_MS, WaitingCalls } from "./waiting-calls.js";
import { Warming, type WarmResult } from "./warming.js";

export interface SessionsOwner {
  readonly timers: Timers;
  readonly sockets: UpstreamSockets;
  /** Nothing is left of it. */
  emptied(sessions: Http2Sessions): void;
  /** The target speaks HTTP/1.1: `opened` is connected to it, and these calls are to be carried on so. */
  choseHttp1(sessions: Http2Sessions, opened: OpenedSocket, calls: readonly Http2Call[]): void;
}

/** Until a session has told what the service allows. */
const ASSUMED_STREAMS = 100;
/** A session that was heard so recently is no stale one. */
const LIVELY_MS = 1_000;

export class Http2Sessions implements SessionOwner, CallQueue, IdleHolder {
  /** The latest one with this key: limits may change with a new snapshot. */
  target: UpstreamTarget;
  readonly #owner: SessionsOwner;
  /** Connecting and ready, the oldest first. */
  #sessions: Http2Session[] = [];
  /** These serve what they have and count against no limit but that of open files: others must be able to take their place. */
  readonly #draining = new Set<Http2Session>();
  readonly slowClients = new SlowClients(() => this.#uploadEnded());
  readonly #waiting = new WaitingCalls<Http2Call>();
  readonly #relief: Relief;
  #connectingCount = 0;
  #expectedStreams = ASSUMED_STREAMS;
  readonly #warming = new Warming<Http2Session>();
  readonly #webSockets = new Set<UpstreamWebSocket>();
  #tls: TlsClient | null = null;

  constructor(target: UpstreamTarget, owner: SessionsOwner) {
    this.target = target;
    this.#owner = owner;
    this.#relief = new Relief(owner.timers, () => this.#relieve());
  }

  get timers(): Timers {
    return this.#owner.timers;
  }

  get connectionCount(): number {
    return this.#sessions.length + this.#draining.size;
  }

  get idleCount(): number {
    return this.#sessions.filter((session) => session.isIdle).length;
  }

  get streamCount(): number {
    return [...this.#sessions, ...this.#draining].reduce((sum, session) => sum + session.streamCount, 0);
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  get webSocketCount(): number {
    return this.#webSockets.size;
  }

  hasRoomForWebSocket(): boolean {
    return this.#webSockets.size < this.target.maxWebSockets;
  }

  webSocketStarted(socket: UpstreamWebSocket): void {
    this.#webSockets.add(socket);
  }

  webSocketEnded(socket: UpstreamWebSocket): void {
    this.#webSockets.delete(socket);
  }

  tlsClient(): TlsClient | null {
    const { host, tls } = this.target;
    if (tls !== null && this.#tls === null) this.#tls = createTlsClient(tls, host);
    return this.#tls;
  }

  /** Opens sessions until there are `count`, as far as that takes nobody's place. */
  warm(count: number, result: WarmResult): number {
    const isEnough = (): boolean => this.#sessions.length >= count || !this.#mayConnect() || !this.#owner.sockets.hasSpareRoom;
    const begun = this.#warming.fill(isEnough, () => this.#open(), result);
    this.#reportWhenEmpty();
    return begun;
  }

  /** `call.head` is there. */
  start(call: Http2Call): void {
    if (call.request.isWebSocket && !this.hasRoomForWebSocket()) {
      return call.failLater("upstream-overflow", `${this.#webSockets.size} WebSockets open`);
    }
    const session = this.#admits(call) ? this.#sessionFor(call.request.isFresh) : undefined;
    if (session !== undefined) return begin(session, call);
    if (!this.#hasRoomInQueue(call)) return call.failLater("upstream-overflow", this.#busy());
    this.#wait(call);
    this.#openAsNeeded();
    if (this.connectionCount === 0) this.#refuse(call);
  }

  get isConnecting(): boolean {
    return this.#connectingCount > 0 && this.#connectingCount === this.#sessions.length;
  }

  /** A call that was given up while it waited. */
  leave(call: Http2Call): void {
    this.#waiting.leave(call);
  }

  bodyArrived(call: Http2Call): void {
    this.#waiting.promote(call);
    call.waitTimer?.arm(this.target.connectTimeoutMs);
    const isNext = this.#nextWaiting() === call;
    const session = isNext ? this.#sessionFor(call.request.isFresh) : undefined;
    if (session === undefined) return this.#relief.soon();
    this.leave(call);
    begin(session, call);
  }

  /** False when none is idle. */
  closeOldestIdle(): boolean {
    const oldest = this.#sessions.find((session) => session.isIdle);
    oldest?.close("its place is needed");
    return oldest !== undefined;
  }

  /** Everything fails at once, waiting or under way. */
  closeAll(): void {
    this.#failWaiting("upstream-closed", "connector closed");
    for (const session of [...this.#sessions, ...this.#draining]) session.close("connector closed");
  }

  // ── SessionOwner ───────────────────────────────────────────────────────────────────────────────────────────────

  stateChanged(session: Http2Session, before: SessionState): void {
    const { state } = session;
    if (before.kind === "connecting" && state.kind !== "connecting") {
      this.#connectingCount--;
      this.#warming.settle(session, state.kind !== "closed");
    }
    switch (state.kind) {
      case "connecting":
        return;
      case "ready":
        return this.roomMade(session);
      case "draining":
        return this.#drain(session);
      case "handedOver":
        return this.#handOver(session, state.opened);
      case "closed":
        return this.#closed(session, before, state);
    }
  }

  roomMade(session: Http2Session): void {
    this.#expectedStreams = session.maxStreams;
    if (this.#waiting.size === 0) return;
    for (let call = this.#nextWaiting(); call !== undefined && session.hasRoom; call = this.#nextWaiting()) {
      this.leave(call);
      begin(session, call);
    }
    this.#openAsNeeded();
  }

  #drain(session: Http2Session): void {
    this.#forget(session);
    this.#draining.add(session);
    this.#openAsNeeded();
  }

  #handOver(session: Http2Session, opened: OpenedSocket): void {
    this.#forget(session);
    const calls = this.#waiting.all();
    for (const call of calls) this.leave(call);
    this.#owner.choseHttp1(this, opened, calls);
    this.#reportWhenEmpty();
  }

  #closed(session: Http2Session, before: SessionState, { code, detail }: { readonly code: ErrorCode; readonly detail: string }): void {
    this.#forget(session);
    this.#draining.delete(session);
    this.#owner.sockets.closed();
    const isFailedConnect = before.kind === "connecting" && code !== "upstream-closed";
    // As long as another session is there, or on its way, it is worth waiting for.
    if (isFailedConnect && this.#sessions.length === 0) this.#failWaiting(code, detail);
    else if (!isFailedConnect) this.#openAsNeeded();
    this.#reportWhenEmpty();
  }

  #forget(session: Http2Session): void {
    this.#sessions = this.#sessions.filter((other) => other !== session);
  }

  #reportWhenEmpty(): void {
    if (this.connectionCount > 0 || this.#waiting.size > 0) return;
    this.#relief.stop();
    this.#owner.emptied(this);
  }

  // ── Choosing, opening, waiting ─────────────────────────────────────────────────────────────────────────────────

  #sessionFor(isFresh: boolean): Http2Session | undefined {
    const mayBeSilent = !isFresh || !this.#mayConnect();
    for (const session of this.#sessions) {
      if (session.hasRoom && (mayBeSilent || session.silentMs < LIVELY_MS)) return session;
    }
    return undefined;
  }

  #mayConnect(): boolean {
    return this.#sessions.length < this.target.maxConnections;
  }

  /** As many connects as the requests that wait will need streams. */
  #openAsNeeded(): void {
    while (this.#servableCount() > this.#connectingCount * this.#expectedStreams && this.#mayConnect()) {
      if (!this.#owner.sockets.hasRoom(this) || this.#open() === null) return;
    }
  }

  /** Null when it cannot even be begun. */
  #open(): Http2Session | null {
    let session: Http2Session;
    try {
      session = new Http2Session(this);
    } catch (error) {
      this.#failWaiting(this.target.tls === null ? "connect-failed" : "upstream-tls-failed", describeSocketError(error));
      return null;
    }
    this.#sessions.push(session);
    this.#connectingCount++;
    this.#owner.sockets.opened();
    return session;
  }

  #busy(): string {
    return `${this.#sessions.length} connections full, ${this.#waiting.size} requests waiting`;
  }

  /** Nobody is connected whom the call could wait for. */
  #refuse(call: Http2Call): void {
    if (this.#waiting.has(call)) {
      this.leave(call);
      call.failLater("overloaded", "as many connections are open as the limit of open files allows");
    }
    this.#owner.emptied(this);
  }

  #admits(call: Http2Call): boolean {
    return call.bodyState === "whole" || this.#admitsUpload();
  }

  /** Another body that is not here yet may have a stream. */
  #admitsUpload(): boolean {
    return this.slowClients.uploads < this.#uploadShare();
  }

  #uploadShare(): number {
    return shareOf(this.target.maxConnections * this.#expectedStreams, this.target.maxSlowClientPercent);
  }

  #nextWaiting(): Http2Call | undefined {
    return this.#waiting.size === 0 ? undefined : this.#waiting.next(this.#admitsUpload());
  }

  /** Those for which another connection would be of use. */
  #servableCount(): number {
    const uploads = Math.min(this.#waiting.uploadCount, Math.max(0, this.#uploadShare() - this.slowClients.uploads));
    return this.#waiting.wholeCount + uploads;
  }

  /** Each connect brings room for one at least: who opens a connection does not wait for one. */
  #hasRoomInQueue(call: Http2Call): boolean {
    const connects = this.#connectingCount + (this.#mayConnect() ? 1 : 0);
    const room = this.target.maxPendingRequests + connects;
    if (this.#admits(call)) return this.#servableCount() < room;
    return this.#hasRoomForBody(room + this.target.maxConnections * this.#expectedStreams - this.#uploadShare());
  }

  /**
   * There are streams for those whose bodies are here, so at least as many may wait for their bodies. When they are too
   * many, the one goes whose client has had most time.
   */
  #hasRoomForBody(room: number): boolean {
    if (this.#waiting.uploadCount < room) return true;
    const oldest = this.#waiting.oldestPartial;
    if (oldest === undefined) return false;
    this.leave(oldest);
    oldest.failLater("upstream-overflow", this.#busy());
    return true;
  }

  #wait(call: Http2Call): void {
    call.waitIn(this);
    this.#waiting.add(call);
    call.waitTimer = this.timers.create(() => this.#onWaitedTooLong(call));
    const { connectTimeoutMs } = this.target;
    call.waitTimer.arm(this.#admits(call) ? connectTimeoutMs : Math.max(GATHERING_MS, connectTimeoutMs));
    this.#relief.soon();
  }

  #onWaitedTooLong(call: Http2Call): void {
    const { connectTimeoutMs } = this.target;
    if (this.isConnecting) call.fail("connect-timeout", `not connected within ${connectTimeoutMs} ms`);
    else if (!this.#admits(call)) call.fail("upstream-overflow", noPlaceForUpload(this.target));
    else call.fail("upstream-overflow", `no stream free within ${connectTimeoutMs} ms`);
  }

  /** In a later turn: a request that has just been started must not fail from within that. */
  #failWaiting(code: ErrorCode, detail: string): void {
    const calls = this.#waiting.all();
    for (const call of calls) this.leave(call);
    for (const call of calls) call.failLater(code, detail);
  }

  #uploadEnded(): void {
    if (this.#waiting.uploadCount > 0) this.#relief.soon();
  }

  // ── Slow clients ───────────────────────────────────────────────────────────────────────────────────────────────

  #relieve(): boolean {
    this.#serveWaiting();
    while (this.#cutOne()) this.#serveWaiting();
    return this.#waiting.wholeCount + this.#waiting.fullCount > 0;
  }

  #serveWaiting(): void {
    for (const session of this.#sessions) if (session.hasRoom) this.roomMade(session);
  }

  /** Of those that wait for their clients, one that is beyond their share: false when there is none. */
  #cutOne(): boolean {
    const { slowClients } = this;
    const needsStream = this.#waiting.wholeCount > 0 || (this.#waiting.fullCount > 0 && this.#admitsUpload());
    if (!needsStream) return this.#waiting.fullCount > 0 && slowClients.cutUpload();
    if (this.#connectingCount > 0) return false;
    const places = this.#sessions.length * this.#expectedStreams;
    return slowClients.count > shareOf(places, this.target.maxSlowClientPercent) && slowClients.cutAny();
  }
}

/** Whoever has a place in here could be encoded. */
function begin(session: Http2Session, call: Http2Call): void {
  session.begin(call, call.head as Http2RequestHead);
}
