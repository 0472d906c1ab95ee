/**
 * The service's end of a WebSocket: the socket of a connection that has switched protocols, spoken to as a client (RFC 6455).
 * Reads stop while the relay says so; the closing handshake is waited for, but not for long.
 */
import { isUtf8 } from "node:buffer";
import { randomFillSync } from "node:crypto";
import type { Socket } from "node:net";
import type { Timer, Timers } from "../proxy/ports.js";
import type { UpstreamWebSocket, WebSocketEvents } from "../proxy/web-socket-ports.js";
import { closePayload, frameBytes, writeFrame } from "../wire/websocket/frame-encoder.js";
import { type FrameEvents, FrameParser, type FrameRefusal } from "../wire/websocket/frame-parser.js";
import { BINARY, CLOSE, PING, PONG, TEXT } from "../wire/websocket/opcodes.js";
import { describeSocketError, socketErrorCode } from "./socket-errors.js";

export interface WebSocketOwner {
  readonly timers: Timers;
  /** Its connection is closed. */
  webSocketEnded(socket: UpstreamWebSocket): void;
}

/** `waiting`: until `open`; `closing`: nothing is reported any more, the peer may still answer our close frame. */
type State = "waiting" | "open" | "closing" | "closed";

/** Above this, `send` says so; nobody is stopped by it. */
const HIGH_WATER_BYTES = 64 * 1024;
/** From our close frame to the end of the connection. */
const CLOSE_TIMEOUT_MS = 5_000;
/** Probes of the operating system when nothing else moves: a machine that is gone answers no ping either. */
const KEEP_ALIVE_PROBE_MS = 60_000;

const NOTHING = new Uint8Array(0);
const masks = new Uint32Array(1024);
let nextMask = masks.length;

export class SocketWebSocket implements UpstreamWebSocket, FrameEvents {
  readonly protocol: string;
  readonly #socket: Socket;
  readonly #owner: WebSocketOwner;
  readonly #closeTimer: Timer;
  #state: State = "waiting";
  #events: WebSocketEvents | null = null;
  #parser: FrameParser | null = null;
  /** Read and not parsed yet: before `open`, or because of a pause. */
  #unparsed: Uint8Array;
  #isPaused = false;
  /** The peer has said its last, or nothing it says can be understood any more. */
  #isDeaf = false;
  #wantsDrain = false;

