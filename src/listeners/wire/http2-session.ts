/**
 * One HTTP/2 connection of a client: bytes between the socket and the codec, streams to exchanges, and every wait. What all
 * streams have to say leaves once per turn of the loop.
 */
import type { Socket } from "node:net";
import { headerValue, RequestHead } from "../../engine/model/request.js";
import type { Latin1Bytes } from "../../wire/http1/bytes.js";
import { Http2Connection } from "../../wire/http2/connection.js";
import { INTERNAL_ERROR, NO_ERROR } from "../../wire/http2/error-codes.js";
import type { Http2Events, Http2RequestHead, Http2ResponseHead } from "../../wire/http2/events.js";
import { OutputPump } from "../../wire/http2/output-pump.js";
import type { Http2Stream } from "../../wire/http2/stream.js";
import type { HeadVerdict } from "../head-rules.js";
import type { Client } from "./client.js";
import { Deadline } from "./deadline.js";
import { Http2Response, type Http2ResponseOwner } from "./http2-response.js";
import { outgoingFields } from "./outgoing-fields.js";
import { OutputWatch } from "./output-watch.js";
import type { ProtocolConnection, SocketOwner } from "./protocol-connection.js";
import { judgeHead, refusedHead } from "./request-rules.js";
import { judgeConnect } from "./web-socket-request.js";
import type { TurnEnd, WireContext } from "./wire-context.js";

/** `leaving`: no new streams are wanted. `closing`: nothing is read any more but to be forgotten. */
type Phase = "open" | "leaving" | "closing";

/** How long a client may take to see that we have closed. */
const LINGER_MS = 2_000;
/** Between the two steps of GOAWAY, when the client does not answer the ping that tells that it knows (RFC 9113 §6.8). */
const GOAWAY_GRACE_MS = 1_000;

export class Http2Session implements ProtocolConnection, Http2Events, Http2ResponseOwner, TurnEnd {
  readonly context: WireContext;
  readonly #socket: Socket;
  readonly #owner: SocketOwner;
  readonly #client: Client;
  readonly #codec: Http2Connection;
  readonly #output: OutputPump;
  readonly #watch: OutputWatch;
  readonly #responses = new Set<Http2Response>();
  /** Idle, silence, and the end of the connection. */
  readonly #deadline: Deadline;
  /** When to look at uploads again; null until there is one. */
  #uploadDeadline: Deadline | null = null;
  #phase: Phase = "open";
  #isWaitingForTurn = false;
  #hasSettings = false;
  /** Bytes have come since the deadline was set. */
  #hasMoved = false;
  #isPinged = false;
  #hasSentLastGoAway = false;

  constructor(socket: Socket, owner: SocketOwner, client: Client, context: WireContext) {
    this.#socket = socket;
    this.#owner = owner;
    this.#client = client;
    this.context = context;
    this.#codec = new Http2Connection("server", context.http2Limits, this);
    this.#output = new OutputPump(socket, this.#codec, { onWritten: () => this.#flush(), allocate: Buffer.allocUnsafe });
    this.#watch = new OutputWatch(socket);
    this.#deadline = new Deadline(context.timers, () => this.#run(onDeadline));
    this.#deadline.set(context.wire.requestHeaderMs);
    this.#flushLater();
  }

  get isBusy(): boolean {
    return this.#responses.size > 0 || this.#socket.writableLength > 0;
  }

  // ── The socket's news ────────────────────────────────────────────────────────────────────────────────────────

