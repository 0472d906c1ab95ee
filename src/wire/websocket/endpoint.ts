/**
 * One end of a WebSocket connection as a state machine (RFC 6455 §5, §7): messages and control frames in both directions, the
 * closing handshake, broken rules, and reading that can be paused. What carries the bytes is the owner's.
 */
import { closePayload, frameBytes, writeFrame } from "./frame-encoder.js";
import { type FrameEvents, FrameParser, type FrameRefusal } from "./frame-parser.js";
import { BINARY, CLOSE, PING, PONG, TEXT } from "./opcodes.js";

/** A socket, or a stream, that carries nothing but frames. */
export interface FrameCarrier {
  /** Takes the frame over. */
  write(frame: Uint8Array): void;
  /** Our side will write no more. */
  end(): void;
  /** At once, whatever waits. */
  destroy(): void;
  /** Our close frame is on its way: the peer's answer should not be waited for for ever. */
  onClosing(): void;
}

/** Bytes are borrowed for the duration of a call. */
export interface EndpointEvents {
  onMessage(data: Uint8Array, isBinary: boolean): void;
  onPing(data: Uint8Array): void;
  onPong(data: Uint8Array): void;
  /** The peer closed with a close frame, which has been answered. Last call. */
  onClose(code: number, reason: Uint8Array): void;
  /** The peer broke a rule, has been told so, and is not listened to any more. Last call. */
  onRefused(refusal: FrameRefusal): void;
}

export interface EndpointOptions {
  readonly role: "client" | "server";
  /** 32 bits that the peer cannot foresee (§5.3); asked by clients only. */
  readonly nextMask: () => number;
  /** Whether bytes are valid UTF-8. */
  readonly isUtf8: (bytes: Uint8Array) => boolean;
  /** Memory for a frame; it need not be cleared. */
  readonly allocate: (bytes: number) => Uint8Array;
}

/** `waiting`: until `open`; `closing`: nothing is reported any more, the peer may still answer our close frame. */
type State = "waiting" | "open" | "closing" | "closed";

const NOTHING = new Uint8Array(0);

export class WebSocketEndpoint implements FrameEvents {
  readonly #carrier: FrameCarrier;
  readonly #options: EndpointOptions;
  #state: State = "waiting";
  #events: EndpointEvents | null = null;
  #parser: FrameParser | null = null;
  /** Read and not parsed yet: before `open`, or because of a pause. */
  #unparsed: Uint8Array = NOTHING;
  #isPaused = false;
  /** The peer has said its last, or nothing it says can be understood any more. */
  #isDeaf = false;

  constructor(carrier: FrameCarrier, options: EndpointOptions) {
    this.#carrier = carrier;
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Begins to report; what was read before comes first. Once only. */
  open(events: EndpointEvents, maxMessageBytes: number): void {
    if (this.#state !== "waiting") return;
    const { isUtf8, role } = this.#options;
    this.#state = "open";
    this.#events = events;
    this.#parser = new FrameParser(this, { isMasked: role === "server", maxMessageBytes, isUtf8 });
    this.resume();
  }

  // ── Sending: no effect unless open ─────────────────────────────────────────────────────────────────────────────

  send(data: Uint8Array, isBinary: boolean): void {
    if (this.isOpen) this.#write(isBinary ? BINARY : TEXT, data);
  }

  ping(data: Uint8Array): void {
    if (this.isOpen) this.#write(PING, data);
  }

  pong(data: Uint8Array): void {
    if (this.isOpen) this.#write(PONG, data);
  }

  /** Nothing is reported any more. Code 1005: without a code. */
  close(code: number, reason: Uint8Array): void {
    if (!this.isOpen) return this.abort();
    this.#write(CLOSE, closePayload(code, reason));
    this.#startClosing();
    // What comes before the peer's close frame is read and forgotten.
    this.resume();
  }

  /** A close that is under way goes on. */
  abort(): void {
    if (this.#state !== "closing") this.destroy();
  }

  destroy(): void {
    this.#state = "closed";
    this.#unparsed = NOTHING;
    this.#carrier.destroy();
  }

  /** The connection is gone. True: the receiver does not know yet. */
  lose(): boolean {
    const wasOpen = this.isOpen;
    this.destroy();
    return wasOpen;
  }

  // ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What is read meanwhile is kept: whoever reads should stop. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    const bytes = this.#unparsed;
    this.#unparsed = NOTHING;
    if (bytes.length > 0) this.#parse(bytes, bytes.length);
  }

  /** `bytes` is borrowed. */
  read(bytes: Uint8Array, byteCount: number): void {
    if (this.#state === "waiting" || this.#isPaused || this.#unparsed.length > 0) this.#keep(bytes.subarray(0, byteCount));
    else this.#parse(bytes, byteCount);
  }

  #parse(bytes: Uint8Array, end: number): void {
    const parser = this.#parser;
    if (parser === null || this.#isDeaf || this.isClosed) return;
    const at = parser.feed(bytes, 0, end);
    this.#isDeaf = parser.isClosed || parser.refusal !== null;
    if (parser.refusal !== null) this.#onBrokenRule(parser.refusal);
    else if (at < end && !this.#isDeaf) this.#keep(bytes.subarray(at, end));
  }

  #keep(bytes: Uint8Array): void {
    const kept = new Uint8Array(this.#unparsed.length + bytes.length);
    kept.set(this.#unparsed, 0);
    kept.set(bytes, this.#unparsed.length);
    this.#unparsed = kept;
  }

  #onBrokenRule(refusal: FrameRefusal): void {
    const wasOpen = this.isOpen;
    if (wasOpen) {
      this.#write(CLOSE, closePayload(refusal.closeCode, NOTHING));
      this.#startClosing();
    }
    this.#carrier.end();
    if (wasOpen) this.#events?.onRefused(refusal);
  }

  // ── FrameEvents ────────────────────────────────────────────────────────────────────────────────────────────────

  onMessage(data: Uint8Array, isBinary: boolean): boolean {
    if (this.isOpen) this.#events?.onMessage(data, isBinary);
    return !this.#isPaused && !this.isClosed;
  }

  onPing(data: Uint8Array): void {
    if (this.isOpen) this.#events?.onPing(data);
  }

  onPong(data: Uint8Array): void {
    if (this.isOpen) this.#events?.onPong(data);
  }

  onClose(code: number, reason: Uint8Array): void {
    const isAnswer = this.#state === "closing";
    if (!isAnswer) {
      this.#write(CLOSE, closePayload(code, reason));
      this.#startClosing();
    }
    this.#carrier.end();
    if (!isAnswer) this.#events?.onClose(code, reason);
  }

  // ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────────

  #write(opcode: number, data: Uint8Array): void {
    const { allocate, nextMask, role } = this.#options;
    const isMasked = role === "client";
    const frame = allocate(frameBytes(data.length, isMasked));
    writeFrame(frame, 0, opcode, data, isMasked ? nextMask() : null);
    this.#carrier.write(frame);
  }

  #startClosing(): void {
    this.#state = "closing";
    this.#carrier.onClosing();
  }
}
