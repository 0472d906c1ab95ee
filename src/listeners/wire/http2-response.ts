/**
 * One stream of an HTTP/2 connection, as the proxy's `Downstream`. The codec copies what it takes and frames it; what it does
 * not take (windows, room) waits here, one chunk at most, and stops the exchange. Request bytes are paid back to the client's
 * windows when the exchange has taken them, which is the brake on uploads.
 */
import type { ErrorCode } from "../../engine/model/errors.js";
import type { HeaderList } from "../../engine/model/request.js";
import type { Downstream, DownstreamHandler } from "../../proxy/ports.js";
import type { WebSocketEnd, WebSocketEvents } from "../../proxy/web-socket-ports.js";
import { INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR } from "../../wire/http2/error-codes.js";
import type { Http2ResponseHead } from "../../wire/http2/events.js";
import type { Http2Stream } from "../../wire/http2/stream.js";
import { Stock } from "../../wire/stock.js";
import { Http2Tunnel } from "./http2-tunnel.js";
import { UploadClock } from "./upload-clock.js";
import { ClientWebSocket } from "./web-socket.js";
import type { WireContext } from "./wire-context.js";

/** The connection. */
export interface Http2ResponseOwner {
  readonly context: WireContext;
  sendHead(stream: Http2Stream, head: Http2ResponseHead, isEnd: boolean): void;
  /** Returns how much was taken. */
  sendData(stream: Http2Stream, data: Uint8Array, isEnd: boolean): number;
  sendTrailers(stream: Http2Stream, trailers: readonly string[]): void;
  sendInterim(stream: Http2Stream, status: number, headers: readonly string[]): void;
  consume(stream: Http2Stream, bytes: number): void;
  reset(stream: Http2Stream, errorCode: number): void;
  /** No more will be said about the stream. */
  responseDone(response: Http2Response): void;
  crash(response: Http2Response, error: unknown): void;
}

/**
 * `stated`: the head is known. `sending`: it is with the codec. `ending`: `end` was called and bytes are still here.
 * `switched`: the stream carries a WebSocket.
 */
type State = "idle" | "stated" | "sending" | "ending" | "switched" | "over";

const EMPTY = Buffer.alloc(0);
const NO_HEADERS: readonly string[] = [];
/** For what waits: a read from a service fits. Smaller parts come from Node's pool. */
const kept = new Stock(65_536);
const MIN_KEPT_BYTES = 4_096;
const MAX_JOINED_BYTES = 4_096;
/** A body that is still shorter waits for the end of the turn: until then the head may be taken back. */
const MAX_HELD_BYTES = 16_384;

export class Http2Response implements Downstream, Http2ResponseHead {
  handler: DownstreamHandler | null = null;
  status = 0;
  headers: readonly string[] = NO_HEADERS;
  bodyLength = -1;
  /** How long the upload takes; null when there is none, or no more. */
  upload: UploadClock | null = null;
  receivedBytes = 0;
  /** An extended CONNECT that has no answer yet: what comes before it is neither a body nor, for certain, frames. */
  awaitsWebSocket = false;
  readonly stream: Http2Stream;
  readonly #owner: Http2ResponseOwner;
  readonly #isHeadRequest: boolean;
  readonly #expectsContinue: boolean;
  #state: State = "idle";
  #isBodiless = false;
  #owedBytes = 0;
  /** What the codec has not taken, or was not offered yet. */
  #rest: Uint8Array = EMPTY;
  #isBlocked = false;
  #trailers: readonly string[] | null = null;
  /** Of the request; they come behind what waits. */
  #requestTrailers: HeaderList | null = null;
  #tunnel: Http2Tunnel | null = null;
  #webSocket: ClientWebSocket | null = null;
  /** The exchange wants no request bytes: they wait here, at most a window of them. */
  #isBodyPaused = false;
  #waiting: Uint8Array[] | null = null;
  #isLastWaiting = false;
  #isDiscarding = false;

