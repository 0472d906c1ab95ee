/**
 * The connections to one target: the last one used is the first one reused, so that a shrinking load lets the others
 * grow old. Requests that find none wait in order of arrival, a bounded number of them for a bounded time; those whose
 * bodies are not here yet have only a share of the connections and wait behind the others.
 */
import type { UpstreamTarget } from "../engine/model/endpoint.js";
import type { ErrorCode } from "../engine/model/errors.js";
import type { Timers } from "../proxy/ports.js";
import type { UpstreamWebSocket } from "../proxy/web-socket-ports.js";
import type { Carrier, Http1Call } from "./http1-call.js";
import type { ConnectionOwner } from "./http1-connection.js";
import { Http1Connection } from "./http1-connection.js";
import type { OpenedSocket, TlsClient } from "./open-socket.js";
import { createTlsClient } from "./open-socket.js";
import { Relief } from "./relief.js";
import { noPlaceForUpload, SlowClients, shareOf } from "./slow-clients.js";
import { describeSocketError } from "./socket-errors.js";
import type { IdleHolder, UpstreamSockets } from "./upstream-sockets.js";
import { GATHERING_MS, WaitingCalls } from "./waiting-calls.js";
import { Warming, type WarmResult } from "./warming.js";

export interface PoolOwner {
  readonly timers: Timers;
  readonly sockets: UpstreamSockets;
  /** Nothing is left in the pool. */
  emptied(pool: Http1Pool): void;
}

