/**
 * The response side of one exchange; with response-stream.ts, the only file that writes to a uWebSockets.js response.
 * The addon has rules that it does not check; each stands here with its reason, and test/integration/uws-*.test.ts pins each:
 *
 * 1. Nothing leaves inside a request or body callback. All pipelined requests of one packet share one 16 KiB cork
 *    there, and an `end(…, true)` in it resets the connection's state: the next request would still be dispatched.
 *    What the exchange says in a callback is held and sent in a later turn. Pipelining then closes the connection.
 * 2. One cork holds less than 16 KiB of chunked data, framing and head included: when it overflows while the client
 *    is slow, bytes vanish. Larger chunks are cut; a body of known length goes through `tryEnd`, which is safe.
 * 3. `tryEnd` does not keep what the socket did not take: we do, until `onWritable`.
 * 4. `onWritable` is always registered on streams (without it, a stream that was blocked once and then idles is
 *    killed), and corks once even if it has nothing to say (or what the addon buffered stays there). A client that
 *    is slow but steady is kept by slow-client.ts.
 * 5. `end(…, true)` only as the first and only write: later it would put `Connection: close` into the body.
 *    `endWithoutBody` never with arguments: it leaves the response pending, or reports a length of 2^63.
 * 6. HEAD, 204 and 304: the addon would send a body; `Content-Length` of HEAD is a field of ours.
 * 7. A paused request body is resumed before the last response byte (body.ts): later it cannot be. While it is paused
 *    there is no `onWritable`, and a write that meets backpressure un-pauses it: so it is paused once more after every
 *    write, and slow-client.ts offers what waits. What the addon has buffered then shows only in the result of the next
 *    write, so after a refusal that is a small one.
 * 8. A response does not end before its upload: the last byte of an upload switches the addon's idle timer off, and only
 *    the end of a response switches it on again, so the connection could then idle for ever. A whole response closes the
 *    connection; a stream keeps its end back for a moment, and if it must go first, the upload is not read any more.
 * 9. Every call on a finished or aborted response throws: `#state` knows, and ours are no-ops then.
 * 10. With TLS the addon must not have anything buffered while it reads: what it writes between two pieces of one read
 *     destroys the input that is not decrypted yet, and the connection dies. So a request body stops while a chunked
 *     response may be blocked.
 * 11. A chunked head leaves with the first byte of the body and not before. A stream of server-sent events whose first
 *     event is not there after a moment gets a comment as that byte, so that its client knows that it is connected.
 */
import type { Acceptor, Downstream, DownstreamHandler } from "../../proxy/ports.js";
import type { WebSocketEnd, WebSocketEvents } from "../../proxy/web-socket-ports.js";
import type { UwsResponse } from "./addon.js";
import type { BodyOwner, RequestBody } from "./body.js";
import { type EncodedHead, encodeHead, isOpenEventStream, statusLine, withField } from "./response-head.js";
import { MAX_CORK_BYTES, ResponseStream, type StreamOwner, type StreamPolicy } from "./response-stream.js";
import type { UpgradeOffer } from "./web-socket.js";

/** What all responses of one listener share. */
export interface WriterContext extends StreamPolicy {
  readonly acceptor: Acceptor;
  readonly onBug: (error: unknown) => void;
  /** Responses that may still write; what the addon has buffered of ended ones is not visible to us. */
  pendingResponses: number;
  /** Runs `replay` of the writer in a later turn of the loop. */
  later(writer: ResponseWriter): void;
}

/** `stated`: the head is known. `streaming`: it has left. `finishing`: `end` was called and bytes are still owed. */
type State = "idle" | "stated" | "streaming" | "finishing" | "closed";
type Framing = "none" | "length" | "chunked";

/** What a callback or a refusal may say at once before it has to wait, or is broken off. */
const MAX_HELD_BYTES = 64 * 1024;

/** A body of unknown length that begins smaller waits for the end of the turn: if it ends there, one write carries all. */
const MAX_COALESCED_BYTES = 8 * 1024;

const SWITCHING_PROTOCOLS = 101;
/** How long the first event may take before the head of an event stream leaves without it. */
const EVENT_PATIENCE_MS = 100;
/** A comment, which clients ignore: the addon sends no chunked head without a byte of the body. */
const EVENT_COMMENT = Buffer.from(":\n\n");
const BYTE_ORDER_MARK = Buffer.from("\ufeff");

const EMPTY = Buffer.alloc(0);

export class ResponseWriter implements Downstream, BodyOwner, StreamOwner {
  handler: DownstreamHandler | null = null;
  body: RequestBody | null = null;
  /** The connection must not live on after this response. */
  mustClose = false;
  /** It should not, and the response says so. */
  shouldClose = false;
  /** Set when the request asks for a WebSocket. */
  offer: UpgradeOffer | null = null;

