/**
 * The `http` and `https` listener: binds, counts connections, and takes each request through the gate to the acceptor.
 * What may be said to uWebSockets.js, and when, is the business of response-writer.ts and body.ts.
 */
import { type AddressInfo, createServer } from "node:net";
import type { ListenerSpec, ListenerTlsSpec } from "../../engine/model/snapshot.js";
import type { Acceptor, ConnectionRefusal, SocketBudget, Timers } from "../../proxy/ports.js";
import type { HeadPolicy } from "../head-rules.js";
import {
  loadUws,
  type Uws,
  type UwsApp,
  type UwsListenSocket,
  type UwsRequest,
  type UwsResponse,
  type UwsUpgradeContext,
} from "./addon.js";
import { ALWAYS_YOUNG, AppRing, type AppSlot } from "./app-ring.js";
import { type BodyLimits, RequestBody } from "./body.js";
import { CorkDonor } from "./cork-donor.js";
import type { GateVerdict } from "./gate.js";
import { textOfAddress } from "./remote-address.js";
import { readRequest } from "./request-reader.js";
import { ResponseWriter, type WriterContext } from "./response-writer.js";
import { serverNames, tlsOptions } from "./tls.js";
import { type ClientWebSocketOwner, UpgradeOffer, webSocketBehavior } from "./web-socket.js";

export interface UwsListenerOptions {
  /** An exception where none should be: it has cost one response. Default: standard error. */
  readonly onBug?: (error: unknown) => void;
  /** 1 for a connection that opened, -1 for one that closed; for metrics. */
  readonly onConnection?: (change: number) => void;
  /** A connection was closed as soon as it was accepted; for metrics. */
  readonly onRefusal?: (reason: ConnectionRefusal) => void;
  /** Shared with everything else that holds sockets; default: unlimited. */
  readonly sockets?: SocketBudget;
  /** Asked for every connection that could be let in, and counts those it lets in; null: all of them. */
  readonly mayEnter?: ((address: string) => boolean) | null;
  /** Bytes of all request bodies together that are kept while their exchanges do not take them; default 256 MiB. See body.ts. */
  readonly maxHeldBytes?: number;
}

const UNLIMITED_SOCKETS: SocketBudget = {
  openedDownstream: () => true,
  closedDownstream: () => undefined,
  hasUpstreamRoom: true,
  openedUpstream: () => undefined,
  closedUpstream: () => undefined,
};

const DEFAULT_OPTIONS: Required<UwsListenerOptions> = {
  onBug: console.error,
  onConnection: () => undefined,
  onRefusal: () => undefined,
  sockets: UNLIMITED_SOCKETS,
  mayEnter: null,
  maxHeldBytes: 256 * 1024 * 1024,
};

export interface UwsListener {
  /** Rejects when the address cannot be bound. Once only. */
  listen(): Promise<{ readonly port: number }>;
  /** Settings for new requests and connections, as far as the addon can take them while it listens (see needs-roll.ts). */
  reload(spec: ListenerSpec): void;
  /** No new connections, once those that wait have been accepted; the present ones live on. Resolves when the socket is closed. */
  stopAccepting(): Promise<void>;
  /** Cuts every connection. */
  close(): void;
  /** Open now, TLS handshakes under way included. */
  readonly connections: number;
  /** Responses that are not complete, or whose last bytes still wait for a slow client. Drained when 0. */
  readonly pendingResponses: number;
  /** Closed as soon as they were accepted, since the start. */
  readonly refusedConnections: number;
}

/**
 * Throws when a certificate cannot be used. The first listener of a process decides how large heads may be: call
 * `loadUws` with the largest `maxHeaderBytes` before creating several.
 */
export function createUwsListener(spec: ListenerSpec, acceptor: Acceptor, timers: Timers, options: UwsListenerOptions = {}): UwsListener {
  return new Listener(spec, acceptor, timers, { ...DEFAULT_OPTIONS, ...options });
}

/** Between finding a free port and binding it, somebody else may take it. */
const MAX_FREE_PORT_ATTEMPTS = 5;

class Listener implements UwsListener, WriterContext, ClientWebSocketOwner {
  readonly acceptor: Acceptor;
  readonly onBug: (error: unknown) => void;
  readonly timers: Timers;
  streamIdleMs: number;
  readonly isTls: boolean;
  readonly corkDonor: CorkDonor;
  connections = 0;
  refusedConnections = 0;
  pendingResponses = 0;

  #spec: ListenerSpec;
  readonly #onConnection: (change: number) => void;
  readonly #onRefusal: (reason: ConnectionRefusal) => void;
  readonly #sockets: SocketBudget;
  readonly #mayEnter: ((address: string) => boolean) | null;
  readonly #uws: Uws;
  /** The one that listens. */
  readonly #app: UwsApp;
  /** Null when connections may grow as old as they like. */
  readonly #ring: AppRing | null;
  #gatePolicy: HeadPolicy;
  #bodyLimits: BodyLimits;
  #socket: UwsListenSocket | null = null;
  #isClosed = false;
  #waiting: ResponseWriter[] = [];