  constructor(owner: Http2ResponseOwner, stream: Http2Stream, isHeadRequest: boolean, expectsContinue: boolean) {
    this.#owner = owner;
    this.stream = stream;
    this.#isHeadRequest = isHeadRequest;
    this.#expectsContinue = expectsContinue;
  }

  get isOver(): boolean {
    return this.#state === "over";
  }

  // ── Downstream: the response ─────────────────────────────────────────────────────────────────────────────────

  writeHead(status: number, headers: readonly string[], bodyLength: number): void {
    if (this.#state !== "idle") return;
    this.#state = "stated";
    this.status = status;
    this.headers = headers;
    // RFC 9110 §8.6: no length with 204.
    this.bodyLength = status === 204 ? -1 : bodyLength;
    this.#isBodiless = this.#isHeadRequest || status === 204 || status === 304;
    this.#owedBytes = bodyLength;
  }

  write(chunk: Uint8Array): boolean {
    if (!this.#isOpen() || this.#isBodiless) return true;
    const part = this.bodyLength < 0 ? chunk : chunk.subarray(0, this.#owedBytes);
    if (part.length === 0) return !this.#isBlocked;
    this.#owedBytes -= part.length;
    if (this.#state === "stated" && part.length + this.#rest.length <= MAX_HELD_BYTES) this.#keep(part);
    else this.#send(part);
    return !this.#isBlocked;
  }

  writeInterim(status: number, headers: readonly string[]): void {
    if (this.#state === "idle") this.#owner.sendInterim(this.stream, status, headers);
  }

  takeBack(): boolean {
    if (this.#state !== "idle" && this.#state !== "stated") return false;
    this.#state = "idle";
    this.#setRest(EMPTY);
    this.#trailers = null;
    return true;
  }

  flush(): void {
    if (this.#state !== "stated" || this.#isBodiless || this.bodyLength === 0) return;
    this.#sendHead(false);
    this.#offer();
  }

  end(trailers: readonly string[] | null = null): void {
    if (!this.#isOpen()) return;
    this.#trailers = trailers;
    if (this.#state === "stated") this.#endStated();
    else if (this.bodyLength >= 0 && this.#owedBytes > 0 && !this.#isBodiless) this.abort();
    else this.#endSending();
  }

  abort(): void {
    this.#cutOff(INTERNAL_ERROR);
  }

  acceptWebSocket(headers: readonly string[], protocol: string, events: WebSocketEvents): WebSocketEnd | null {
    if (this.#state !== "idle") return null;
    const { onBug, spec, timers } = this.#owner.context;
    const chosen = protocol === "" ? [] : ["sec-websocket-protocol", protocol];
    this.#owner.sendHead(this.stream, { status: 200, headers: [...chosen, ...headers], bodyLength: -1 }, false);
    if (this.isOver) return null;
    this.#state = "switched";
    this.awaitsWebSocket = false;
    this.#tunnel = new Http2Tunnel(this.#owner, this.stream, () => this.#over());
    this.#webSocket = new ClientWebSocket(this.#tunnel, events, { spec: spec.webSocket, timers, onBug });
    // Not at once: whoever asked for this does not know its other end yet.
    setImmediate(openWebSocket, this.#webSocket);
    return this.#webSocket;
  }

  // ── Downstream: the request's body ───────────────────────────────────────────────────────────────────────────

  pauseBody(): void {
    if (this.#state === "over") return;
    this.#isBodyPaused = true;
    this.upload?.pause();
  }

  resumeBody(): void {
    if (!this.#isBodyPaused || this.#state === "over") return;
    this.#isBodyPaused = false;
    this.upload?.resume();
    this.#deliverWaiting();
  }

  wantBody(): void {
    if (this.#expectsContinue && this.#state === "idle" && this.receivedBytes === 0) this.#owner.sendInterim(this.stream, 100, NO_HEADERS);
  }

  // ── Called by the connection ─────────────────────────────────────────────────────────────────────────────────

  receive(data: Uint8Array, isEnd: boolean): void {
    if (this.#webSocket !== null) return this.#receiveFrames(this.#webSocket, data, isEnd);
    if (this.awaitsWebSocket && this.#state === "idle") return this.#giveUpEarly(data.length);
    this.receivedBytes += data.length;
    if (isEnd) this.upload = null;
    const { maxBodyBytes } = this.#owner.context.policy;
    if (this.#isDiscarding || this.#state === "over") this.#owner.consume(this.stream, data.length);
    else if (maxBodyBytes > 0 && this.receivedBytes > maxBodyBytes) {
      this.#owner.consume(this.stream, data.length);
      this.failBody("body-too-large", `the body exceeds ${maxBodyBytes} bytes`);
    } else if (this.#isBodyPaused) this.#hold(data, isEnd);
    else this.#deliver(data, isEnd);
  }

  receiveTrailers(trailers: HeaderList): void {
    if (this.#webSocket !== null) return this.#webSocket.ended();
    if (this.awaitsWebSocket && this.#state === "idle") return this.#giveUpEarly(0);
    this.upload = null;
    if (this.#isDiscarding || this.#state === "over") return;
    if (this.#waiting === null) this.handler?.onTrailers(trailers);
    else this.#requestTrailers = trailers;
  }

  /** RFC 8441 §5, RFC 6455 §4.1: a client waits for the answer. */
  #giveUpEarly(bytes: number): void {
    this.#owner.consume(this.stream, bytes);
    this.#cutOff(PROTOCOL_ERROR);
    this.handler?.onAbort();
  }

  #receiveFrames(webSocket: ClientWebSocket, data: Uint8Array, isEnd: boolean): void {
    webSocket.read(data);
    this.#tunnel?.received(data.length);
    if (isEnd) webSocket.ended();
  }

  /** The request was refused: its body is paid back and forgotten. */
  discard(): void {
    this.#isDiscarding = true;
    this.upload = null;
    this.#returnWaiting();
  }

  failBody(code: ErrorCode, detail: string): void {
    if (this.#isDiscarding || this.#state === "over") return;
    this.discard();
    this.handler?.onBodyError(code, detail);
  }

  /** The codec takes more. */
  writable(): void {
    if (this.#state === "over") return;
    if (this.#tunnel !== null) return this.#tunnelWritable(this.#tunnel);
    this.#isBlocked = false;
    this.#offer();
    if (this.#isBlocked) return;
    if (this.#state === "ending") this.#finish();
    else this.handler?.onDrain();
  }

  #tunnelWritable(tunnel: Http2Tunnel): void {
    tunnel.flush();
    this.#webSocket?.drained();
  }

  /** The client has given the stream up, or is gone. */
  lost(): void {
    if (this.#state === "over") return;
    if (this.#webSocket !== null) {
      this.#tunnel?.lost();
      return this.#webSocket.lost();
    }
    this.#over();
    this.handler?.onAbort();
  }

  watchUpload(): void {
    this.upload = new UploadClock(this.#owner.context.spec, this.#isBodyPaused);
  }

  // ── Sending ──────────────────────────────────────────────────────────────────────────────────────────────────

  #isOpen(): boolean {
    return this.#state === "stated" || this.#state === "sending";
  }

  #keep(part: Uint8Array): void {
    if (this.#rest.length > 0) this.#setRest(Buffer.concat([this.#rest, part]));
    else if (part.length < MIN_KEPT_BYTES || part.length > kept.blockBytes) this.#rest = Buffer.from(part);
    else {
      const block = kept.take();
      block.set(part);
      this.#rest = block.subarray(0, part.length);
    }
  }

  #setRest(rest: Uint8Array): void {
    if (rest.buffer !== this.#rest.buffer) kept.giveBack(this.#rest);
    this.#rest = rest;
  }

  #sendHead(isEnd: boolean): void {
    this.#state = "sending";
    this.#owner.sendHead(this.stream, this, isEnd);
  }

  #send(part: Uint8Array): void {
    if (this.#state === "stated") {
      this.#sendHead(false);
      this.#offer();
    }
    const taken = this.#isBlocked ? 0 : this.#owner.sendData(this.stream, part, false);
    if (taken === part.length) return;
    this.#isBlocked = true;
    this.#keep(part.subarray(taken));
  }

  #offer(): void {
    if (this.#rest.length === 0) return;
    const isLast = this.#state === "ending" && this.#trailers === null;
    const taken = this.#owner.sendData(this.stream, this.#rest, isLast);
    this.#isBlocked = taken < this.#rest.length;
    this.#setRest(this.#isBlocked ? this.#rest.subarray(taken) : EMPTY);
  }

  /** Nothing has left: the whole response is known. */
  #endStated(): void {
    if (this.#isBodiless) {
      this.#sendHead(true);
      return this.#done();
    }
    if (this.bodyLength < 0 && this.#trailers === null) this.bodyLength = this.#rest.length;
    else if (this.bodyLength >= 0 && this.#owedBytes > 0) return this.abort(); // never a short body that looks complete
    const isEnd = this.#rest.length === 0 && this.#trailers === null;
    this.#sendHead(isEnd);
    if (isEnd) return this.#done();
    this.#endSending();
  }

  #endSending(): void {
    const hadRest = this.#rest.length > 0;
    this.#state = "ending";
    if (this.#isBlocked) return;
    this.#offer();
    if (this.#isBlocked) return;
    // With the last bytes the end has been said already, unless there were none.
    if (!hadRest && this.#trailers === null) this.#owner.sendData(this.stream, EMPTY, true);
    this.#finish();
  }

  #finish(): void {
    if (this.#trailers !== null) this.#owner.sendTrailers(this.stream, this.#trailers);
    this.#done();
  }

  /** RFC 9113 §8.1: a client that still uploads is told that nobody needs it. */
  #done(): void {
    const isUploading = !this.stream.isReceiveEnded;
    this.#over();
    if (isUploading) this.#owner.reset(this.stream, NO_ERROR);
  }

  #cutOff(errorCode: number): void {
    if (this.#state === "over") return;
    this.#over();
    this.#owner.reset(this.stream, errorCode);
  }

  #over(): void {
    this.#state = "over";
    this.#setRest(EMPTY);
    this.upload = null;
    this.#returnWaiting();
    this.#owner.responseDone(this);
  }

  // ── Receiving ────────────────────────────────────────────────────────────────────────────────────────────────

  #deliver(data: Uint8Array, isEnd: boolean): void {
    this.handler?.onBody(data, isEnd);
    this.#owner.consume(this.stream, data.length);
  }

  #hold(data: Uint8Array, isEnd: boolean): void {
    this.#waiting ??= [];
    const last = this.#waiting.at(-1);
    const isJoined = last !== undefined && last.length + data.length <= MAX_JOINED_BYTES;
    // Messages of a few bytes would cost a hundred each.
    if (isJoined) this.#waiting[this.#waiting.length - 1] = Buffer.concat([last, data]);
    else this.#waiting.push(Buffer.from(data));
    this.#isLastWaiting = isEnd;
  }

  #deliverWaiting(): void {
    while (this.#waiting !== null && !this.#isBodyPaused) {
      const data = this.#waiting.shift() as Uint8Array;
      if (this.#waiting.length === 0) this.#waiting = null;
      this.#deliver(data, this.#isLastWaiting && this.#waiting === null);
    }
    const trailers = this.#requestTrailers;
    if (trailers === null || this.#waiting !== null) return;
    this.#requestTrailers = null;
    this.handler?.onTrailers(trailers);
  }

  #returnWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) return;
    let bytes = 0;
    for (const data of waiting) bytes += data.length;
    this.#owner.consume(this.stream, bytes);
  }
}

function openWebSocket(webSocket: ClientWebSocket): void {
  webSocket.open();
}