  receive(bytes: Latin1Bytes): void {
    if (this.#phase === "closing") return;
    this.#hasMoved = true;
    try {
      this.#codec.feed(bytes, 0, bytes.length, performance.now());
      if (this.#codec.refusal !== null) this.#onRefusal(this.#codec.refusal.reason);
    } catch (error) {
      this.#break(error);
    }
    this.#flushLater();
    if (this.#codec.isOutputFull) this.#socket.pause();
  }

  /** Not needed: each write says when it is done. */
  onDrain(): void {}

  /** A client that closes its side gets what is under way; requests that it has not ended cannot be. */
  onEnd(): void {
    if (this.#phase === "closing") return;
    for (const { stream } of [...this.#responses]) {
      if (stream.isReceiveEnded) continue;
      this.#tell(stream, lose);
      this.reset(stream, INTERNAL_ERROR);
    }
    this.#leave();
  }

  onClose(): void {
    this.#phase = "closing";
    this.#deadline.stop();
    this.#uploadDeadline?.stop();
    this.#loseAll();
  }

  drain(): void {
    this.#leave();
  }

  onTurnEnd(): void {
    this.#isWaitingForTurn = false;
    this.#flush();
  }

  #flushLater(): void {
    if (this.#isWaitingForTurn) return;
    this.#isWaitingForTurn = true;
    this.context.atTurnEnd(this);
  }

  #flush(): void {
    try {
      this.#output.flush();
    } catch (error) {
      this.#break(error);
    }
    if (this.#phase !== "closing" && this.#socket.isPaused() && !this.#codec.isOutputFull) this.#socket.resume();
  }

  // ── Requests ─────────────────────────────────────────────────────────────────────────────────────────────────

  onRequest(stream: Http2Stream, head: Http2RequestHead, isEnd: boolean): void {
    const request = requestHead(head, isEnd, this.context.policy.scheme);
    const expectation = headerValue(head.headers, "expect")?.toLowerCase();
    const verdict = judgeHead(request, this.#client, this.context.policy);
    if (head.protocol !== "") judgeConnect(verdict, head.protocol, isEnd);
    if (expectation !== undefined && expectation !== "100-continue") {
      verdict.refuse("expectation-failed", "only 100-continue can be expected");
    }
    const response = new Http2Response(this, stream, head.method === "HEAD", expectation !== undefined && !isEnd);
    response.awaitsWebSocket = request.isWebSocket;
    this.#open(response, verdict);
    if (!isEnd && !response.isOver && !request.isWebSocket) this.#watchUpload(response);
    if (performance.now() >= this.#owner.oldAtMs) this.#leave();
  }

  onOversizedRequest(stream: Http2Stream): void {
    const head = new RequestHead("", this.context.policy.scheme, "", "/", undefined, []);
    const verdict = refusedHead(head, this.#client, "headers-too-large", "the head exceeds a limit");
    this.#open(new Http2Response(this, stream, false, false), verdict);
  }

  #open(response: Http2Response, { head, code, detail }: HeadVerdict): void {
    const { acceptor, wire } = this.context;
    response.stream.owner = response;
    this.#responses.add(response);
    if (this.#responses.size === 1) this.#expectBytes(wire.http2.pingMs);
    try {
      if (code === null) response.handler = acceptor.accept(head, response);
      else {
        response.discard();
        response.handler = acceptor.refuse(head, response, code, detail);
      }
    } catch (error) {
      this.crash(response, error);
    }
  }

  onData(stream: Http2Stream, data: Uint8Array, isEnd: boolean): void {
    const response = stream.owner as Http2Response | null;
    if (response === null) return this.consume(stream, data.length);
    try {
      response.receive(data, isEnd);
    } catch (error) {
      this.crash(response, error);
    }
  }

  onTrailers(stream: Http2Stream, trailers: string[]): void {
    this.#tell(stream, (response) => response.receiveTrailers(trailers));
  }

  onReset(stream: Http2Stream): void {
    this.#tell(stream, lose);
  }

  onWritable(stream: Http2Stream): void {
    this.#tell(stream, writable);
  }

  #tell(stream: Http2Stream, news: (response: Http2Response) => void): void {
    const response = stream.owner as Http2Response | null;
    if (response === null) return;
    try {
      news(response);
    } catch (error) {
      this.crash(response, error);
    }
  }

  onRefusedRequest(): void {}
  onInterim(): void {}
  onResponse(): void {}

  onSettings(): void {
    if (this.#hasSettings) return;
    this.#hasSettings = true;
    if (this.#responses.size === 0) this.#deadline.set(this.context.wire.keepAliveMs);
  }

  onPingAck(): void {
    if (this.#phase === "leaving") this.#sayLast();
  }

  onGoAway(): void {
    this.#leave();
  }

  // ── Called by responses ──────────────────────────────────────────────────────────────────────────────────────

  sendHead(stream: Http2Stream, head: Http2ResponseHead, isEnd: boolean): void {
    const headers = outgoingFields(head.headers);
    if (headers === null) return this.#tell(stream, unsendable);
    this.#codec.sendResponse(stream, { status: head.status, headers, bodyLength: head.bodyLength }, isEnd);
    this.#flushLater();
  }

  sendData(stream: Http2Stream, data: Uint8Array, isEnd: boolean): number {
    this.#flushLater();
    return this.#codec.sendData(stream, data, isEnd);
  }

  sendTrailers(stream: Http2Stream, trailers: readonly string[]): void {
    this.#codec.sendTrailers(stream, outgoingFields(trailers, false) ?? []);
    this.#flushLater();
  }

  sendInterim(stream: Http2Stream, status: number, headers: readonly string[]): void {
    const fields = outgoingFields(headers, false);
    if (fields !== null) this.#codec.sendInterim(stream, status, fields);
    this.#flushLater();
  }

  consume(stream: Http2Stream, bytes: number): void {
    if (bytes === 0) return;
    this.#codec.consume(stream, bytes);
    this.#flushLater();
  }

  reset(stream: Http2Stream, errorCode: number): void {
    this.#codec.reset(stream, errorCode);
    this.#flushLater();
  }

  responseDone(response: Http2Response): void {
    this.#responses.delete(response);
    if (this.#responses.size > 0 || this.#phase === "closing") return;
    if (this.#hasSentLastGoAway) this.#startClosing();
    else if (this.#phase === "open") this.#deadline.set(this.context.wire.keepAliveMs);
  }

  crash(response: Http2Response, error: unknown): void {
    this.context.onBug(error);
    this.reset(response.stream, INTERNAL_ERROR);
    try {
      response.lost();
    } catch (second) {
      this.context.onBug(second);
    }
  }

  // ── Waiting and ending ───────────────────────────────────────────────────────────────────────────────────────

  #watchUpload(response: Http2Response): void {
    response.watchUpload();
    const isFirst = this.#uploadDeadline === null;
    this.#uploadDeadline ??= new Deadline(this.context.timers, () => this.#run(lookAtUploads));
    // Others look at least as often as this one needs, or the next look finds it.
    if (isFirst || !this.#uploadDeadline.isSet) this.#uploadDeadline.set(response.upload?.nextLookMs ?? 0);
  }

  /** @internal */
  lookAtUploads(): void {
    let nextMs = 0;
    for (const response of [...this.#responses]) {
      const flaw = response.upload?.look(response.receivedBytes) ?? null;
      if (flaw !== null) response.failBody("request-timeout", flaw);
      const lookMs = response.upload?.nextLookMs ?? 0;
      if (lookMs > 0) nextMs = nextMs === 0 ? lookMs : Math.min(nextMs, lookMs);
    }
    this.#uploadDeadline?.set(nextMs);
  }

  /** @param forMs 0: for ever */
  #expectBytes(forMs: number): void {
    if (this.#phase !== "open") return;
    this.#hasMoved = false;
    this.#isPinged = false;
    this.#deadline.set(forMs);
  }

  /** @internal */
  onDeadline(): void {
    if (this.#phase === "closing") {
      if (this.#watch.isMoving(this.context.spec.timeouts.streamIdleMs)) this.#deadline.set(LINGER_MS);
      else this.#owner.destroy();
    } else if (this.#phase === "leaving") this.#sayLast();
    else if (this.#responses.size === 0) this.#leave();
    else this.#onSilence();
  }

  #onSilence(): void {
    const { pingMs } = this.context.wire.http2;
    if (this.#hasMoved || this.#watch.isMoving(0)) return this.#expectBytes(pingMs);
    if (this.#isPinged) return this.#owner.destroy();
    this.#isPinged = true;
    this.#codec.ping();
    this.#flushLater();
    this.#deadline.set(pingMs);
  }

  /** First step of RFC 9113 §6.8: the client opens no more streams, but those on their way are served. */
  #leave(): void {
    if (this.#phase !== "open") return;
    this.#phase = "leaving";
    this.#codec.announceGoAway();
    this.#codec.ping();
    this.#deadline.set(GOAWAY_GRACE_MS);
    this.#flushLater();
  }

  #sayLast(): void {
    if (this.#hasSentLastGoAway) return;
    this.#hasSentLastGoAway = true;
    this.#deadline.clear();
    this.#codec.goAway(NO_ERROR);
    this.#flushLater();
    if (this.#responses.size === 0) this.#startClosing();
  }

  #onRefusal(reason: string): void {
    this.context.onHttp2Refusal(reason, this.#client.address);
    this.#startClosing();
    this.#loseAll();
  }

  #startClosing(): void {
    this.#phase = "closing";
    this.#output.endWhenEmpty();
    this.#deadline.set(LINGER_MS);
    this.#socket.resume();
    this.#flushLater();
  }

  #loseAll(): void {
    for (const response of [...this.#responses]) this.#tell(response.stream, lose);
  }

  #run(task: (session: Http2Session) => void): void {
    try {
      task(this);
    } catch (error) {
      this.#break(error);
    }
  }

  #break(error: unknown): void {
    this.context.onBug(error);
    this.#phase = "closing";
    this.#owner.cut();
  }
}

/** An extended CONNECT is what a GET with an upgrade is in HTTP/1.1: what comes on its stream is no body. */
function requestHead(head: Http2RequestHead, isEnd: boolean, scheme: "http" | "https"): RequestHead {
  const { authority, path, headers, protocol } = head;
  const method = protocol === "" ? head.method : "GET";
  const bodyLength = protocol === "" ? head.bodyLength : 0;
  const mark = path.indexOf("?");
  const query = mark === -1 ? undefined : path.substring(mark + 1);
  const request = new RequestHead(method, scheme, authority, mark === -1 ? path : path.substring(0, mark), query, headers as string[]);
  request.bodyLength = isEnd ? 0 : bodyLength;
  request.hasZeroLength = bodyLength === 0;
  request.acceptsTrailers = head.acceptsTrailers;
  return request;
}

function onDeadline(session: Http2Session): void {
  session.onDeadline();
}

function lookAtUploads(session: Http2Session): void {
  session.lookAtUploads();
}

function lose(response: Http2Response): void {
  response.lost();
}

function writable(response: Http2Response): void {
  response.writable();
}

function unsendable(): never {
  throw new Error("a response holds a name or value that cannot be sent");
}