  constructor(spec: ListenerSpec, acceptor: Acceptor, timers: Timers, options: Required<UwsListenerOptions>) {
    const { limits, timeouts } = spec;
    this.#spec = spec;
    this.acceptor = acceptor;
    this.onBug = options.onBug;
    this.#onConnection = options.onConnection;
    this.#onRefusal = options.onRefusal;
    this.#sockets = options.sockets;
    this.#mayEnter = options.mayEnter;
    this.timers = timers;
    this.streamIdleMs = timeouts.streamIdleMs;
    this.isTls = spec.tls !== null;
    this.#uws = loadUws(limits.maxHeaderBytes);
    this.corkDonor = new CorkDonor(this.#uws);
    this.#gatePolicy = gatePolicyOf(spec);
    const held = { bytes: 0, maxBytes: options.maxHeldBytes };
    this.#bodyLimits = { ...bodyLimitsOf(spec), held, hasTaughtResume: false };
    const ageMs = timeouts.connectionAgeMs;
    this.#ring = ageMs === 0 ? null : new AppRing((slot) => this.#createApp(spec.tls, slot), ageMs, timers);
    this.#app = this.#ring === null ? this.#createApp(spec.tls, ALWAYS_YOUNG) : this.#ring.acceptor;
  }

  async listen(): Promise<{ readonly port: number }> {
    const { host, port } = this.#spec.bind;
    for (let attempt = 0; attempt < MAX_FREE_PORT_ATTEMPTS; attempt++) {
      const bound = await this.#bind(host, port === 0 ? await freePort(host) : port);
      if (bound !== null) {
        await this.corkDonor.start();
        return { port: bound };
      }
      if (port !== 0) break;
    }
    throw new Error(`cannot listen on ${host}:${port}: ${await bindProblem(host, port)}`);
  }

  /** The port, or null when it could not be bound. */
  #bind(host: string, port: number): Promise<number | null> {
    return new Promise((resolve) => {
      this.#app.listen(host, port, (socket) => {
        if (socket === false) return resolve(null);
        this.#socket = socket;
        this.#ring?.start();
        resolve(this.#uws.us_socket_local_port(socket));
      });
    });
  }

  reload(spec: ListenerSpec): void {
    this.#spec = spec;
    this.streamIdleMs = spec.timeouts.streamIdleMs;
    this.#gatePolicy = gatePolicyOf(spec);
    this.#bodyLimits = { ...this.#bodyLimits, ...bodyLimitsOf(spec) };
  }

  /**
   * The kernel resets what waits in the queue of a socket that closes, also when other workers share the port. So it is closed in a
   * turn of the loop that had little else to do than to accept: what comes between the last accept and the close is lost.
   */
  async stopAccepting(): Promise<void> {
    if (this.#socket === null) return;
    await shortTurn();
    this.#closeSocket();
  }

  #closeSocket(): void {
    if (this.#socket === null) return;
    this.#uws.us_listen_socket_close(this.#socket);
    this.#socket = null;
    this.#ring?.stop();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closeSocket();
    this.corkDonor.close();
    if (this.#ring === null) this.#app.close();
    else this.#ring.close();
  }

  /** One turn later for all that have something to say, not a timer each. */
  later(writer: ResponseWriter): void {
    if (this.#waiting.length === 0) setImmediate(() => this.#replayWaiting());
    this.#waiting.push(writer);
  }

  #replayWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const writer of waiting) {
      try {
        writer.replay();
      } catch (error) {
        writer.crash(error);
      }
    }
  }

  /** With everything that it needs to serve. */
  #createApp(tls: ListenerTlsSpec | null, slot: AppSlot): UwsApp {
    const app = tls === null ? this.#register(this.#uws.App(), slot) : this.#createTlsApp(tls, slot);
    app.filter((res, change) => this.#onConnectionChange(res, change));
    return app;
  }

  /** A registered name has a router of its own, which begins empty. */
  #createTlsApp(tls: ListenerTlsSpec, slot: AppSlot): UwsApp {
    const [first] = tls.certificates;
    if (first === undefined) throw new Error(`listener ${this.#spec.name} has no certificate`);
    const app = this.#register(this.#uws.SSLApp(tlsOptions(first)), slot);
    for (const { name, certificate } of serverNames(tls.certificates)) {
      app.addServerName(name, tlsOptions(certificate));
      this.#register(app.domain(name), slot);
    }
    return app;
  }

  /** A request for a WebSocket goes to the first of the two; what only looks like one is a plain request. */
  #register(app: UwsApp, slot: AppSlot): UwsApp {
    const behavior = webSocketBehavior(this.#uws, this.#spec.webSocket, (res, req, context) => this.#onRequest(res, req, slot, context));
    return app.ws("/*", behavior).any("/*", (res, req) => this.#onRequest(res, req, slot, null));
  }

  #onConnectionChange(res: UwsResponse, change: number): void {
    if (change < 0) return this.#onClosed();
    this.connections++;
    this.#onConnection(1);
    const refusal = this.#refusalOfNewest(res);
    if (this.#isClosed) return void res.close(); // a child app was given it too late
    if (refusal === null) return;
    this.refusedConnections++;
    this.#onRefusal(refusal);
    res.close();
  }

  /** The addon's filter does not report the end of a connection that was upgraded. */
  onWebSocketClosed(): void {
    this.#onClosed();
  }

  #onClosed(): void {
    this.connections--;
    this.#onConnection(-1);
    this.#sockets.closedDownstream();
  }

  /** Its connection is counted already, and will be when it closes. */
  #refusalOfNewest(res: UwsResponse): ConnectionRefusal | null {
    if (!this.#sockets.openedDownstream()) return "open-files";
    if (this.connections > this.#spec.limits.maxConnections) return "max-connections";
    if (this.#mayEnter === null || this.#mayEnter(textOfAddress(res.getRemoteAddress()))) return null;
    return "max-connections-per-address";
  }

  /** Runs inside the addon: an exception that leaves it ends the process, and so does a request without `onAborted`. */
  #onRequest(res: UwsResponse, req: UwsRequest, slot: AppSlot, context: UwsUpgradeContext | null): void {
    let writer: ResponseWriter | null = null;
    try {
      const verdict = readRequest(req, res, this.#gatePolicy);
      writer = new ResponseWriter(res, this, verdict.head.method === "HEAD");
      if (verdict.upgrade !== null && context !== null) writer.offer = new UpgradeOffer(verdict.upgrade, context, this);
      writer.shouldClose = verdict.wantsClose || slot.isOld;
      this.#dispatch(verdict, res, writer);
    } catch (error) {
      if (writer !== null) writer.crash(error);
      else this.#dropUnread(res, error);
    }
    writer?.leaveCallback();
  }

  #dispatch(verdict: GateVerdict, res: UwsResponse, writer: ResponseWriter): void {
    const { head, code } = verdict;
    res.onAborted(() => writer.onAborted());
    if (head.bodyLength !== 0 && verdict.isFramingSound) writer.body = new RequestBody(res, writer, this.#bodyLimits, this.timers);
    if (code === null) {
      writer.handler = this.acceptor.accept(head, writer);
      return;
    }
    writer.mustClose = true;
    writer.body?.discard();
    writer.handler = this.acceptor.refuse(head, writer, code, verdict.detail);
  }

  #dropUnread(res: UwsResponse, error: unknown): void {
    this.onBug(error);
    res.onAborted(() => {});
    res.close();
  }
}

