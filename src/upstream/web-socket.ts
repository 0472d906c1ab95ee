/**
 * The service's end of a WebSocket: the socket of a connection that has switched protocols, spoken to as a client (RFC 6455).
 * Reads stop while the relay says so; the closing handshake is waited for, but not for long.
 */
import { isUtf8 } from "node:buffer";
import { randomFillSync } from "node:crypto";
import type { Socket } from "node:net";
import type { Timer, Timers } from "../proxy/ports.js";
import type { UpstreamWebSocket, WebSocketEvents } from "../proxy/web-socket-ports.js";
import { type EndpointEvents, type FrameCarrier, WebSocketEndpoint } from "../wire/websocket/endpoint.js";
import type { FrameRefusal } from "../wire/websocket/frame-parser.js";
import { describeSocketError, socketErrorCode } from "./socket-errors.js";

export interface WebSocketOwner {
  readonly timers: Timers;
  /** Its connection is closed. */
  webSocketEnded(socket: UpstreamWebSocket): void;
}

/** Above this, `send` says so; nobody is stopped by it. */
const HIGH_WATER_BYTES = 64 * 1024;
/** From our close frame to the end of the connection. */
const CLOSE_TIMEOUT_MS = 5_000;
/** Probes of the operating system when nothing else moves: a machine that is gone answers no ping either. */
const KEEP_ALIVE_PROBE_MS = 60_000;

const masks = new Uint32Array(1024);
let nextMask = masks.length;

export class SocketWebSocket implements UpstreamWebSocket, FrameCarrier, EndpointEvents {
  readonly protocol: string;
  readonly canPause = true;
  readonly #socket: Socket;
  readonly #owner: WebSocketOwner;
  readonly #closeTimer: Timer;
  readonly #endpoint: WebSocketEndpoint;
  #events: WebSocketEvents | null = null;
  #wantsDrain = false;

  /** @param early what the service has sent behind its 101; the socket's read callback leads to `read` from now on */
  constructor(socket: Socket, owner: WebSocketOwner, protocol: string, early: Uint8Array) {
    this.#socket = socket;
    this.#owner = owner;
    this.protocol = protocol;
    this.#endpoint = new WebSocketEndpoint(this, { role: "client", nextMask: takeMask, isUtf8, allocate: Buffer.allocUnsafe });
    this.#endpoint.read(early, early.length);
    this.#closeTimer = owner.timers.create(() => this.#endpoint.destroy());
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
    this.#events = events;
    this.#endpoint.open(this, maxMessageBytes);
    this.#readOn();
  }

  send(data: Uint8Array, isBinary: boolean): boolean {
    this.#endpoint.send(data, isBinary);
    this.#wantsDrain = this.#socket.writableLength >= HIGH_WATER_BYTES;
    return !this.#wantsDrain;
  }

  ping(data: Uint8Array): void {
    this.#endpoint.ping(data);
  }

  pong(data: Uint8Array): void {
    this.#endpoint.pong(data);
  }

  close(code: number, reason: Uint8Array): void {
    this.#endpoint.close(code, reason);
    this.#readOn();
  }

  abort(): void {
    this.#endpoint.abort();
  }

  pause(): void {
    if (this.#endpoint.isPaused) return;
    this.#endpoint.pause();
    this.#socket.pause();
  }

  resume(): void {
    this.#endpoint.resume();
    this.#readOn();
  }

  #readOn(): void {
    if (!this.#endpoint.isPaused && !this.#endpoint.isClosed) this.#socket.resume();
  }

  // ── FrameCarrier ───────────────────────────────────────────────────────────────────────────────────────────────

  write(frame: Uint8Array): void {
    this.#socket.write(frame);
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  onClosing(): void {
    this.#closeTimer.arm(CLOSE_TIMEOUT_MS);
  }

  // ── EndpointEvents ─────────────────────────────────────────────────────────────────────────────────────────────

  onMessage(data: Uint8Array, isBinary: boolean): void {
    this.#events?.onMessage(data, isBinary);
  }

  onPing(data: Uint8Array): void {
    this.#events?.onPing(data);
  }

  onPong(data: Uint8Array): void {
    this.#events?.onPong(data);
  }

  onClose(code: number, reason: Uint8Array): void {
    this.#events?.onClose(code, reason);
  }

  onRefused({ reason }: FrameRefusal): void {
    this.#events?.onAbort("upstream-protocol", reason);
  }

  // ── Socket ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** `bytes` is borrowed. */
  read(bytes: Uint8Array, byteCount: number): void {
    this.#endpoint.read(bytes, byteCount);
  }

  #onDrain(): void {
    if (!this.#wantsDrain) return;
    this.#wantsDrain = false;
    if (this.#endpoint.isOpen) this.#events?.onDrain();
  }

  #onGone(code: "upstream-closed" | ReturnType<typeof socketErrorCode>, detail: string): void {
    if (this.#endpoint.lose()) this.#events?.onAbort(code, detail);
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
