/**
 * One HTTP/1 connection: requests in order, one exchange at a time. The next request is parsed only when the response
 * before it is over; until then the socket is not read further than one packet. Every wait has a deadline.
 */
import type { Socket } from "node:net";
import { RequestHead } from "../../engine/model/request.js";
import type { WebSocketEnd, WebSocketEvents } from "../../proxy/web-socket-ports.js";
import type { Latin1Bytes } from "../../wire/http1/bytes.js";
import type { IncomingRequest } from "../../wire/http1/incoming-request.js";
import type { Refusal } from "../../wire/http1/refusal.js";
import { type RequestEvents, RequestParser } from "../../wire/http1/request-parser.js";
import type { HeadVerdict } from "../head-rules.js";
import type { Client } from "./client.js";
import { Deadline } from "./deadline.js";
import { Http1Response, type Http1ResponseOwner } from "./http1-response.js";
import { Http1Tunnel } from "./http1-tunnel.js";
import { OutputWatch } from "./output-watch.js";
import type { ProtocolConnection, SocketOwner } from "./protocol-connection.js";
import { codeOf, detailOf } from "./refusal-codes.js";
import { judgeHead, refusedHead } from "./request-rules.js";
import { SocketWriter } from "./socket-writer.js";
import { UploadClock } from "./upload-clock.js";
import { ClientWebSocket } from "./web-socket.js";
import { judgeUpgrade } from "./web-socket-request.js";
import type { TurnEnd, WireContext } from "./wire-context.js";

/**
 * `answering`: the request is complete, its response is not. `switched`: no HTTP any more. `closing`: nothing is read any more
 * but to be forgotten.
 */
type Phase = "reading" | "answering" | "switched" | "closing";
/** What the deadline is for. */
type Wait = "idle" | "head" | "body" | "answer" | "half-closed" | "closing";

/** How long a client may take to see that we have closed: a reset while it still sends would destroy the answer. */
const LINGER_MS = 2_000;
/**
 * A client that has closed its side may still read; one that has left says so with a reset, once bytes reach it. When none go
 * out for so long, it is taken for gone: before the first byte of the response, and in a stream that has fallen silent.
 */
const HALF_CLOSED_MS = 3_000;
const HALF_CLOSED_SILENCE_MS = 1_000;
/** Smaller pieces of a body are gathered: a chunk of one byte must not cost a call for each. */
const SMALL_PIECE_BYTES = 2_048;
const EMPTY = Buffer.alloc(0);

/** Filled and emptied within one `feed`, so that one serves all connections. */
const gathering = Buffer.allocUnsafeSlow(16_384);

export class Http1Connection implements ProtocolConnection, RequestEvents, Http1ResponseOwner, TurnEnd {
  readonly writer: SocketWriter;
  readonly #socket: Socket;
  readonly #owner: SocketOwner;
  readonly #client: Client;
  readonly #context: WireContext;
  readonly #parser: RequestParser;
  readonly #deadline: Deadline;
  readonly #oldAtMs: number;
  #phase: Phase = "reading";
  #wait: Wait = "idle";
  #response: Http1Response | null = null;
  /** Bytes that were read but not parsed: a pipelined request, or a body that nobody wants yet. */
  #held: Latin1Bytes | null = null;
  #isFeeding = false;
  #isBodyPaused = false;
  /** The rest of the body is read and forgotten. */
  #isDiscarding = false;
  #isHalfClosed = false;
  #isGone = false;
  #hasServed = false;
  #bodyLength = 0;
  #receivedBytes = 0;
  #gatheredBytes = 0;
  #expectsContinue = false;
  #upload: UploadClock | null = null;
  /** Set for good once the connection has switched protocols. */
  #webSocket: ClientWebSocket | null = null;
  readonly #output: OutputWatch;
  /** When a half-closed client was last looked at. */
  #writesSeen = 0;

  constructor(socket: Socket, owner: SocketOwner, client: Client, context: WireContext) {
    this.#socket = socket;
    this.#owner = owner;
    this.#client = client;
    this.#context = context;
    this.#oldAtMs = owner.oldAtMs;
    this.writer = new SocketWriter(socket, context.wire.tls !== null);
    this.#output = new OutputWatch(socket);
    this.#parser = new RequestParser(this, context.http1Limits);
    this.#deadline = new Deadline(context.timers, () => this.#onAlarm());
    this.#parser.start();
    this.#waitFor("idle", context.wire.keepAliveMs);
  }

  get isBusy(): boolean {
    return this.#response !== null || this.#socket.writableLength > 0;
  }

