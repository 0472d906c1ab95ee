/**
 * One request on one stream: the caller's handle on an attempt and what the codec's news of its stream become. Bytes of the
 * response are credited to the service only once the caller has moved on, so that a slow caller slows its own stream down.
 */
import type { ErrorCode } from "../engine/model/errors.js";
import type { HeaderList } from "../engine/model/request.js";
import type { Timer, UpstreamCall, UpstreamHandler, UpstreamRequest } from "../proxy/ports.js";
import type { UpstreamWebSocket } from "../proxy/web-socket-ports.js";
import type { Http2RequestHead, Http2ResponseHead } from "../wire/http2/events.js";
import { SendQueue } from "../wire/http2/send-queue.js";
import type { Http2Stream } from "../wire/http2/stream.js";
import { areSendable } from "./http2-request.js";
import type { StreamCarrier, StreamUser } from "./http2-stream-user.js";
import { ClientPlace, type PlaceHolder } from "./slow-clients.js";
import type { BodyState, WaitingCall } from "./waiting-calls.js";

/** Where a call waits for a stream. */
export interface CallQueue {
  /** For the connections that are being made, and for no other request. */
  readonly isConnecting: boolean;
  leave(call: Http2Call): void;
  /** `call.bodyState` has changed. */
  bodyArrived(call: Http2Call): void;
}

/** What came while the caller had said stop. */
type Held =
  | { readonly kind: "head"; readonly status: number; readonly headers: HeaderList; readonly bodyLength: number }
  | { readonly kind: "body"; readonly bytes: Uint8Array }
  | { readonly kind: "end"; readonly trailers: HeaderList | null };

export class Http2Call implements UpstreamCall, StreamUser, WaitingCall, PlaceHolder {
  readonly request: UpstreamRequest;
  readonly handler: UpstreamHandler;
  waitTimer: Timer | null = null;
  bodyState: BodyState;
  /** What opens its stream; null when the request cannot be encoded. */
  readonly head: Http2RequestHead | null;
  uploadedBytes = 0;
  /** Null as long as it has not waited for its client. */
  #place: ClientPlace | null = null;
  isTouched = false;
  readCountAtStart = 0;
  #queue: CallQueue | null = null;
  #carrier: StreamCarrier | null = null;
  #stream: Http2Stream | null = null;
  /** The service chose HTTP/1.1: this one carries on. */
  #substitute: UpstreamCall | null = null;
  /** Request bytes that the codec has not taken, copied; null: it always took all. */
  #pending: SendQueue | null = null;
  /** Body bytes still owed; meaningless when the length is unknown. */
  #owed: number;
  #isRequestEnded: boolean;
  #requestTrailers: readonly string[] = NO_TRAILERS;
  #isPaused = false;
  #held: Held[] = [];
  #hasHead = false;
  #isOver = false;

  constructor(request: UpstreamRequest, handler: UpstreamHandler, head: Http2RequestHead | null) {
    this.request = request;
    this.handler = handler;
    this.head = head;
    this.bodyState = request.bodyLength === 0 ? "whole" : "partial";
    this.#owed = request.bodyLength;
    this.#isRequestEnded = request.bodyLength === 0;
  }

  get hasHead(): boolean {
    return this.#hasHead;
  }

