/**
 * The response side of one HTTP/1 exchange. What it is told is kept as long as it may still change or grow within the turn: a
 * short response leaves as one write, with its length instead of chunks. It frames; the connection decides what follows.
 */
import type { Downstream, DownstreamHandler } from "../../proxy/ports.js";
import type { WebSocketEnd, WebSocketEvents } from "../../proxy/web-socket-ports.js";
import { chunkSizeLine, encodeLastChunk } from "../../wire/http1/chunk-encoder.js";
import type { IncomingRequest } from "../../wire/http1/incoming-request.js";
import {
  type BodyFraming,
  bodyFraming,
  encodeInterimHead,
  encodeResponseHead,
  encodeUpgradeHead,
  type OutgoingResponse,
} from "../../wire/http1/response-encoder.js";
import { httpDate } from "./http-date.js";
import type { SocketWriter } from "./socket-writer.js";
import { acceptOf } from "./web-socket.js";
import type { TurnEnd } from "./wire-context.js";

/** The connection. */
export interface Http1ResponseOwner {
  readonly writer: SocketWriter;
  /** More of the request may be in the packet that is being read: an end can wait for that. */
  readonly isReadingRequest: boolean;
  /** As far as is known now, the connection serves another request after this response. */
  mayPersist(response: Http1Response): boolean;
  atTurnEnd(task: TurnEnd): void;
  /** The last byte has been given to the socket. */
  responseDone(): void;
  pauseBody(): void;
  resumeBody(): void;
  sendContinue(): void;
  /** Behind `head`, the connection speaks WebSocket. */
  switchProtocols(head: string, events: WebSocketEvents): WebSocketEnd | null;
  /** Ends the connection so that nothing that was sent can look complete. */
  breakOff(): void;
  crash(error: unknown): void;
}

/** `stated`: the head is known. `sending`: it has left. `ending`: `end` waits for the end of the packet. */
type State = "idle" | "stated" | "sending" | "ending" | "over";

/** A body that is still shorter waits for the end of the turn. */
const MAX_COALESCED_BYTES = 16_384;
const EMPTY: readonly Uint8Array[] = [];
const NO_HEADERS: readonly string[] = [];

export class Http1Response implements Downstream, OutgoingResponse, TurnEnd {
  handler: DownstreamHandler | null = null;
  /** The connection must not live on after this response. */
  mustClose = false;
  /** Of a request for a WebSocket; else "". */
  webSocketKey = "";
  status = 0;
  headers: readonly string[] = NO_HEADERS;
  bodyLength = -1;
  canPersist = false;
  readonly method: string;
  readonly minorVersion: 0 | 1;
  readonly #acceptsTrailers: boolean;
  readonly #owner: Http1ResponseOwner;
  #state: State = "idle";
  #hasLeft = false;
  #framing: BodyFraming = "none";
  /** With a length: bytes that are still to be written. */
  #owedBytes = 0;
  #held: Uint8Array[] | null = null;
  #heldBytes = 0;
  #isWaitingForTurn = false;
  #isBlocked = false;
  #trailers: readonly string[] | null = null;

  constructor(owner: Http1ResponseOwner, request: IncomingRequest) {
    this.#owner = owner;
    this.method = request.method;
    this.minorVersion = request.minorVersion;
    this.#acceptsTrailers = request.acceptsTrailers;
  }

  get date(): string {
    return httpDate();
  }

  get isOver(): boolean {
    return this.#state === "over";
  }

  /** Bytes of it are on their way to the client. */
  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  // ── Downstream ───────────────────────────────────────────────────────────────────────────────────────────────