/** A turn that took no longer than this had next to nothing to do; how long is too long grows with the wait. */
const SHORT_TURN_MS = 0.05;
const MAX_WAIT_MS = 200;

/** Resolves at the end of a turn of the event loop that was short, or the shortest to be hoped for. */
function shortTurn(): Promise<void> {
  const startedAt = performance.now();
  let turnBegan = startedAt;
  return new Promise((resolve) => {
    const look = (): void => {
      const now = performance.now();
      const patience = (now - startedAt) / MAX_WAIT_MS;
      if (now - turnBegan <= SHORT_TURN_MS * (1 + 19 * patience) || patience >= 1) return resolve();
      turnBegan = performance.now();
      setImmediate(look);
    };
    turnBegan = performance.now();
    setImmediate(look);
  });
}

function gatePolicyOf({ tls, limits, hardening }: ListenerSpec): HeadPolicy {
  return {
    scheme: tls === null ? "http" : "https",
    maxBodyBytes: limits.maxBodyBytes,
    maxHeaderBytes: limits.maxHeaderBytes,
    refuseUnderscoreHeaders: hardening.refuseUnderscoreHeaders,
  };
}

function bodyLimitsOf({ limits, timeouts }: ListenerSpec): Pick<BodyLimits, "maxBytes" | "requestMs" | "minBytesPerSecond"> {
  return { maxBytes: limits.maxBodyBytes, requestMs: timeouts.requestMs, minBytesPerSecond: limits.minBodyBytesPerSecond };
}

/** The addon only says that it failed: binding once more, exclusively, tells why. */
function bindProblem(host: string, port: number): Promise<string> {
  return probe(host, port).then(
    () => "the address is not available",
    (error: NodeJS.ErrnoException) => problemText(error.code),
  );
}

/** Given port 0, the addon takes one that no other worker could share: so it is given a number. */
async function freePort(host: string): Promise<number> {
  try {
    return await probe(host, 0);
  } catch {
    return 0; // the addon's attempt will fail too, and be explained
  }
}

function probe(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address() as AddressInfo;
      server.close(() => resolve(address.port));
    });
  });
}

function problemText(code: string | undefined): string {
  if (code === "EADDRINUSE") return "the port is in use";
  if (code === "EACCES") return "no permission for this port";
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") return "this machine does not have that address";
  return code ?? "unknown reason";
}
