/**
 * The HTTP/2 connections to one target. Requests go to the oldest session that takes them, so that frames of many share a
 * write and sessions that are not needed grow idle; another is opened when all streams are in use. Requests that find none
 * wait in order of arrival, a bounded number of them for a bounded time, several for one connect.
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
import { describeSocketError } from "./socket-errors.js";
import type { IdleHolder, UpstreamSockets } from "./upstream-sockets.js";

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
  readonly #waiting = new Map<Http2Call, Http2RequestHead>();
  #connectingCount = 0;
  #expectedStreams = ASSUMED_STREAMS;
  readonly #webSockets = new Set<UpstreamWebSocket>();
  #tls: TlsClient | null = null;

  constructor(target: UpstreamTarget, owner: SessionsOwner) {
    this.target = target;
    this.#owner = owner;
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

  start(call: Http2Call, head: Http2RequestHead): void {
    if (call.request.isWebSocket && !this.hasRoomForWebSocket()) {
      return call.failLater("upstream-overflow", `${this.#webSockets.size} WebSockets open`);
    }
    const session = this.#sessionFor(call.request.isFresh);
    if (session !== undefined) return session.begin(call, head);
    // Each connect brings room for one at least: who opens a connection does not wait for one.
    const room = this.target.maxPendingRequests + this.#connectingCount + (this.#mayConnect() ? 1 : 0);
    if (this.#waiting.size >= room) return call.failLater("upstream-overflow", this.#busy());
    this.#wait(call, head);
    this.#openAsNeeded();
    if (this.connectionCount === 0) this.#refuse(call);
  }

  /** A call that was given up while it waited. */
  leave(call: Http2Call): void {
    call.waitTimer?.cancel();
    this.#waiting.delete(call);
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
    if (before.kind === "connecting" && state.kind !== "connecting") this.#connectingCount--;
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
    for (const [call, head] of this.#waiting) {
      if (!session.hasRoom) break;
      this.leave(call);
      session.begin(call, head);
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
    const calls = [...this.#waiting.keys()];
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
    if (this.connectionCount === 0 && this.#waiting.size === 0) this.#owner.emptied(this);
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
    while (this.#waiting.size > this.#connectingCount * this.#expectedStreams && this.#mayConnect()) {
      if (!this.#owner.sockets.hasRoom(this) || !this.#open()) return;
    }
  }

  #open(): boolean {
    try {
      this.#sessions.push(new Http2Session(this));
    } catch (error) {
      this.#failWaiting(this.target.tls === null ? "connect-failed" : "upstream-tls-failed", describeSocketError(error));
      return false;
    }
    this.#connectingCount++;
    this.#owner.sockets.opened();
    return true;
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

  #wait(call: Http2Call, head: Http2RequestHead): void {
    call.waitIn(this);
    this.#waiting.set(call, head);
    call.waitTimer = this.timers.create(() => this.#onWaitedTooLong(call));
    call.waitTimer.arm(this.target.connectTimeoutMs);
  }

  #onWaitedTooLong(call: Http2Call): void {
    const { connectTimeoutMs } = this.target;
    const isConnecting = this.#connectingCount > 0 && this.#connectingCount === this.#sessions.length;
    if (isConnecting) call.fail("connect-timeout", `not connected within ${connectTimeoutMs} ms`);
    else call.fail("upstream-overflow", `no stream free within ${connectTimeoutMs} ms`);
  }

  /** In a later turn: a request that has just been started must not fail from within that. */
  #failWaiting(code: ErrorCode, detail: string): void {
    const calls = [...this.#waiting.keys()];
    for (const call of calls) this.leave(call);
    for (const call of calls) call.failLater(code, detail);
  }
}
