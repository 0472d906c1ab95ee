/**
 * The stream of an extended CONNECT (RFC 8441), as what carries the frames of a WebSocket. What the windows do not allow
 * waits here; what has come is paid back to the client's windows when the WebSocket has read it.
 */
import { CANCEL } from "../../wire/http2/error-codes.js";
import { SendQueue } from "../../wire/http2/send-queue.js";
import type { Http2Stream } from "../../wire/http2/stream.js";
import type { Http2ResponseOwner } from "./http2-response.js";
import type { WebSocketTransport } from "./web-socket.js";

const NOTHING = new Uint8Array(0);

export class Http2Tunnel implements WebSocketTransport {
  readonly #owner: Http2ResponseOwner;
  readonly #stream: Http2Stream;
  /** The stream is of no use to the WebSocket any more. */
  readonly #onOver: () => void;
  readonly #queue: SendQueue;
  #isEnding = false;
  #hasEnded = false;
  #isPaused = false;
  #unpaidBytes = 0;
  #isOver = false;

  constructor(owner: Http2ResponseOwner, stream: Http2Stream, onOver: () => void) {
    this.#owner = owner;
    this.#stream = stream;
    this.#onOver = onOver;
    this.#queue = new SendQueue((bytes) => owner.sendData(stream, bytes, false));
  }

  get waitingBytes(): number {
    return this.#queue.byteCount;
  }

  write(bytes: Uint8Array): void {
    if (this.#isOver || this.#isEnding) return;
    const isNext = this.#queue.isEmpty;
    this.#queue.push(bytes);
    if (isNext) this.flush();
  }

  end(): void {
    this.#isEnding = true;
    if (this.#queue.isEmpty) this.#sendEnd();
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#over();
    this.#owner.reset(this.#stream, CANCEL);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    const unpaid = this.#unpaidBytes;
    this.#unpaidBytes = 0;
    if (!this.#isOver) this.#owner.consume(this.#stream, unpaid);
  }

  // ── Called by the stream ─────────────────────────────────────────────────────────────────────────────────────

  /** The WebSocket has been given so many bytes. */
  received(bytes: number): void {
    if (this.#isPaused) this.#unpaidBytes += bytes;
    else this.#owner.consume(this.#stream, bytes);
  }

  /** The codec takes more. */
  flush(): void {
    this.#queue.flush();
    if (this.#isEnding && this.#queue.isEmpty) this.#sendEnd();
  }

  /** The stream is gone. */
  lost(): void {
    if (!this.#isOver) this.#over();
  }

  #sendEnd(): void {
    if (this.#isOver) return;
    if (!this.#hasEnded) this.#owner.sendData(this.#stream, NOTHING, true);
    this.#hasEnded = true;
    // The client's own end is still to come; without it, the closing timer resets the stream.
    if (this.#stream.isReceiveEnded) this.#over();
  }

  #over(): void {
    this.#isOver = true;
    this.#queue.clear();
    this.#onOver();
  }
}