  /** @param early what the service has sent behind its 101; the socket's read callback leads to `read` from now on */
  constructor(socket: Socket, owner: WebSocketOwner, protocol: string, early: Uint8Array) {
    this.#socket = socket;
    this.#owner = owner;
    this.protocol = protocol;
    this.#unparsed = Uint8Array.from(early);
    this.#closeTimer = owner.timers.create(() => this.#destroy());
    socket.pause();
    socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS);
    for (const event of ["drain", "end", "error", "close"]) socket.removeAllListeners(event);
    socket.on("drain", () => this.#onDrain());
    socket.on("end", () => this.#onGone("upstream-closed", "closed without a close frame"));
    socket.on("error", (error) => this.#onGone(socketErrorCode(error, "open"), describeSocketError(error)));
    socket.on("close", () => this.#onClosed());
  }

  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  // ── UpstreamWebSocket ──────────────────────────────────────────────────────────────────────────────────────────

  open(events: WebSocketEvents, maxMessageBytes: number): void {
    if (this.#state !== "waiting") return;
    this.#state = "open";
    this.#events = events;
    this.#parser = new FrameParser(this, { isMasked: false, maxMessageBytes, isUtf8 });
    this.resume();
  }

  send(data: Uint8Array, isBinary: boolean): boolean {
    if (this.#state === "open") this.#write(isBinary ? BINARY : TEXT, data);
    this.#wantsDrain = this.#socket.writableLength >= HIGH_WATER_BYTES;
    return !this.#wantsDrain;
  }

  ping(data: Uint8Array): void {
    if (this.#state === "open") this.#write(PING, data);
  }

  pong(data: Uint8Array): void {
    if (this.#state === "open") this.#write(PONG, data);
  }

  close(code: number, reason: Uint8Array): void {
    if (this.#state !== "open") return this.abort();
    this.#write(CLOSE, closePayload(code, reason));
    this.#startClosing();
    // What comes before the peer's close frame is read and forgotten.
    this.resume();
  }

  abort(): void {
    if (this.#state !== "closing") this.#destroy();
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    const bytes = this.#unparsed;
    this.#unparsed = NOTHING;
    if (bytes.length > 0) this.#parse(bytes, bytes.length);
    if (!this.#isPaused && this.#state !== "closed") this.#socket.resume();
  }

  // ── FrameEvents ────────────────────────────────────────────────────────────────────────────────────────────────

  onMessage(data: Uint8Array, isBinary: boolean): boolean {
    if (this.#state === "open") this.#events?.onMessage(data, isBinary);
    return !this.#isPaused && this.#state !== "closed";
  }

  onPing(data: Uint8Array): void {
    if (this.#state === "open") this.#events?.onPing(data);
  }

  onPong(data: Uint8Array): void {
    if (this.#state === "open") this.#events?.onPong(data);
  }

  onClose(code: number, reason: Uint8Array): void {
    const isAnswer = this.#state === "closing";
    if (!isAnswer) {
      this.#write(CLOSE, closePayload(code, reason));
      this.#startClosing();
    }
    this.#socket.end();
    if (!isAnswer) this.#events?.onClose(code, reason);
  }

  // ── Socket ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** `bytes` is borrowed. */
  read(bytes: Uint8Array, byteCount: number): void {
    if (this.#state === "waiting" || this.#isPaused || this.#unparsed.length > 0) this.#keep(bytes.subarray(0, byteCount));
    else this.#parse(bytes, byteCount);
  }

  #parse(bytes: Uint8Array, end: number): void {
    const parser = this.#parser;
    if (parser === null || this.#isDeaf || this.#state === "closed") return;
    const at = parser.feed(bytes, 0, end);
    this.#isDeaf = parser.isClosed || parser.refusal !== null;
    if (parser.refusal !== null) this.#onBrokenRule(parser.refusal);
    else if (at < end && !this.#isDeaf) this.#keep(bytes.subarray(at, end));
  }

  #keep(bytes: Uint8Array): void {
    this.#unparsed = Buffer.concat([this.#unparsed, bytes]);
  }

  #write(opcode: number, data: Uint8Array): void {
    const frame = Buffer.allocUnsafe(frameBytes(data.length, true));
    writeFrame(frame, 0, opcode, data, takeMask());
    this.#socket.write(frame);
  }

  #onDrain(): void {
    if (!this.#wantsDrain) return;
    this.#wantsDrain = false;
    if (this.#state === "open") this.#events?.onDrain();
  }

  #onBrokenRule({ closeCode, reason }: FrameRefusal): void {
    const wasOpen = this.#state === "open";
    if (wasOpen) {
      this.#write(CLOSE, closePayload(closeCode, NOTHING));
      this.#startClosing();
    }
    this.#socket.end();
    if (wasOpen) this.#events?.onAbort("upstream-protocol", reason);
  }

  #onGone(code: "upstream-closed" | ReturnType<typeof socketErrorCode>, detail: string): void {
    const wasOpen = this.#state === "open";
    this.#destroy();
    if (wasOpen) this.#events?.onAbort(code, detail);
  }

  #startClosing(): void {
    this.#state = "closing";
    this.#closeTimer.arm(CLOSE_TIMEOUT_MS);
  }

  #destroy(): void {
    this.#state = "closed";
    this.#unparsed = NOTHING;
    this.#socket.destroy();
  }

  #onClosed(): void {
    this.#closeTimer.cancel();
    this.#onGone("upstream-closed", "closed without a close frame");
    this.#owner.webSocketEnded(this);
  }
}

/** 32 bits that the peer cannot foresee (RFC 6455 §5.3). */
function takeMask(): number {
  if (nextMask === masks.length) {
    randomFillSync(masks);
    nextMask = 0;
  }
  return masks[nextMask++] as number;
}
