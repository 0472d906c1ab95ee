/**
 * One connection to one target: connects, then carries one exchange at a time, and decides after each whether it may
 * carry another. It never repeats anything and never waits for the caller: both are the proxy's business.
 */
import type { Socket } from "node:net";
import type { UpstreamTarget } from "../engine/model/endpoint.js";
import type { ErrorCode } from "../engine/model/errors.js";
import { type HeaderList, headerValue } from "../engine/model/request.js";
import type { Timer, Timers } from "../proxy/ports.js";
import type { UpstreamWebSocket } from "../proxy/web-socket-ports.js";
import type { ResponseEvents } from "../wire/http1/response-parser.js";
import { ResponseParser } from "../wire/http1/response-parser.js";
import { reportFailedWrites } from "./failed-writes.js";
import type { Carrier, Http1Call } from "./http1-call.js";
import type { OpenedSocket, ReadBuffer, TlsClient } from "./open-socket.js";
import { openSocket, READ_BUFFER_BYTES } from "./open-socket.js";
import { RequestSender } from "./request-sender.js";
import { ClientPlace, type PlaceHolder, type SlowClients } from "./slow-clients.js";
import type { ConnectionStage } from "./socket-errors.js";
import { describeSocketError, socketErrorCode } from "./socket-errors.js";
import { SocketTransport } from "./socket-transport.js";
import { ServiceWebSocket } from "./web-socket.js";
import { handshakeProblem, withoutHandshake } from "./web-socket-handshake.js";

const HTTP1 = ["http/1.1"];

/** The pool, as its connections see it. */
export interface ConnectionOwner {
  readonly target: UpstreamTarget;
  readonly timers: Timers;
  readonly slowClients: SlowClients;
  /** Null for plain TCP. Throws when the CA bundle cannot be parsed. */
  tlsClient(): TlsClient | null;
  /** `connection` is free for another exchange. */
  release(connection: Http1Connection): void;
  hasRoomForWebSocket(): boolean;
  /** `connection` lives on as `socket` and is none of the pool's connections any more. */
  convert(connection: Http1Connection, socket: UpstreamWebSocket): void;
  webSocketEnded(socket: UpstreamWebSocket): void;
  /** `connection` is closed. */
  remove(connection: Http1Connection): void;
}

/** `settling`: the response is complete, but more bytes may come with the same read; not yet for others to use. */
type State = ConnectionStage | "settling" | "idle" | "upgraded" | "closed";

export class Http1Connection implements Carrier, PlaceHolder, ResponseEvents {
  readonly #pool: ConnectionOwner;
  readonly #socket: Socket;
  readonly #isTls: boolean;
  readonly #parser: ResponseParser;
  readonly #sender: RequestSender;
  /** Connecting, or idle: never both. */
  readonly #timer: Timer;
  /** Null when connections may grow as old as they like. */
  #ageTimer: Timer | null = null;
  #isOld = false;
  #state: State = "connect";
  /** The exchange under way, or the one that waits for the connect. */
  #call: Http1Call | null;
  #exchangeCount = 0;
  #hasResponseBytes = false;
  #isPaused = false;
  /** The socket reads. Not while there is a leftover that was held back by a pause. */
  #isReading = true;
  /** Read but not delivered because the receiver said stop in between. */
  #leftover: ReadBuffer | null = null;
  #hasEnded = false;
  /** Has taken the socket over. */
  #webSocket: ServiceWebSocket | null = null;
  #upgradeHeaders: HeaderList = [];
  readonly #place: ClientPlace;
  /** Writing has failed: nothing that ends now has ended in good order. */
  #writeError: Error | null = null;
  #guardsWrites = false;

  /**
   * Throws when the target cannot be connected to at all (bad port, unreadable CA).
   * @param call null: the first exchange comes with `begin` @param opened null: connect
   */
  constructor(pool: ConnectionOwner, call: Http1Call | null, opened: OpenedSocket | null) {
    this.#pool = pool;
    this.#call = call;
    const tls = pool.tlsClient();
    this.#isTls = tls !== null;
    const onRead = (byteCount: number, buffer: ReadBuffer): boolean => this.#onRead(byteCount, buffer);
    const reader = opened ?? openSocket(pool.target, { tls, alpn: HTTP1, onRead });
    reader.onRead = onRead;
    this.#socket = reader.socket;
    this.#parser = new ResponseParser(this);
    this.#sender = new RequestSender(this.#socket, this.#isTls);
    this.#place = new ClientPlace(pool.slowClients, this);
    this.#timer = pool.timers.create(() => this.#onTimer());
    this.#listen();
    if (opened === null) this.#connect();
    else this.#state = "settling";
    if (call === null) return;
    call.carrier = this;
    if (call.bodyState !== "whole") this.#place.startUpload();
  }