  writeHead(status: number, headers: readonly string[], bodyLength: number): void {
    if (this.#state !== "idle") return;
    this.#state = "stated";
    this.status = status;
    this.headers = headers;
    this.bodyLength = bodyLength;
    this.#framing = bodyFraming(this);
    this.#owedBytes = bodyLength;
  }

  write(chunk: Uint8Array): boolean {
    if (!this.#isOpen() || this.#framing === "none") return true;
    const part = this.#framing === "length" ? chunk.subarray(0, this.#owedBytes) : chunk;
    if (part.length === 0) return !this.#isBlocked;
    this.#owedBytes -= part.length;
    if (this.#heldBytes + part.length <= MAX_COALESCED_BYTES) this.#hold(part);
    else this.#send(part, "");
    return !this.#isBlocked;
  }

  writeInterim(status: number, headers: readonly string[]): void {
    if (this.#state !== "idle" || this.minorVersion === 0) return;
    const head = encodeInterimHead(status, headers);
    if (head !== null) this.#owner.writer.write(head, EMPTY, "");
  }

  takeBack(): boolean {
    if (this.#state === "idle") return true;
    if (this.#hasLeft || this.#state === "over") return false;
    this.#state = "idle";
    this.#takeHeld();
    this.#trailers = null;
    return true;
  }

  flush(): void {
    if (!this.#isOpen()) return;
    const hasHeadOnly = !this.#hasLeft && this.#framing !== "none" && this.bodyLength !== 0;
    if (this.#heldBytes > 0 || hasHeadOnly) this.#send(null, "");
  }

  end(trailers: readonly string[] | null = null): void {
    if (!this.#isOpen()) return;
    this.#trailers = trailers;
    this.#state = "ending";
    if (!this.#owner.isReadingRequest) this.finish();
  }

  abort(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#owner.breakOff();
  }

  acceptWebSocket(headers: readonly string[], protocol: string, events: WebSocketEvents): WebSocketEnd | null {
    if (this.#state !== "idle" || this.webSocketKey === "") return null;
    const chosen = protocol === "" ? [] : ["sec-websocket-protocol", protocol];
    const head = encodeUpgradeHead("websocket", ["sec-websocket-accept", acceptOf(this.webSocketKey), ...chosen, ...headers]);
    if (head === null) {
      this.#crash();
      return null;
    }
    const end = this.#owner.switchProtocols(head, events);
    if (end !== null) this.#state = "over";
    return end;
  }

  pauseBody(): void {
    if (this.#state !== "over") this.#owner.pauseBody();
  }

  resumeBody(): void {
    if (this.#state !== "over") this.#owner.resumeBody();
  }

  wantBody(): void {
    if (this.#state === "idle") this.#owner.sendContinue();
  }

  #isOpen(): boolean {
    return this.#state === "stated" || this.#state === "sending";
  }

  // ── Called by the connection ─────────────────────────────────────────────────────────────────────────────────

  /** Sends the rest when `end` has been called. */
  finish(): void {
    if (this.#state !== "ending") return;
    if (!this.#hasLeft) this.#stateLength();
    // Never a short body that looks complete.
    if (this.#framing === "length" && this.#owedBytes > 0) return this.abort();
    const last = this.#framing === "chunked" ? encodeLastChunk(this.#acceptsTrailers ? this.#trailers : null) : "";
    if (last === null) return this.#crash();
    if (!this.#hasLeft || this.#heldBytes > 0 || last !== "") this.#send(null, last);
    if (this.#state !== "ending") return;
    this.#state = "over";
    this.#owner.responseDone();
  }

  /** The client is gone. */
  lost(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#held = null;
    this.handler?.onAbort();
  }

  drained(): void {
    if (!this.#isBlocked || this.#state === "over") return;
    this.#isBlocked = false;
    this.handler?.onDrain();
  }

  onTurnEnd(): void {
    this.#isWaitingForTurn = false;
    if (this.#heldBytes > 0) this.flush();
  }

  // ── Sending ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The whole body is here: its length is better than chunks, and lets an HTTP/1.0 connection live on. */
  #stateLength(): void {
    const isUnknown = this.#framing === "chunked" || this.#framing === "until-end";
    const hasTrailers = this.#trailers !== null && this.#acceptsTrailers;
    if (!isUnknown || (hasTrailers && this.#framing === "chunked")) return;
    this.#framing = "length";
    this.bodyLength = this.#heldBytes;
    this.#owedBytes = 0;
  }

  #hold(part: Uint8Array): void {
    this.#held ??= [];
    this.#held.push(Buffer.from(part));
    this.#heldBytes += part.length;
    if (this.#isWaitingForTurn) return;
    this.#isWaitingForTurn = true;
    this.#owner.atTurnEnd(this);
  }

  #takeHeld(): readonly Uint8Array[] {
    const held = this.#held;
    this.#held = null;
    this.#heldBytes = 0;
    return held ?? EMPTY;
  }

  /** What was held, and `part`, behind the head if that has not left. */
  #send(part: Uint8Array | null, last: string): void {
    const bytes = this.#heldBytes + (part === null ? 0 : part.length);
    const held = this.#takeHeld();
    const pieces = part === null ? held : held === EMPTY ? [part] : [...held, part];
    const head = this.#hasLeft ? "" : this.#encodeHead();
    if (head === null) return this.#crash();
    this.#hasLeft = true;
    if (this.#state === "stated") this.#state = "sending";
    const isChunk = this.#framing === "chunked" && bytes > 0;
    const { writer } = this.#owner;
    writer.write(isChunk ? head + chunkSizeLine(bytes) : head, pieces, isChunk ? `\r\n${last}` : last);
    if (writer.isFull) this.#isBlocked = true;
  }

  #encodeHead(): string | null {
    this.canPersist = this.#framing !== "until-end" && this.#owner.mayPersist(this);
    return encodeResponseHead(this);
  }

  #crash(): void {
    this.#owner.crash(new Error("a response holds a status, name or value that cannot be sent"));
  }
}
