/**
 * The `h2` and `h2c` listener: takes sockets from a listening handle, counts and limits connections, and hands each to its
 * own `Connection`. Certificates and settings may be replaced while it runs; open connections keep what they began with.
 */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { ListenerSpec } from "../../engine/model/snapshot.js";
import type { Acceptor, ConnectionRefusal, SocketBudget, Timers } from "../../proxy/ports.js";
import { Connection, type ConnectionOwner, canonicalAddress } from "./connection.js";
import { createTlsAcceptor, type TlsAcceptor } from "./tls-acceptor.js";
import { WaitingTurns, WireContext, type WireParts } from "./wire-context.js";

export interface WireListenerOptions {
  /** An exception where none should be: it has cost one connection. Default: standard error. */
  readonly onBug?: (error: unknown) => void;
  /** 1 for a connection that opened, -1 for one that closed; for metrics. */
  readonly onConnection?: (change: number) => void;
  /** A connection was closed before it served anything; for metrics. */
  readonly onRefusal?: (reason: ConnectionRefusal) => void;
  /** Something that operators should see, but not for every connection: whoever logs it limits the rate. */
  readonly onNotice?: (message: string, address: string) => void;
  /** Shared with everything else that holds sockets; default: unlimited. */
  readonly sockets?: Pick<SocketBudget, "openedDownstream" | "closedDownstream">;
  /** Asked for every connection that could be let in, and counts those it lets in; null: all of them. */
  readonly mayEnter?: ((address: string) => boolean) | null;
  /** Whose PROXY header is believed. Default: nobody's. */
  readonly isTrusted?: (address: string) => boolean;
  /** 48 bytes, the same in all workers; null: each its own. */
  readonly ticketKeys?: Buffer | null;
  /** To listen on; null: the listener binds itself. */
  readonly handle?: ListenHandle | null;
}

/** A bound handle of node:net that does not listen yet, from another process or this one. */
export type ListenHandle = object;

export interface WireListener {
  /** Rejects when the address cannot be bound. Once only. */
  listen(): Promise<{ readonly port: number }>;
  /** Certificates, limits and timeouts for new connections. Throws when a certificate cannot be used; nothing has changed then. */
  reload(spec: ListenerSpec): void;
  /** Session tickets are sealed with these from now on; older ones are not taken any more. */
  setTicketKeys(keys: Buffer): void;
  /** No new connections; idle ones end, the others live on until their exchanges are over. */
  stopAccepting(): Promise<void>;
  /** Cuts every connection. */
  close(): void;
  /** Open now, TLS handshakes under way included. */
  readonly connections: number;
  /** Connections with responses that are not complete, or whose last bytes still wait for a slow client. Drained when 0. */
  readonly pendingResponses: number;
  /** Closed as soon as they were accepted, since the start. */
  readonly refusedConnections: number;
}

const DEFAULT_OPTIONS: Required<WireListenerOptions> = {
  onBug: console.error,
  onConnection: () => undefined,
  onRefusal: () => undefined,
  onNotice: () => undefined,
  sockets: { openedDownstream: () => true, closedDownstream: () => undefined },
  mayEnter: null,
  isTrusted: () => false,
  ticketKeys: null,
  handle: null,
};

/** As in nginx; the kernel caps it at net.core.somaxconn. */
const BACKLOG = 511;

/** Throws when a certificate cannot be used. */
export function createWireListener(
  spec: ListenerSpec,
  acceptor: Acceptor,
  timers: Timers,
  options: WireListenerOptions = {},
): WireListener {
  return new Listener(spec, { acceptor, timers }, { ...DEFAULT_OPTIONS, ...options });
}

class Listener implements WireListener, ConnectionOwner {
  context: WireContext;
  tls: TlsAcceptor | null;
  refusedConnections = 0;
  readonly #options: Required<WireListenerOptions>;
  readonly #given: WireParts;
  readonly #waiting: WaitingTurns;
  readonly #connections = new Set<Connection>();
  /** Oldest first. */
  readonly #handshakes = new Set<Connection>();
  readonly #server: Server;
  #ticketKeys: Buffer | null;

