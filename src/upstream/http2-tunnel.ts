/**
 * The stream of an extended CONNECT (RFC 8441), as what carries a WebSocket. What the windows do not allow waits here; what has
 * come is credited when the WebSocket reads on.
 */
import type { ErrorCode } from "../engine/model/errors.js";
import { SendQueue } from "../wire/http2/send-queue.js";
import type { Http2Stream } from "../wire/http2/stream.js";
import type { StreamCarrier, StreamUser } from "./http2-stream-user.js";
import type { TransportUser, WebSocketTransport } from "./web-socket.js";

export class Http2Tunnel implements WebSocketTransport, StreamUser {
  readonly #carrier: StreamCarrier;
  readonly #stream: Http2Stream;
  #user: TransportUser | null = null;
  readonly #queue: SendQueue;
  #isEnding = false;
  #isPaused = true;
  /** The service has ended its side; the user learns that when it has read what came before. */
  #hasEnded = false;
  #isOver = false;
  isTouched = false;
  readCountAtStart = 0;
  readonly hasHead = true;

  constructor(carrier: StreamCarrier, stream: Http2Stream) {
    this.#carrier = carrier;
    this.#stream = stream;
    this.#queue = new SendQueue((bytes) => carrier.send(stream, bytes));
  }

  // ── WebSocketTransport ─────────────────────────────────────────────────────────────────────────────────────────

  get waitingBytes(): number {
    return this.#queue.byteCount;
  }

  start(user: TransportUser): void {
    this.#user = user;
  }

  write(bytes: Uint8Array): void {
    if (this.#isOver || this.#isEnding) return;
    const isNext = this.#queue.isEmpty;
    this.#queue.push(bytes);
    if (isNext) this.#queue.flush();
  }

  end(): void {
    if (this.#isOver || this.#isEnding) return;
    this.#isEnding = true;
    if (this.#queue.isEmpty) this.#carrier.endRequest(this.#stream, NO_TRAILERS);
  }

  destroy(): void {
    if (!this.#over()) return;
    this.#carrier.release(this, this.#stream);
    this.#user?.closed();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#carrier.credit(this.#stream);
    // Not from in here: the caller does not expect to be called back while it says this.
    if (this.#hasEnded) setImmediate(() => this.#endWhenRead());
  }

  // ── StreamUser ─────────────────────────────────────────────────────────────────────────────────────────────────

  interim(): void {}

  responded(): void {}

  received(bytes: Uint8Array, isEnd: boolean): void {
    if (bytes.length > 0) this.#user?.read(bytes, bytes.length);
    if (!this.#isPaused && !this.#isOver) this.#carrier.credit(this.#stream);
    if (isEnd) this.ended();
  }

  ended(): void {
    this.#hasEnded = true;
    this.#endWhenRead();
  }

  writable(): void {
    this.#queue.flush();
    if (!this.#queue.isEmpty || this.#isOver) return;
    if (this.#isEnding) this.#carrier.endRequest(this.#stream, NO_TRAILERS);
    else this.#user?.drained();
  }

  readEnded(): void {}

  lost(code: ErrorCode, detail: string): void {
    if (!this.#over()) return;
    this.#user?.gone(code, detail);
    this.#user?.closed();
  }

  // ── Inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #endWhenRead(): void {
    if (this.#isPaused || this.#isOver) return;
    this.#user?.gone("upstream-closed", "closed without a close frame");
    this.destroy();
  }

  /** False: it was over before. */
  #over(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#queue.clear();
    return true;
  }
}

const NO_TRAILERS: readonly string[] = [];