export class Http1Pool implements Carrier, ConnectionOwner, IdleHolder {
  /** The latest one with this key: limits may change with a new snapshot. */
  target: UpstreamTarget;
  readonly #owner: PoolOwner;
  /** Idle ones, the most recently used last. */
  readonly #idle: Http1Connection[] = [];
  readonly #connections = new Set<Http1Connection>();
  readonly slowClients = new SlowClients(() => this.#uploadEnded());
  readonly #waiting = new WaitingCalls<Http1Call>();
  readonly #relief: Relief;
  readonly #warming = new Warming<Http1Connection>();
  readonly #webSockets = new Set<UpstreamWebSocket>();
  #tls: TlsClient | null = null;

  constructor(target: UpstreamTarget, owner: PoolOwner) {
    this.target = target;
    this.#owner = owner;
    this.#relief = new Relief(owner.timers, () => this.#relieve());
  }

  get timers(): Timers {
    return this.#owner.timers;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  get idleCount(): number {
    return this.#idle.length;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  get webSocketCount(): number {
    return this.#webSockets.size;
  }

  tlsClient(): TlsClient | null {
    const { host, tls } = this.target;
    if (tls !== null && this.#tls === null) this.#tls = createTlsClient(tls, host);
    return this.#tls;
  }

  /** A connection that was opened before the service chose HTTP/1.1; it is counted already. `call`: its first one. */
  adopt(opened: OpenedSocket, tls: TlsClient | null, call: Http1Call | null): void {
    this.#tls ??= tls;
    const connection = new Http1Connection(this, null, opened);
    this.#connections.add(connection);
    connection.takeOver(call);
  }

  /** Opens connections until there are `count`, as far as that takes nobody's place. */
  warm(count: number, result: WarmResult): number {
    const wanted = Math.min(count, this.target.maxConnections);
    const isEnough = (): boolean => this.#connections.size >= wanted || !this.#owner.sockets.hasSpareRoom;
    const begun = this.#warming.fill(isEnough, () => this.#open(null), result);
    this.#reportWhenEmpty();
    return begun;
  }

  start(call: Http1Call): void {
    if (call.webSocketKey !== "" && !this.hasRoomForWebSocket()) {
      call.failLater("upstream-overflow", `${this.#webSockets.size} WebSockets open`);
      return;
    }
    const isAdmitted = call.bodyState === "whole" || this.#admitsUpload();
    if (isAdmitted && this.#hasPlace()) this.#place(call);
    else if (this.#connections.size === 0) this.#refuse(call);
    else if (call.bodyState !== "whole") this.#waitForBody(call);
    else if (this.#waiting.wholeCount < this.target.maxPendingRequests) this.#wait(call, this.target.connectTimeoutMs);
    else call.failLater("upstream-overflow", this.#busy());
  }

  /** More of the body of a call that waits is here. */
  bodyArrived(call: Http1Call): void {
    this.#waiting.promote(call);
    call.waitTimer?.arm(this.target.connectTimeoutMs);
    const isNext = this.#waiting.next(this.#admitsUpload()) === call;
    if (!isNext || !this.#hasPlace()) return this.#relief.soon();
    this.#waiting.leave(call);
    this.#place(call);
  }

  #uploadEnded(): void {
    if (this.#waiting.uploadCount > 0) this.#relief.soon();
  }

  /** `connection` is free again. */
  release(connection: Http1Connection): void {
    this.#warming.settle(connection, true);
    const call = this.#nextWaiting();
    if (call === undefined) this.#idle.push(connection);
    else if (call.request.isFresh || this.#connections.size > this.target.maxConnections) connection.close();
    else {
      this.#waiting.leave(call);
      connection.begin(call);
    }
  }

  /** `connection` is closed: somebody else may have its place. */
  remove(connection: Http1Connection): void {
    if (this.#connections.delete(connection)) this.#owner.sockets.closed();
    this.#warming.settle(connection, false);
    const index = this.#idle.lastIndexOf(connection);
    if (index !== -1) this.#idle.splice(index, 1);
    this.#serveWaiting();
    this.#reportWhenEmpty();
  }

  hasRoomForWebSocket(): boolean {
    return this.#webSockets.size < this.target.maxWebSockets;
  }

  /** `connection` carries HTTP no more: from now on it counts as a WebSocket. */
  convert(connection: Http1Connection, socket: UpstreamWebSocket): void {
    this.#webSockets.add(socket);
    this.#connections.delete(connection);
    this.#serveWaiting();
  }

  webSocketEnded(socket: UpstreamWebSocket): void {
    if (this.#webSockets.delete(socket)) this.#owner.sockets.closed();
    this.#reportWhenEmpty();
  }

  #reportWhenEmpty(): void {
    if (this.#connections.size > 0 || this.#webSockets.size > 0) return;
    this.#relief.stop();
    this.#owner.emptied(this);
  }

  closeOldestIdle(): boolean {
    const oldest = this.#idle[0];
    oldest?.close();
    return oldest !== undefined;
  }

  /** Everything fails at once, waiting or under way. */
  closeAll(): void {
    for (const call of this.#waiting.all()) this.#drop(call, "upstream-closed", "connector closed");
    for (const connection of this.#connections) connection.close("connector closed");
    for (const socket of this.#webSockets) socket.abort();
  }

  #mayOpen(): boolean {
    return this.#connections.size < this.target.maxConnections && this.#owner.sockets.hasRoom(this);
  }

  #hasPlace(): boolean {
    return this.#idle.length > 0 || this.#mayOpen();
  }

  /** Only with `#hasPlace`. */
  #place(call: Http1Call): void {
    const { isFresh } = call.request;
    const connection = isFresh ? undefined : this.#idle.pop();
    if (connection !== undefined) connection.begin(call);
    else if (isFresh && !this.#mayOpen()) this.#replaceOldest(call);
    else this.#open(call);
  }

  /** Another body that is not here yet may have a connection. */
  #admitsUpload(): boolean {
    return this.slowClients.uploads < this.#uploadShare();
  }

  #uploadShare(): number {
    return shareOf(this.target.maxConnections, this.target.maxSlowClientPercent);
  }

  #busy(): string {
    return `${this.#connections.size} connections busy, ${this.#waiting.size} requests waiting`;
  }

  /** Nobody is connected whom the call could wait for. */
  #refuse(call: Http1Call): void {
    call.failLater("overloaded", "as many connections are open as the limit of open files allows");
    this.#owner.emptied(this);
  }

  /** @param call null: it is opened ahead of one @returns null when it cannot even be begun; the call knows */
  #open(call: Http1Call | null): Http1Connection | null {
    try {
      const connection = new Http1Connection(this, call, null);
      this.#connections.add(connection);
      this.#owner.sockets.opened();
      return connection;
    } catch (error) {
      call?.failLater(this.target.tls === null ? "connect-failed" : "upstream-tls-failed", describeSocketError(error));
      this.#reportWhenEmpty();
      return null;
    }
  }

  /** Opened first: the pool must not become empty in between. */
  #replaceOldest(call: Http1Call): void {
    const oldest = this.#idle[0];
    this.#open(call);
    oldest?.close();
  }

  /**
   * There are places for those whose bodies are here, so at least as many may wait for their bodies. When they are too
   * many, the one goes whose client has had most time.
   */
  #waitForBody(call: Http1Call): void {
    const { maxConnections, maxPendingRequests } = this.target;
    const room = maxPendingRequests + maxConnections - this.#uploadShare();
    const oldest = this.#waiting.uploadCount < room ? null : this.#waiting.oldestPartial;
    if (oldest === undefined || room === 0) return call.failLater("upstream-overflow", this.#busy());
    if (oldest !== null) this.#drop(oldest, "upstream-overflow", this.#busy());
    this.#wait(call, Math.max(GATHERING_MS, this.target.connectTimeoutMs));
  }

  #wait(call: Http1Call, timeoutMs: number): void {
    call.carrier = this;
    this.#waiting.add(call);
    call.waitTimer = this.timers.create(() => this.#onWaitedTooLong(call));
    call.waitTimer.arm(timeoutMs);
    this.#relief.soon();
  }

  #drop(call: Http1Call, code: ErrorCode, detail: string): void {
    this.#waiting.leave(call);
    call.carrier = null;
    call.failLater(code, detail);
  }

  #onWaitedTooLong(call: Http1Call): void {
    this.#waiting.leave(call);
    const isBusy = call.bodyState === "whole" || this.#admitsUpload();
    call.fail("upstream-overflow", isBusy ? `no connection free within ${this.target.connectTimeoutMs} ms` : noPlaceForUpload(this.target));
  }

  #nextWaiting(): Http1Call | undefined {
    return this.#waiting.size === 0 ? undefined : this.#waiting.next(this.#admitsUpload());
  }

  #serveWaiting(): void {
    for (let call = this.#nextWaiting(); call !== undefined && this.#hasPlace(); call = this.#nextWaiting()) {
      this.#waiting.leave(call);
      this.#place(call);
    }
  }

  // ── Slow clients ───────────────────────────────────────────────────────────────────────────────────────────────

  #relieve(): boolean {
    this.#serveWaiting();
    // A place that becomes free is taken at once.
    while (this.#cutOne());
    return this.#waiting.wholeCount + this.#waiting.fullCount > 0;
  }

  /** Of those that wait for their clients, one that is beyond their share: false when there is none. */
  #cutOne(): boolean {
    const { slowClients } = this;
    const needsConnection = this.#waiting.wholeCount > 0 || (this.#waiting.fullCount > 0 && this.#admitsUpload());
    if (!needsConnection) return this.#waiting.fullCount > 0 && slowClients.cutUpload();
    return slowClients.count > shareOf(this.#connections.size, this.target.maxSlowClientPercent) && slowClients.cutAny();
  }

  // ── Carrier, for calls that wait ───────────────────────────────────────────────────────────────────────────────

  readonly isConnecting = false;

  write(): boolean {
    return false;
  }

  endRequest(): void {}

  pause(): void {}

  resume(): void {}

  abort(call: Http1Call): void {
    this.#waiting.leave(call);
  }
}