  // ── The socket's news ────────────────────────────────────────────────────────────────────────────────────────

  receive(bytes: Latin1Bytes): void {
    if (this.#phase === "closing") return;
    if (this.#phase === "switched") this.#receiveFrames(bytes);
    else if (this.#held !== null || !this.#mayParse()) this.#hold(bytes);
    else this.#tryFeed(bytes);
  }

  onDrain(): void {
    try {
      this.#response?.drained();
      this.#webSocket?.drained();
    } catch (error) {
      this.crash(error);
    }
  }

  /** The client has closed its side (TCP allows it to read on). */
  onEnd(): void {
    this.#isHalfClosed = true;
    if (this.#phase === "closing") return;
    if (this.#phase === "switched") this.#webSocket?.ended();
    else if (this.#phase === "answering") this.#watchHalfClosed();
    else if (this.#response === null && this.#held === null) this.#startClosing();
    else if (this.#held === null) this.breakOff();
  }

  onClose(): void {
    this.#isGone = true;
    this.#phase = "closing";
    this.#held = null;
    this.#deadline.stop();
    this.#lose();
    this.#webSocket?.lost();
  }

  /** A connection that has just been opened is about to be used: it gets its one answer. */
  drain(): void {
    if (!this.#hasServed) return;
    if (this.#phase === "reading" && this.#response === null && this.#held === null && !this.#parser.hasBegun) this.#startClosing();
  }

  // ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────

  get isReadingRequest(): boolean {
    return this.#isFeeding && !this.#parser.isComplete;
  }

  #mayParse(): boolean {
    return this.#phase === "reading" && !this.#isBodyPaused;
  }

  #hold(bytes: Latin1Bytes): void {
    this.#held = this.#held === null ? bytes : (Buffer.concat([this.#held, bytes]) as unknown as Latin1Bytes);
    this.#socket.pause();
  }

  #tryFeed(bytes: Latin1Bytes): void {
    try {
      this.#feed(bytes);
    } catch (error) {
      this.#isFeeding = false;
      this.#gatheredBytes = 0;
      this.crash(error);
    }
  }

  #feed(bytes: Latin1Bytes): void {
    this.#isFeeding = true;
    const end = bytes.length;
    let at = 0;
    while (at < end && this.#mayParse()) {
      at = this.#parser.feed(bytes, at, end);
      if (this.#parser.refusal !== null) {
        this.#onRefusal(this.#parser.refusal);
        break;
      }
      if (this.#parser.isComplete) this.#requestDone();
    }
    this.#deliver(false);
    this.#isFeeding = false;
    this.#response?.finish();
    if (this.#isClosing()) return;
    if (at < end) this.#hold(bytes.subarray(at) as Latin1Bytes);
    if (this.#phase === "reading") this.#watchRequest();
  }

  /** A callback may have changed it. */
  #isClosing(): boolean {
    return this.#phase === "closing";
  }

  /** The request is not complete: how long may it take? */
  #watchRequest(): void {
    if (this.#response === null) {
      if (this.#wait === "idle" && this.#parser.hasBegun) this.#waitFor("head", this.#context.wire.requestHeaderMs);
    } else if (this.#wait !== "body" && !this.#isDiscarding) {
      this.#upload = new UploadClock(this.#context.spec, this.#isBodyPaused);
      this.#waitFor("body", this.#upload.nextLookMs);
    }
  }

  onTurnEnd(): void {
    if (this.#phase === "switched") return this.#beginFrames();
    const held = this.#held;
    if (held === null || this.#phase === "closing" || !this.#mayParse()) return;
    this.#held = null;
    this.#tryFeed(held);
    this.#readOn();
  }

  #readOn(): void {
    if (this.#held !== null || this.#isGone || this.#isBodyPaused) return;
    this.#socket.resume();
    if (this.#isHalfClosed && this.#phase === "reading") this.onEnd();
  }

  // ── Called by the parser ─────────────────────────────────────────────────────────────────────────────────────

  onHead(request: IncomingRequest): boolean {
    const { policy } = this.#context;
    const authority = request.authority === "" ? this.#client.localAuthority : request.authority;
    const head = new RequestHead(request.method, policy.scheme, authority, request.path, request.query, request.headers);
    head.bodyLength = request.bodyLength;
    head.hasZeroLength = request.hasZeroLength;
    this.#bodyLength = request.bodyLength;
    this.#expectsContinue = request.expectsContinue;
    head.acceptsTrailers = request.acceptsTrailers;
    const verdict = judgeHead(head, this.#client, policy);
    const webSocketKey = request.upgrades.length === 0 ? "" : judgeUpgrade(verdict, request);
    this.#open(request, verdict, webSocketKey);
    return true;
  }

  onBody(chunk: Uint8Array): boolean {
    this.#receivedBytes += chunk.length;
    if (this.#isDiscarding) return true;
    const { maxBodyBytes } = this.#context.policy;
    if (maxBodyBytes > 0 && this.#receivedBytes > maxBodyBytes) {
      this.#failBody("body-too-large", `the body exceeds ${maxBodyBytes} bytes`);
    } else if (chunk.length < SMALL_PIECE_BYTES && this.#receivedBytes !== this.#bodyLength) this.#gather(chunk);
    else {
      this.#deliver(false);
      if (!this.#isDiscarding) this.#response?.handler?.onBody(chunk, this.#receivedBytes === this.#bodyLength);
    }
    return !this.#isBodyPaused;
  }

  #gather(chunk: Uint8Array): void {
    if (this.#gatheredBytes + chunk.length > gathering.length) this.#deliver(false);
    gathering.set(chunk, this.#gatheredBytes);
    this.#gatheredBytes += chunk.length;
  }

  #deliver(isLast: boolean): void {
    const bytes = this.#gatheredBytes;
    this.#gatheredBytes = 0;
    if (this.#isDiscarding || (bytes === 0 && !isLast)) return;
    this.#response?.handler?.onBody(bytes === 0 ? EMPTY : gathering.subarray(0, bytes), isLast);
  }

  #open(request: IncomingRequest, verdict: HeadVerdict, webSocketKey = ""): void {
    const { acceptor } = this.#context;
    const response = new Http1Response(this, request);
    response.webSocketKey = webSocketKey;
    this.#response = response;
    if (verdict.code === null) response.handler = acceptor.accept(verdict.head, response);
    else {
      this.#isDiscarding = true;
      response.mustClose = true;
      response.handler = acceptor.refuse(verdict.head, response, verdict.code, verdict.detail);
    }
  }

  /** What is wrong is known, where the request ends is not: the connection ends with the answer. */
  #onRefusal(refusal: Refusal): void {
    if (this.#response !== null) return this.#failBody(codeOf(refusal), detailOf(refusal));
    this.#refuseHead(refusal);
  }

  #refuseHead(refusal: Refusal | "request-timeout"): void {
    const { request } = this.#parser;
    const { policy } = this.#context;
    const head = new RequestHead(request.method, policy.scheme, request.authority, request.path, request.query, []);
    const isLate = refusal === "request-timeout";
    const detail = isLate ? "the head did not arrive in time" : detailOf(refusal);
    this.#open(request, refusedHead(head, this.#client, isLate ? refusal : codeOf(refusal), detail));
  }

  #failBody(code: Parameters<HeadVerdict["refuse"]>[0], detail: string): void {
    if (this.#isDiscarding) return;
    this.#deliver(false);
    this.#isDiscarding = true;
    const response = this.#response;
    if (response === null) return;
    response.mustClose = true;
    response.handler?.onBodyError(code, detail);
  }

  #requestDone(): void {
    this.#phase = "answering";
    if (this.#isHalfClosed) this.#watchHalfClosed();
    else this.#waitFor("answer", 0);
    // With a length, the last piece has said that it is the last.
    this.#deliver(this.#bodyLength < 0 && this.#parser.trailers === null);
    if (this.#parser.trailers !== null && !this.#isDiscarding) this.#response?.handler?.onTrailers(this.#parser.trailers);
    this.#response?.finish();
    if (this.#response?.isOver === true) this.#afterResponse();
  }

  // ── Called by the response ───────────────────────────────────────────────────────────────────────────────────

  mayPersist(response: Http1Response): boolean {
    const { acceptor } = this.#context;
    if (response.mustClose || !this.#parser.isComplete || !this.#parser.request.canPersist) return false;
    if (this.#isHalfClosed && this.#held === null) return false;
    return !acceptor.isDraining && performance.now() < this.#oldAtMs;
  }

  atTurnEnd(task: TurnEnd): void {
    this.#context.atTurnEnd(task);
  }

  responseDone(): void {
    if (!this.#isFeeding) this.#afterResponse();
  }

  #afterResponse(): void {
    const response = this.#response;
    if (response === null || this.#phase === "closing") return;
    if (!response.canPersist || this.#phase !== "answering") return this.#startClosing();
    this.#response = null;
    this.#hasServed = true;
    this.#upload = null;
    this.#isBodyPaused = false;
    this.#isDiscarding = false;
    this.#receivedBytes = 0;
    this.#parser.start();
    this.#phase = "reading";
    this.#waitFor("idle", this.#context.wire.keepAliveMs);
    if (this.#isFeeding) return;
    if (this.#held !== null) this.#context.atTurnEnd(this);
    else this.#readOn();
  }

  pauseBody(): void {
    if (this.#phase !== "reading") return;
    this.#isBodyPaused = true;
    this.#upload?.pause();
    this.#socket.pause();
  }

  resumeBody(): void {
    if (!this.#isBodyPaused) return;
    this.#isBodyPaused = false;
    if (this.#phase !== "reading") return;
    this.#upload?.resume();
    if (this.#held !== null) this.#context.atTurnEnd(this);
    else if (!this.#isFeeding) this.#readOn();
  }

  /** RFC 9110 §10.1.1: not when the body has begun to come. */
  sendContinue(): void {
    if (!this.#expectsContinue || this.#receivedBytes > 0 || this.#phase !== "reading") return;
    this.#expectsContinue = false;
    this.writer.write("HTTP/1.1 100 Continue\r\n\r\n", [], "");
  }

  // ── Another protocol ─────────────────────────────────────────────────────────────────────────────────────────

  /** Null: the client has not waited for the answer (RFC 6455 §4.1). What it sent may be anything but frames. */
  switchProtocols(head: string, events: WebSocketEvents): WebSocketEnd | null {
    if (this.#held !== null) {
      this.breakOff();
      return null;
    }
    const { onBug, spec, timers } = this.#context;
    this.#phase = "switched";
    this.#response = null;
    this.#deadline.stop();
    this.writer.write(head, [], "");
    this.#webSocket = new ClientWebSocket(new Http1Tunnel(this.#socket), events, { spec: spec.webSocket, timers, onBug });
    // Not at once: whoever asked for this does not know its other end yet.
    this.#context.atTurnEnd(this);
    return this.#webSocket;
  }

  #beginFrames(): void {
    this.#webSocket?.open();
    this.#socket.resume();
    if (this.#isHalfClosed) this.#webSocket?.ended();
  }

  #receiveFrames(bytes: Latin1Bytes): void {
    this.#webSocket?.read(bytes as unknown as Uint8Array);
  }

  breakOff(): void {
    this.#phase = "closing";
    this.#held = null;
    this.#deadline.stop();
    this.#lose();
    this.#owner.cut();
  }

  crash(error: unknown): void {
    this.#context.onBug(error);
    this.breakOff();
  }

  // ── Waiting and ending ───────────────────────────────────────────────────────────────────────────────────────

  #waitFor(wait: Wait, delayMs: number): void {
    this.#wait = wait;
    this.#deadline.set(delayMs);
  }

  #onAlarm(): void {
    try {
      this.#onDeadline();
    } catch (error) {
      this.crash(error);
    }
  }

  #onDeadline(): void {
    switch (this.#wait) {
      case "idle":
        if (this.#output.isMoving(this.#context.spec.timeouts.streamIdleMs)) return this.#waitFor("idle", LINGER_MS);
        return this.#startClosing();
      case "head":
        return this.#refuseHead("request-timeout");
      case "body":
        return this.#lookAtUpload();
      case "half-closed":
        return this.#lookAtHalfClosed();
      case "closing":
        if (this.#output.isMoving(this.#context.spec.timeouts.streamIdleMs)) return this.#waitFor("closing", LINGER_MS);
        return this.#owner.destroy();
    }
  }

  #watchHalfClosed(): void {
    this.#writesSeen = this.writer.writes;
    this.#waitFor("half-closed", this.#response?.hasLeft === true ? HALF_CLOSED_SILENCE_MS : HALF_CLOSED_MS);
  }

  #lookAtHalfClosed(): void {
    const isSilent = this.writer.writes === this.#writesSeen && this.#socket.writableLength === 0;
    if (isSilent) this.breakOff();
    else this.#watchHalfClosed();
  }

  #lookAtUpload(): void {
    const flaw = this.#upload?.look(this.#receivedBytes) ?? null;
    if (flaw !== null) this.#failBody("request-timeout", flaw);
    else if (this.#upload !== null) this.#waitFor("body", this.#upload.nextLookMs);
  }

  /** Says that nothing more will come, and gives the client a moment to see it. */
  #startClosing(): void {
    this.#phase = "closing";
    this.#held = null;
    this.#waitFor("closing", LINGER_MS);
    this.#socket.end();
    this.#socket.resume();
  }

  #lose(): void {
    try {
      this.#response?.lost();
    } catch (error) {
      this.#context.onBug(error);
    }
  }
}