  get #isPending(): boolean {
    return this.#pending !== null && !this.#pending.isEmpty;
  }

  // ── Its way ────────────────────────────────────────────────────────────────────────────────────────────────────

  waitIn(queue: CallQueue): void {
    this.#queue = queue;
  }

  open(carrier: StreamCarrier, stream: Http2Stream): void {
    this.#queue = null;
    this.#carrier = carrier;
    this.#stream = stream;
    stream.owner = this;
    if (this.bodyState !== "whole") this.#placeAt(carrier).startUpload();
    this.handler.onConnected();
  }

  /** From now on `call` carries the attempt. */
  continueAs(call: UpstreamCall): void {
    this.#queue = null;
    this.#substitute = call;
  }

  // ── UpstreamCall ───────────────────────────────────────────────────────────────────────────────────────────────

  get isConnecting(): boolean {
    return this.#substitute?.isConnecting ?? this.#queue?.isConnecting ?? false;
  }

  write(chunk: Uint8Array): boolean {
    if (this.#substitute !== null) return this.#substitute.write(chunk);
    if (this.#isOver) return true;
    if (chunk.length === 0) return !this.#isPending;
    const stream = this.#stream;
    if (stream === null || this.#isMisuse(chunk.length)) return this.#misused();
    if (this.#owed >= 0) this.#owed -= chunk.length;
    this.uploadedBytes += chunk.length;
    const carrier = this.#carrier as StreamCarrier;
    const taken = this.#isPending ? 0 : carrier.send(stream, chunk);
    if (taken === chunk.length) return true;
    this.#pending ??= new SendQueue((bytes) => carrier.send(stream, bytes));
    this.#pending.pushCopy(chunk.subarray(taken));
    return false;
  }

  end(trailers?: readonly string[]): void {
    if (this.#substitute !== null) return this.#substitute.end(trailers);
    if (this.#isOver || this.#isRequestEnded) return;
    if (this.#stream === null || this.#owed > 0 || !areSendable(trailers ?? NO_TRAILERS)) {
      this.#misused();
      return;
    }
    this.#isRequestEnded = true;
    this.#place?.endUpload();
    this.#requestTrailers = trailers ?? NO_TRAILERS;
    if (!this.#isPending) this.#endRequest(this.#stream);
  }

  pause(): void {
    if (this.#substitute !== null) return this.#substitute.pause();
    if (this.#stream === null || this.#isPaused) return;
    this.#isPaused = true;
    if (this.#carrier !== null) this.#placeAt(this.#carrier).stopReading();
  }

  resume(): void {
    if (this.#substitute !== null) return this.#substitute.resume();
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#place?.readOn();
    // Not from in here: the caller does not expect to be called back while it says this.
    if (this.#held.length > 0) setImmediate(deliverHeld, this);
    else this.#credit();
  }

  bodyArrived(isWhole: boolean): void {
    this.bodyState = isWhole ? "whole" : "full";
    if (this.#substitute !== null) return this.#substitute.bodyArrived(isWhole);
    this.#queue?.bodyArrived(this);
  }

  abort(): void {
    if (this.#substitute !== null) return this.#substitute.abort();
    this.#close();
  }

  // ── News of the stream ─────────────────────────────────────────────────────────────────────────────────────────

  interim(status: number, headers: HeaderList): void {
    this.#touch();
    if (!this.#isOver) this.handler.onInterim(status, headers);
  }

  responded({ status, headers, bodyLength }: Http2ResponseHead, isEnd: boolean): void {
    this.#hasHead = true;
    // The service talks while it listens: from here on it knows itself how long that may last.
    this.#place?.endUpload();
    const stream = this.#stream;
    if (this.request.isWebSocket && status < 300 && stream !== null) return this.#carrier?.upgrade(this, stream, headers as HeaderList);
    // These have none, whatever length they state (RFC 9110 §8.6).
    const length = status === 204 || status === 304 ? 0 : bodyLength;
    this.#take({ kind: "head", status, headers: headers as HeaderList, bodyLength: length });
    if (isEnd) this.ended(null);
  }

  received(bytes: Uint8Array, isEnd: boolean): void {
    if (bytes.length > 0) this.#receive(bytes);
    if (isEnd) this.ended(null);
  }

  ended(trailers: HeaderList | null): void {
    this.#take({ kind: "end", trailers: trailers === null || trailers.length === 0 ? null : trailers });
  }

  writable(): void {
    const stream = this.#stream;
    if (stream === null || this.#isOver) return;
    this.#pending?.flush();
    if (this.#isPending || this.#isOver) return;
    if (this.#isRequestEnded) this.#endRequest(stream);
    else this.handler.onDrain();
  }

  readEnded(): void {
    this.isTouched = false;
    if (!this.#isOver) this.handler.onReadEnd();
  }

  /** What is complete, but held back by a pause, is not lost by that. */
  lost(code: ErrorCode, detail: string): void {
    if (this.#held.at(-1)?.kind !== "end") this.fail(code, detail);
  }

  /** Its stream carries `socket` from now on: the attempt is over. */
  upgraded(headers: HeaderList, socket: UpstreamWebSocket): void {
    this.#stream = null;
    if (this.#close()) this.handler.onUpgrade(headers, socket);
    else socket.abort();
  }

  fail(code: ErrorCode, detail: string): void {
    if (this.#close()) this.handler.onError(code, detail);
  }

  /** For failures found while `start` is still running. */
  failLater(code: ErrorCode, detail: string): void {
    setImmediate(failNow, this, code, detail);
  }

  /** @internal */
  deliverHeld(): void {
    const held = this.#held;
    while (held.length > 0 && !this.#isPaused && !this.#isOver) this.#deliver(held.shift() as Held);
    if (this.#isOver) return;
    if (!this.#isPaused) this.#credit();
    this.handler.onReadEnd();
  }

  // ── PlaceHolder ────────────────────────────────────────────────────────────────────────────────────────────────

  get isHeldUpByService(): boolean {
    return this.#isPending;
  }

  cutOff(detail: string): void {
    this.fail("slow-client", detail);
  }

  #placeAt({ slowClients }: StreamCarrier): ClientPlace {
    this.#place ??= new ClientPlace(slowClients, this);
    return this.#place;
  }

  // ── Inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #isMisuse(byteCount: number): boolean {
    return this.#isRequestEnded || (this.#owed >= 0 && byteCount > this.#owed);
  }

  /** More or less body than announced, or before `onConnected`: the stream is past saving. */
  #misused(): false {
    const { handler } = this;
    if (this.#close()) setImmediate(() => handler.onError("internal", "request body does not match its announced length"));
    return false;
  }

  #endRequest(stream: Http2Stream): void {
    this.#carrier?.endRequest(stream, this.#requestTrailers);
  }

  #touch(): void {
    if (this.isTouched) return;
    this.isTouched = true;
    this.#carrier?.touch(this);
  }

  /** An end passes a pause as long as nothing is ahead of it. */
  #take(event: Held): void {
    this.#touch();
    if (this.#held.length > 0 || (this.#isPaused && event.kind !== "end")) this.#held.push(event);
    else if (!this.#isOver) this.#deliver(event);
  }

  #receive(bytes: Uint8Array): void {
    this.#touch();
    if (this.#held.length > 0 || this.#isPaused) {
      this.#held.push({ kind: "body", bytes: Uint8Array.prototype.slice.call(bytes) });
    } else if (!this.#isOver) {
      this.handler.onBody(bytes);
      if (!this.#isPaused) this.#credit();
    }
  }

  #deliver(event: Held): void {
    if (event.kind === "head") this.handler.onHead(event.status, event.headers, event.bodyLength);
    else if (event.kind === "body") this.handler.onBody(event.bytes);
    else if (this.#close()) this.handler.onEnd(event.trailers);
  }

  #credit(): void {
    if (this.#stream !== null) this.#carrier?.credit(this.#stream);
  }

  /** False: it was over before. */
  #close(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#queue?.leave(this);
    this.#queue = null;
    this.#pending?.clear();
    this.#pending = null;
    this.#held = [];
    this.#place?.leave();
    if (this.#stream !== null) this.#carrier?.release(this, this.#stream);
    return true;
  }
}

const NO_TRAILERS: readonly string[] = [];

function failNow(call: Http2Call, code: ErrorCode, detail: string): void {
  call.fail(code, detail);
}

function deliverHeld(call: Http2Call): void {
  call.deliverHeld();
}