  constructor(spec: ListenerSpec, parts: Pick<WireParts, "acceptor" | "timers">, options: Required<WireListenerOptions>) {
    this.#options = options;
    const onHttp2Refusal = (reason: string, address: string): void => {
      options.onRefusal(`http2-${reason}`);
      options.onNotice(`an HTTP/2 connection was ended: ${reason}`, address);
    };
    this.#given = { ...parts, onBug: options.onBug, onHttp2Refusal };
    this.#waiting = new WaitingTurns(options.onBug);
    this.#ticketKeys = options.ticketKeys;
    this.context = new WireContext(spec, this.#given, this.#waiting);
    this.tls = this.#createTls(this.context);
    // A client may close its side and still read: HTTP/1 decides what that means.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#onSocket(socket));
  }

  get connections(): number {
    return this.#connections.size;
  }

  get pendingResponses(): number {
    let pending = 0;
    for (const connection of this.#connections) if (connection.isBusy) pending++;
    return pending;
  }

  listen(): Promise<{ readonly port: number }> {
    const { handle } = this.#options;
    const { host, port } = this.context.spec.bind;
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once("error", (error) => reject(new Error(`cannot listen on ${host}:${port}: ${error.message}`, { cause: error })));
      const listening = () => resolve({ port: (server.address() as AddressInfo).port });
      if (handle === null) server.listen({ host, port, backlog: BACKLOG, exclusive: true }, listening);
      else server.listen(handle, BACKLOG, listening);
    });
  }

  reload(spec: ListenerSpec): void {
    const context = new WireContext(spec, this.#given, this.#waiting);
    this.tls = this.#createTls(context);
    this.context = context;
  }

  setTicketKeys(keys: Buffer): void {
    this.#ticketKeys = keys;
    this.tls = this.#createTls(this.context);
  }

  async stopAccepting(): Promise<void> {
    if (this.#server.listening) this.#server.close();
    for (const connection of this.#connections) connection.drain();
  }

  close(): void {
    if (this.#server.listening) this.#server.close();
    for (const connection of this.#connections) connection.kill();
  }

  #createTls(context: WireContext): TlsAcceptor | null {
    const { tls } = context.wire;
    return tls === null ? null : createTlsAcceptor(context.spec, tls, this.#ticketKeys);
  }

  #onSocket(socket: Socket): void {
    this.#options.onConnection(1);
    const connection = new Connection(socket, this);
    this.#connections.add(connection);
    const refusal = this.#refusalOf(socket);
    if (refusal === null) connection.start();
    else {
      this.refused(refusal);
      connection.destroy();
    }
  }

  #refusalOf(socket: Socket): ConnectionRefusal | null {
    if (!this.#options.sockets.openedDownstream()) return "open-files";
    if (this.#connections.size > this.context.spec.limits.maxConnections) return "max-connections";
    const { mayEnter } = this.#options;
    return mayEnter === null || mayEnter(canonicalAddress(socket.remoteAddress)) ? null : "max-connections-per-address";
  }

  // ── Called by connections ────────────────────────────────────────────────────────────────────────────────────

  isTrusted(address: string): boolean {
    return this.#options.isTrusted(address);
  }

  /** The oldest has had its chance; whoever opens many at once without going on pushes out their own. */
  handshakeStarted(connection: Connection): void {
    this.#handshakes.add(connection);
    const max = this.context.wire.tls?.maxHandshakes ?? 0;
    if (this.#handshakes.size <= max) return;
    const [oldest] = this.#handshakes;
    this.refused("too-many-handshakes");
    oldest?.refuse();
  }

  handshakeEnded(connection: Connection): void {
    this.#handshakes.delete(connection);
  }

  refused(reason: ConnectionRefusal, detail = ""): void {
    this.refusedConnections++;
    this.#options.onRefusal(reason);
    if (detail !== "") this.#options.onNotice(`${reason}: ${detail}`, "");
  }

  closed(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    this.#options.sockets.closedDownstream();
    this.#options.onConnection(-1);
  }
}
