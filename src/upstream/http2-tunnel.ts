/**
 * The stream of an extended CONNECT (RFC 8441), as what carries a WebSocket. What the windows do not allow waits here; what has
 * come is credited when the WebSocket reads on.
 */
import type { ErrorCode } from "../engine/model/errors.js";
import type { Http2Stream } from "../wire/http2/stream.js";
import type { StreamCarrier, StreamUser } from "./http2-stream-user.js";
import type { TransportUser, WebSocketTransport } from "./web-socket.js";

export class Http2Tunnel implements WebSocketTransport, StreamUser {
  readonly #carrier: StreamCarrier;
  readonly #stream: Http2Stream;
  #user: TransportUser | null = null;
  /** In order; the first one may have left in part. */
  #queue: Uint8Array[] = [];
  #isEnding = false;
  #isPaused = true;
  /** The service has ended its side; the user learns that when it has read what came before. */
  #hasEnded = false;
  #isOver = false;
  waitingBytes = 0;
  isTouched = false;
  readCountAtStart = 0;
  readonly hasHead = true;

  constructor(carrier: StreamCarrier, stream: Http2Stream) {
    this.#carrier = carrier;
    this.#stream = stream;
  }

  // ── WebSocketTransport ─────────────────────────────────────────────────────────────────────────────────────────

  start(user: TransportUser): void {
    this.#user = user;
  }

  write(bytes: Uint8Array): void {
    if (this.#isOver || this.#isEnding) return;
    this.#queue.push(bytes);
    this.waitingBytes += bytes.length;
    if (this.#queue.length === 1) this.#flush();
  }

  end(): void {
    if (this.#isOver || this.#isEnding) return;
    this.#isEnding = true;
    if (this.#queue.length === 0) this.#carrier.endRequest(this.#stream, NO_TRAILERS);
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
    this.#flush();
    if (this.#queue.length > 0 || this.#isOver) return;
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

  #flush(): void {
    while (this.#queue.length > 0 && !this.#isOver) {
      const bytes = this.#queue[0] as Uint8Array;
      const taken = this.#carrier.send(this.#stream, bytes);
      this.waitingBytes -= taken;
      if (taken < bytes.length) {
        this.#queue[0] = bytes.subarray(taken);
        return;
      }
      this.#queue.shift();
    }
  }

  /** False: it was over before. */
  #over(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#queue = [];
    this.waitingBytes = 0;
    return true;
  }
}

const NO_TRAILERS: readonly string[] = [];
