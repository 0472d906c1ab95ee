/**
 * The connections to one target: the last one used is the first one reused, so that a shrinking load lets the others
 * grow old. Requests that find none wait in order of arrival, a bounded number of them for a bounded time.
 */
import type { UpstreamTarget } from "../engine/model/endpoint.js";
import type { Timers } from "../proxy/ports.js";
import type { UpstreamWebSocket } from "../proxy/web-socket-ports.js";
import type { Carrier, Http1Call } from "./http1-call.js";
import type { ConnectionOwner } from "./http1-connection.js";
import { Http1Connection } from "./http1-connection.js";
import type { OpenedSocket, TlsClient } from "./open-socket.js";
import { createTlsClient } from "./open-socket.js";
import { describeSocketError } from "./socket-errors.js";
import type { IdleHolder, UpstreamSockets } from "./upstream-sockets.js";

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
  readonly #waiting = new Set<Http1Call>();
  readonly #webSockets = new Set<UpstreamWebSocket>();
  #tls: TlsClient | null = null;

  constructor(target: UpstreamTarget, owner: PoolOwner) {
    this.target = target;
    this.#owner = owner;
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

  start(call: Http1Call): void {
    const { isFresh } = call.request;
    if (call.webSocketKey !== "" && !this.hasRoomForWebSocket()) {
      call.failLater("upstream-overflow", `${this.#webSockets.size} WebSockets open`);
      return;
    }
    const connection = isFresh ? undefined : this.#idle.pop();
    if (connection !== undefined) connection.begin(call);
    else if (this.#mayOpen()) this.#open(call);
    else if (isFresh && this.#idle.length > 0) this.#replaceOldest(call);
    else if (this.#connections.size === 0) this.#refuse(call);
    else if (this.#waiting.size < this.target.maxPendingRequests) this.#wait(call);
    else call.failLater("upstream-overflow", `${this.#connections.size} connections busy, ${this.#waiting.size} requests waiting`);
  }

  /** `connection` is free again. */
  release(connection: Http1Connection): void {
    const call = this.#firstWaiting();
    if (call === undefined) this.#idle.push(connection);
    else if (call.request.isFresh || this.#connections.size > this.target.maxConnections) connection.close();
    else {
      this.#leaveQueue(call);
      connection.begin(call);
    }
  }

  /** `connection` is closed: somebody else may have its place. */
  remove(connection: Http1Connection): void {
    if (this.#connections.delete(connection)) this.#owner.sockets.closed();
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
    if (this.#connections.size === 0 && this.#webSockets.size === 0) this.#owner.emptied(this);
  }

  closeOldestIdle(): boolean {
    const oldest = this.#idle[0];
    oldest?.close();
    return oldest !== undefined;
  }

  /** Everything fails at once, waiting or under way. */
  closeAll(): void {
    for (const call of this.#waiting) {
      this.#leaveQueue(call);
      call.failLater("upstream-closed", "connector closed");
    }
    for (const connection of this.#connections) connection.close("connector closed");
    for (const socket of this.#webSockets) socket.abort();
  }

  #mayOpen(): boolean {
    return this.#connections.size < this.target.maxConnections && this.#owner.sockets.hasRoom(this);
  }

  /** Nobody is connected whom the call could wait for. */
  #refuse(call: Http1Call): void {
    call.failLater("overloaded", "as many connections are open as the limit of open files allows");
    this.#owner.emptied(this);
  }

  #open(call: Http1Call): void {
    try {
      this.#connections.add(new Http1Connection(this, call, null));
      this.#owner.sockets.opened();
    } catch (error) {
      call.failLater(this.target.tls === null ? "connect-failed" : "upstream-tls-failed", describeSocketError(error));
      this.#reportWhenEmpty();
    }
  }

  /** Opened first: the pool must not become empty in between. */
  #replaceOldest(call: Http1Call): void {
    const oldest = this.#idle[0];
    this.#open(call);
    oldest?.close();
  }

  #wait(call: Http1Call): void {
    call.carrier = this;
    this.#waiting.add(call);
    call.waitTimer = this.timers.create(() => this.#onWaitedTooLong(call));
    call.waitTimer.arm(this.target.connectTimeoutMs);
  }

  #onWaitedTooLong(call: Http1Call): void {
    this.#leaveQueue(call);
    call.fail("upstream-overflow", `no connection free within ${this.target.connectTimeoutMs} ms`);
  }

  #leaveQueue(call: Http1Call): void {
    call.waitTimer?.cancel();
    this.#waiting.delete(call);
  }

  #firstWaiting(): Http1Call | undefined {
    return this.#waiting.size === 0 ? undefined : this.#waiting.values().next().value;
  }

  #serveWaiting(): void {
    for (let call = this.#firstWaiting(); call !== undefined && this.#mayOpen(); call = this.#firstWaiting()) {
      this.#leaveQueue(call);
      this.#open(call);
    }
  }

  // ── Carrier, for calls that wait ───────────────────────────────────────────────────────────────────────────────

  write(): boolean {
    return false;
  }

  endRequest(): void {}

  pause(): void {}

  resume(): void {}

  abort(call: Http1Call): void {
    this.#leaveQueue(call);
  }
}