  readonly #res: UwsResponse;
  readonly #context: WriterContext;
  readonly #isHeadRequest: boolean;
  #state: State = "idle";
  /** What the exchange says is kept: it speaks in a callback, or a short body may end within this turn. */
  #isHolding = true;
  #isAborted = false;
  #isCoalescing = false;
  #held: Uint8Array[] | null = null;
  #heldBytes = 0;
  #isEndAsked = false;
  #isFlushHeld = false;
  /** The body begins with a comment of ours. */
  #isOpened = false;
  /** Too much is held. */
  #isBlocked = false;
  #status = 200;
  #head: EncodedHead | null = null;
  #framing: Framing = "chunked";
  #declaredBytes = -1;
  /** Null until the head has left ahead of the end. */
  #stream: ResponseStream | null = null;

  constructor(res: UwsResponse, context: WriterContext, isHeadRequest: boolean) {
    this.#res = res;
    this.#context = context;
    this.#isHeadRequest = isHeadRequest;
    context.pendingResponses++;
  }

  get isBlocked(): boolean {
    return this.#stream?.isBlocked === true;
  }

  // ── Downstream ───────────────────────────────────────────────────────────────────────────────────────────────

  writeHead(status: number, headers: readonly string[], bodyLength: number): void {
    if (this.#state !== "idle") return;
    const head = encodeHead(headers);
    if (head === null) return this.crash(new Error("a response head holds a name or value that cannot be sent"));
    if (!(status >= 200 && status <= 999)) return this.crash(new RangeError(`${status} is not a final status`));
    this.#state = "stated";
    this.#status = status;
    this.#head = head;
    this.#declaredBytes = bodyLength;
    // RFC 9110 §8.6: no length with 204, and with 304 not that of an empty body.
    const isBodiless = status === 204 || status === 304;
    this.#framing = this.#isHeadRequest || isBodiless ? "none" : bodyLength < 0 ? "chunked" : "length";
    if (this.#isHeadRequest && !isBodiless && bodyLength >= 0) this.#head = withField(head, "Content-Length", String(bodyLength));
    if (this.#context.acceptor.isDraining) this.shouldClose = true;
  }

  write(chunk: Uint8Array): boolean {
    if (!this.#isOpen() || this.#framing === "none" || chunk.length === 0) return true;
    if (this.#isHolding || this.#collectsAll()) return this.#hold(chunk);
    if (this.#framing === "chunked" && this.#state === "stated" && chunk.length <= MAX_COALESCED_BYTES) return this.#coalesce(chunk);
    return this.#send(chunk);
  }

  /** The addon can send nothing ahead of a response but the 100 that it sends itself. */
  writeInterim(): void {}

  /** Never inside the request's callback: services answer in a later turn. */
  acceptWebSocket(headers: readonly string[], protocol: string, events: WebSocketEvents): WebSocketEnd | null {
    const { offer } = this;
    if (this.#state !== "idle" || offer === null) return null;
    const head = encodeHead(headers);
    if (head === null) {
      this.crash(new Error("a response head holds a name or value that cannot be sent"));
      return null;
    }
    this.#status = SWITCHING_PROTOCOLS;
    this.#head = head;
    this.corked(() => this.emitHead());
    if (!this.#isUnanswered()) return null;
    this.#finish();
    return offer.accept(this.#res, protocol, events);
  }

  /** A cork may find out that the client is gone. */
  #isUnanswered(): boolean {
    return this.#state === "idle";
  }

  takeBack(): boolean {
    if (this.#state !== "stated") return this.#state === "idle";
    this.#state = "idle";
    this.#head = null;
    this.#takeHeld();
    this.#isBlocked = false;
    this.#isEndAsked = false;
    this.#isFlushHeld = false;
    return true;
  }

  flush(): void {
    if (this.#state !== "stated" || this.#framing === "none" || this.#declaredBytes === 0 || this.#collectsAll()) return;
    if (this.#framing === "chunked") this.#openSoon();
    else if (this.#isHolding) this.#isFlushHeld = true;
    else this.#startStream().write(EMPTY);
  }

  end(): void {
    if (!this.#isOpen()) return;
    this.#isEndAsked = true;
    if (this.#isCoalescing) this.replay();
    else if (!this.#isHolding) this.#endNow();
  }

  abort(): void {
    if (this.#state === "closed") return;
    this.#finish();
    this.#res.close();
  }

  #isOpen(): boolean {
    return (this.#state === "stated" || this.#state === "streaming") && !this.#isEndAsked;
  }

  pauseBody(): void {
    if (this.#state !== "closed") this.body?.pause();
  }

  resumeBody(): void {
    if (this.#state !== "closed") this.body?.resume();
  }

  // ── Called by the listener ───────────────────────────────────────────────────────────────────────────────────

  enterCallback(): void {
    this.#isHolding = true;
    this.#isCoalescing = false;
  }

  leaveCallback(): void {
    if (!this.#isHolding || this.#state === "closed") return;
    if (this.#heldBytes > 0 || this.#isEndAsked || this.#isFlushHeld) this.#context.later(this);
    else this.#isHolding = false;
  }

  /** Says what was held. */
  replay(): void {
    this.#isHolding = false;
    this.#isCoalescing = false;
    if (this.#state === "closed") return;
    if (this.#isFlushHeld) this.flush();
    const isWhole = this.#state === "stated" && (this.#isEndAsked || this.#collectsAll());
    if (!isWhole) this.#replayHeld();
    if (this.#isEndAsked) this.#endNow();
  }

  /** The client is gone, or the addon closed the connection over a malformed body. */
  onAborted(): void {
    this.#isAborted = true;
    const isOver = this.#state === "closed";
    this.#finish();
    if (isOver) return;
    try {
      this.handler?.onAbort();
    } catch (error) {
      this.#context.onBug(error);
    }
  }

  /** A bug, ours or the exchange's: costs this one response, not the process. */
  crash(error: unknown): void {
    this.#context.onBug(error);
    if (this.#state === "closed") return;
    this.#finish();
    this.#res.close();
    try {
      this.handler?.onAbort();
    } catch (second) {
      this.#context.onBug(second);
    }
  }

  // ── Called by the body and by the stream ─────────────────────────────────────────────────────────────────────

  onBodyTurned(): void {
    this.#stream?.onBodyTurned();
  }

  get headBytes(): number {
    return this.#head === null ? 0 : this.#head.name.length + this.#head.text.length;
  }

  emitHead(): void {
    const head = this.#head;
    if (head === null) return;
    this.#head = null;
    if (this.#status !== 200) this.#res.writeStatus(statusLine(this.#status));
    if (head.name !== "") this.#res.writeHeader(head.name, head.isLatin1 ? Buffer.from(head.text, "latin1") : head.text);
  }

  corked(run: () => void): void {
    this.#res.cork(() => {
      try {
        run();
      } catch (error) {
        this.crash(error);
      }
    });
  }

  onDrained(): void {
    this.handler?.onDrain();
  }

  onDone(): void {
    this.#finish();
  }

  onStalled(): void {
    this.onReset();
  }

  /** The addon answers with `onAborted`. */
  onReset(): void {
    if (this.#state !== "closed") this.#res.close();
  }

  // ── Holding ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** A response after which the connection must die is sent in one piece: only then can the addon close it. */
  #collectsAll(): boolean {
    return this.mustClose && this.#state === "stated";
  }

  #hold(chunk: Uint8Array): boolean {
    this.#held ??= [];
    this.#held.push(Buffer.from(chunk));
    this.#heldBytes += chunk.length;
    if (this.#heldBytes <= MAX_HELD_BYTES) return true;
    if (this.#collectsAll()) {
      this.abort();
      return true;
    }
    this.#isBlocked = true;
    return false;
  }

  #coalesce(chunk: Uint8Array): boolean {
    this.#isHolding = true;
    this.#isCoalescing = true;
    this.#context.later(this);
    return this.#hold(chunk);
  }

  #takeHeld(): Uint8Array {
    const held = this.#held;
    this.#held = null;
    this.#heldBytes = 0;
    if (held === null) return EMPTY;
    return held.length === 1 ? (held[0] as Uint8Array) : Buffer.concat(held);
  }

  #replayHeld(): void {
    const held = this.#takeHeld();
    if (held.length === 0) return;
    const hasWaited = this.#isBlocked;
    this.#isBlocked = false;
    if (this.#send(held) && hasWaited) this.handler?.onDrain();
  }

  // ── Sending ──────────────────────────────────────────────────────────────────────────────────────────────────

  #send(chunk: Uint8Array): boolean {
    if (this.#framing === "length" && this.#state === "stated") {
      const part = chunk.length <= this.#declaredBytes ? chunk : chunk.subarray(0, this.#declaredBytes);
      if (part.length === this.#declaredBytes && this.#fitsCork(part)) return this.#sendWhole(part);
    }
    return this.#startStream().write(this.#isOpened ? this.#withoutMark(chunk) : chunk);
  }

  /** Rule 10. */
  #openSoon(): void {
    if (this.#status !== 200 || this.#head === null || !isOpenEventStream(this.#head)) return;
    this.#context.timers.create(() => this.#open()).arm(EVENT_PATIENCE_MS);
  }

  #open(): void {
    if (this.#state !== "stated" || this.#isHolding) return;
    this.#isOpened = true;
    this.#startStream().write(EVENT_COMMENT);
  }

  /** Only the very beginning of an event stream may be a byte order mark. */
  #withoutMark(chunk: Uint8Array): Uint8Array {
    this.#isOpened = false;
    const isMarked = Buffer.compare(chunk.subarray(0, 3), BYTE_ORDER_MARK) === 0;
    return isMarked ? chunk.subarray(3) : chunk;
  }

  #startStream(): ResponseStream {
    if (this.#stream !== null) return this.#stream;
    this.#state = "streaming";
    if (this.shouldClose) this.#addConnectionClose();
    this.#stream = new ResponseStream(this.#res, this, this.#context, this.#framing === "length" ? this.#declaredBytes : -1);
    return this.#stream;
  }

  #endNow(): void {
    if (this.#state === "stated") this.#endStated(this.#takeHeld());
    else if (this.#stream !== null && this.#state === "streaming") this.#endStreaming(this.#stream);
  }

  /** Nothing has left yet: the whole response is known now. */
  #endStated(body: Uint8Array): void {
    if (this.#framing === "none") {
      this.#sendWhole(EMPTY);
      return;
    }
    if (this.#framing === "chunked") {
      this.#framing = "length";
      this.#declaredBytes = body.length;
    }
    if (body.length < this.#declaredBytes) return this.abort(); // never a short body that looks complete
    if (this.mustClose || this.#declaredBytes === 0) this.#sendWhole(body.subarray(0, this.#declaredBytes));
    else this.#send(body);
    this.#endNow();
  }

  #endStreaming(stream: ResponseStream): void {
    if (stream.isShort) return this.abort();
    this.#state = "finishing";
    stream.end();
  }

  #fitsCork(body: Uint8Array): boolean {
    return body.length + this.headBytes <= MAX_CORK_BYTES;
  }

  /** Head and complete body in one cork. */
  #sendWhole(body: Uint8Array): true {
    this.body?.onResponseEnding();
    const isBodiless = this.#framing === "none";
    if (this.#isUploading() || (this.mustClose && isBodiless)) this.#sendAndLinger(isBodiless ? null : body);
    else if (isBodiless) this.#sendBodiless();
    else this.#sendEnd(body);
    return true;
  }

  #isUploading(): boolean {
    return this.body !== null && !this.body.isComplete;
  }

  #sendEnd(body: Uint8Array): void {
    this.corked(() => {
      this.emitHead();
      this.#res.end(body, this.mustClose || this.shouldClose);
    });
    this.#finish();
  }

  #sendBodiless(): void {
    if (this.shouldClose) this.#addConnectionClose();
    this.corked(() => {
      this.emitHead();
      this.#res.endWithoutBody();
    });
    this.#finish();
  }

  /**
   * For what `end(…, true)` cannot do: close after a response without a body, or while the client is still uploading
   * (which all must that are answered so early: rule 8). Closing at once would answer its bytes with a reset, which often destroys the reply before the client has read
   * it. So the complete reply goes out as part of the head (the addon writes fields verbatim and ends them with CRLF,
   * here the end of a chunked body), the upload is read and forgotten for a moment, and then the connection closes.
   */
  #sendAndLinger(body: Uint8Array | null): void {
    this.#addConnectionClose();
    const head = withField(this.#head as EncodedHead, "Date", new Date().toUTCString());
    const fields = Buffer.from(body === null ? `${head.text}\r\n` : `${head.text}\r\nTransfer-Encoding: chunked\r\n\r\n`, "latin1");
    this.corked(() => {
      this.#res.writeStatus(statusLine(this.#status));
      this.#res.writeHeader(head.name, body === null ? fields : Buffer.concat([fields, ...chunkAndEnd(body)]));
    });
    this.#setClosed();
    if (this.body === null) this.#res.close();
    else this.body.linger(() => setImmediate(closeLingering, this));
  }

  /** @internal In a turn of its own: in the packet that ends the upload, the reply may still be in the addon's cork. */
  closeLingering(): void {
    if (this.#isAborted) return;
    this.body?.detach();
    this.#res.close();
  }

  #addConnectionClose(): void {
    this.#head = withField(this.#head as EncodedHead, "Connection", "close");
  }

  #setClosed(): void {
    if (this.#state !== "closed") this.#context.pendingResponses--;
    this.#state = "closed";
  }

  #finish(): void {
    this.#setClosed();
    this.#stream?.close();
    this.#held = null;
    this.body?.detach();
  }
}

/** All but the last CRLF. */
function chunkAndEnd(body: Uint8Array): Uint8Array[] {
  return body.length === 0 ? [Buffer.from("0\r\n")] : [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from("\r\n0\r\n")];
}

function closeLingering(writer: ResponseWriter): void {
  writer.closeLingering();
}