  get isIdle(): boolean {
    return this.#state === "idle";
  }

  get isConnecting(): boolean {
    return this.#state === "connect" || this.#state === "handshake";
  }

  /** Starts an exchange on an open connection that has none. */
  begin(call: Http1Call): void {
    this.#timer.cancel();
    this.#state = "open";
    this.#call = call;
    this.#exchangeCount++;
    this.#hasResponseBytes = false;
    call.carrier = this;
    this.#parser.start(call.request.method, call.webSocketKey !== "");
    const { bodyLength } = call.request;
    if (bodyLength !== 0) this.#guardWrites();
    this.#sender.start(call.head ?? "", bodyLength);
    if (call.bodyState !== "whole") this.#place.startUpload();
    call.handler.onConnected();
  }

  // ── Carrier: what the caller asks of the exchange under way ───────────────────────────────────────────────────

  write(chunk: Uint8Array): boolean {
    const hasRoom = this.#isOpen() && this.#sender.write(chunk);
    this.#checkUse();
    return hasRoom;
  }

  endRequest(): void {
    if (this.#isOpen()) this.#sender.end();
    this.#checkUse();
  }

  /** While it is being connected. */
  bodyArrived({ bodyState }: Http1Call): void {
    if (bodyState === "whole") this.#place.endUpload();
  }

  pause(): void {
    if (this.#isPaused || this.#state !== "open") return;
    this.#isPaused = true;
    this.#place.stopReading();
    if (this.#isReading) this.#socket.pause();
    this.#isReading = false;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#place.readOn();
    // Not from in here: the caller does not expect to be called back while it says this.
    if (this.#leftover !== null) setImmediate(deliverLeftover, this);
    else this.#read();
  }

  abort(): void {
    this.#call = null;
    this.close();
  }

  /** Whatever it is doing. An exchange under way fails. */
  close(detail = "connection closed"): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#timer.cancel();
    this.#ageTimer?.cancel();
    this.#leftover = null;
    this.#place.leave();
    this.#socket.destroy();
    const call = this.#call;
    this.#call = null;
    this.#pool.remove(this);
    call?.fail("upstream-closed", detail);
  }

  // ── PlaceHolder ────────────────────────────────────────────────────────────────────────────────────────────────

  get uploadedBytes(): number {
    return this.#sender.sentBytes;
  }

  get isHeldUpByService(): boolean {
    return this.#state !== "open" || this.#sender.isFull;
  }

  cutOff(detail: string): void {
    this.#fail("slow-client", detail);
  }

  // ── ResponseEvents ─────────────────────────────────────────────────────────────────────────────────────────────

  onInterim(status: number, headers: string[]): void {
    this.#call?.handler.onInterim(status, headers);
  }

  onHead(status: number, headers: string[], bodyLength: number): boolean {
    if (status === 101) {
      this.#upgradeHeaders = headers;
      return false;
    }
    // The service talks while it listens: from here on it knows itself how long that may last.
    this.#place.endUpload();
    this.#call?.handler.onHead(status, headers, bodyLength);
    return this.#mayGoOn();
  }

  onBody(chunk: Uint8Array): boolean {
    this.#call?.handler.onBody(chunk);
    return this.#mayGoOn();
  }

  #mayGoOn(): boolean {
    return this.#call !== null && !this.#isPaused;
  }

  // ── Socket events ──────────────────────────────────────────────────────────────────────────────────────────────

  #connect(): void {
    const socket = this.#socket;
    this.#timer.arm(this.#pool.target.connectTimeoutMs);
    if (this.#isTls) {
      socket.once("connect", () => {
        if (this.#state === "connect") this.#state = "handshake";
      });
    }
    socket.once(this.#isTls ? "secureConnect" : "connect", () => this.#onOpen());
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on("drain", () => this.#onDrain());
    socket.on("end", () => this.#onSocketEnd());
    socket.on("error", (error) => this.#onError(error));
    socket.on("close", () => this.#onClose());
  }

  #onOpen(): void {
    if (this.#state !== "closed") this.takeOver(this.#call);
  }

  /** The socket is open and has no exchange yet. Without one to begin, the first may find it as dead as any later one. */
  takeOver(call: Http1Call | null): void {
    this.#startAging();
    if (call !== null) return this.begin(call);
    this.#exchangeCount++;
    this.settle();
  }

  /** A timer instead of a look at the clock for every request. */
  #startAging(): void {
    const { connectionAgeMs } = this.#pool.target;
    if (connectionAgeMs === 0) return;
    this.#ageTimer = this.#pool.timers.create(() => this.#onOld());
    this.#ageTimer.arm(connectionAgeMs);
  }

  #onOld(): void {
    this.#isOld = true;
    if (this.#state === "idle") this.close();
  }

  #onDrain(): void {
    if (this.#sender.takeDrain()) this.#call?.handler.onDrain();
  }

  /** A request without a body leaves in one write, and what fails then fails before there can be an answer. */
  #guardWrites(): void {
    if (this.#guardsWrites) return;
    this.#guardsWrites = true;
    reportFailedWrites(this.#socket, (error) => this.#onWriteFailed(error));
  }

  #onWriteFailed(error: Error): void {
    if (this.#call === null) return this.close();
    this.#writeError ??= error;
    this.#sender.abandon();
    this.#onDrain();
  }

  /** True: go on reading. Pausing is done by the socket itself. */
  #onRead(byteCount: number, buffer: ReadBuffer): boolean {
    if (this.#call === null || this.#state !== "open") this.#onStrayRead(byteCount, buffer);
    else if (this.#sender.isHeld) this.#onEarlyRead();
    else if (this.#leftover !== null || this.#isPaused) this.#keep(buffer, 0, byteCount);
    else this.#deliver(buffer, byteCount);
    return true;
  }

  #onStrayRead(byteCount: number, buffer: ReadBuffer): void {
    if (this.#webSocket === null) this.close();
    else this.#webSocket.read(buffer, byteCount);
  }

  /** Whatever it is, it is no answer to a request that has not left. */
  #onEarlyRead(): void {
    this.#fail(this.#exchangeCount > 1 ? "upstream-closed" : "upstream-protocol", "bytes before the request was sent");
  }

  #deliver(bytes: ReadBuffer, end: number): void {
    const call = this.#call;
    if (call === null) return;
    this.#hasResponseBytes = true;
    const parser = this.#parser;
    const at = parser.feed(bytes, 0, end);
    if (this.#call !== call) return;
    if (parser.refusal !== null) this.#fail("upstream-protocol", parser.refusal);
    else if (parser.isUpgraded) this.#upgrade(call, bytes.subarray(at, end));
    else if (parser.isComplete && at < end && !this.#isEarly()) this.#fail("upstream-protocol", "bytes after a complete response");
    else if (parser.isComplete) this.#complete(this.#isTls || end === READ_BUFFER_BYTES);
    else {
      if (at < end) this.#keep(bytes, at, end);
      call.handler.onReadEnd();
    }
  }

  /** The service has not waited for the request: what it says behind its answer is its own last word, not another's. */
  #isEarly(): boolean {
    return !this.#sender.isDrained;
  }

  /** TLS hands over all it has decrypted, paused or not; and a pause may fall between two events of one read. */
  #keep(bytes: ReadBuffer, start: number, end: number): void {
    const rest = bytes.subarray(start, end);
    this.#leftover = Buffer.concat(this.#leftover === null ? [rest] : [this.#leftover, rest]) as ReadBuffer;
  }

  /** @internal */
  deliverLeftover(): void {
    const bytes = this.#leftover;
    if (bytes === null || this.#isPaused) return;
    this.#leftover = null;
    this.#deliver(bytes, bytes.length);
    if (this.#state !== "open" || this.#leftover !== null) return;
    if (this.#hasEnded) this.#onEnd();
    else if (!this.#isPaused) this.#read();
  }

  #read(): void {
    if (!this.#isReading) this.#socket.resume();
    this.#isReading = true;
  }

  /**
   * libuv reports a reset that it sees together with the last bytes as an orderly end (it takes POLLHUP for that). A body
   * that only the end frames would then look whole. What tells them apart: after a reset there is no peer any more.
   */
  #onSocketEnd(): void {
    const isReset = this.#state === "open" && this.#socket.remoteAddress === undefined;
    if (isReset) this.#fail("upstream-reset", "reset behind the last bytes");
    else this.#onEnd();
  }

  #onEnd(): void {
    this.#hasEnded = true;
    if (this.#leftover !== null) return;
    if (this.#writeError !== null) return this.#onError(this.#writeError);
    if (this.#state === "open") this.#parser.finish();
    if (this.#state === "open" && this.#parser.isComplete) this.#complete(false);
    else this.#onGone();
  }

  /** After an end in good order, what was held back is still to be delivered. */
  #onClose(): void {
    if (!this.#hasEnded || this.#leftover === null) this.#onGone();
  }

  #onGone(): void {
    if (this.#state === "connect") this.#fail("connect-failed", "closed while connecting");
    else if (this.#state === "handshake") this.#fail("upstream-tls-failed", "closed during the TLS handshake");
    else this.#fail("upstream-closed", this.#hasResponseBytes ? "closed within the response" : "closed before a response");
  }

  #onError(error: Error): void {
    const state = this.#state;
    const stage = state === "connect" || state === "handshake" ? state : "open";
    this.#fail(socketErrorCode(error, stage), describeSocketError(error));
  }

  #onTimer(): void {
    if (this.isConnecting) this.#fail("connect-timeout", `no ${this.#state} in time`);
    else this.close();
  }

  /** `early`: what came behind the 101. */
  #upgrade(call: Http1Call, early: Uint8Array): void {
    const headers = this.#upgradeHeaders;
    const problem = handshakeProblem(call.webSocketKey, call.request.headers, headers);
    if (problem !== null) return this.#fail("upstream-protocol", problem);
    if (!this.#pool.hasRoomForWebSocket()) return this.#fail("upstream-overflow", "too many WebSockets open");
    const protocol = headerValue(headers, "sec-websocket-protocol") ?? "";
    const webSocket = new ServiceWebSocket(new SocketTransport(this.#socket), this.#pool, protocol, early);
    this.#webSocket = webSocket;
    this.#place.leave();
    // An armed timer would keep all of this until it fires.
    this.#timer.cancel();
    this.#ageTimer?.cancel();
    this.#state = "upgraded";
    this.#call = null;
    this.#pool.convert(this, webSocket);
    call.upgrade(withoutHandshake(headers), webSocket);
  }

  // ── Ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #complete(mayHoldMore: boolean): void {
    const call = this.#call;
    const { trailers } = this.#parser;
    const isReusable = this.#parser.canPersist && this.#sender.isDrained && !this.#hasEnded;
    this.#call = null;
    if (!isReusable) this.close();
    else if (mayHoldMore) {
      this.#state = "settling";
      setImmediate(settle, this);
    } else this.settle();
    call?.succeed(trailers);
  }

  /** @internal */
  settle(): void {
    const idleMs = this.#idleMs();
    if (this.#state === "closed") return;
    if (idleMs <= 0 || this.#isOld) {
      this.close();
      return;
    }
    this.#place.leave();
    this.#isPaused = false;
    this.#read();
    this.#state = "idle";
    this.#timer.arm(idleMs);
    this.#pool.release(this);
  }

  /** A second before the service would close it: a request sent at that moment is lost. */
  #idleMs(): number {
    const { keepAliveTimeoutS } = this.#parser;
    const { keepAliveMs } = this.#pool.target;
    return keepAliveTimeoutS < 0 ? keepAliveMs : Math.min(keepAliveMs, (keepAliveTimeoutS - 1) * 1000);
  }

  #fail(code: ErrorCode, detail: string): void {
    const call = this.#call;
    const isStale = this.#isStale(code);
    this.#call = null;
    this.close();
    call?.fail(isStale ? "upstream-stale" : code, detail);
  }

  /** The service gave the connection up before it saw this request (RFC 9112 §9.3.1), or at least before it answered. */
  #isStale(code: ErrorCode): boolean {
    const isGone = code === "upstream-closed" || code === "upstream-reset";
    return isGone && this.#exchangeCount > 1 && !this.#hasResponseBytes;
  }

  #isOpen(): boolean {
    return this.#state === "open";
  }

  /** More or less body than announced, or before `onConnected`: nothing sent after that could be trusted. */
  #checkUse(): void {
    if (this.#sender.isComplete) this.#place.endUpload();
    if (!this.#sender.isMisused && this.#state === "open") return;
    const call = this.#call;
    this.#call = null;
    this.close();
    call?.failLater("internal", "request body does not match its announced length");
  }
}

function deliverLeftover(connection: Http1Connection): void {
  connection.deliverLeftover();
}

function settle(connection: Http1Connection): void {
  connection.settle();
}
