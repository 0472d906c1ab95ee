/**
 * The service's end of a WebSocket, spoken to as a client (RFC 6455) over whatever carries its bytes: the socket of a connection
 * that has switched protocols, or a stream. Reads stop while the relay says so; the closing handshake is waited for, but not for long.
 */
import { isUtf8 } from "node:buffer";
import { randomFillSync } from "node:crypto";
import type { ErrorCode } from "../engine/model/errors.js";
import type { Timer, Timers } from "../proxy/ports.js";
import type { UpstreamWebSocket, WebSocketEvents } from "../proxy/web-socket-ports.js";
import { type EndpointEvents, type FrameCarrier, WebSocketEndpoint } from "../wire/websocket/endpoint.js";
import type { FrameRefusal } from "../wire/websocket/frame-parser.js";

export interface WebSocketOwner {
  readonly timers: Timers;
  /** Its connection is closed. */
  webSocketEnded(socket: UpstreamWebSocket): void;
}

/** What carries the bytes. It is paused at first, and reports to its user only. */
export interface WebSocketTransport {
  /** Written and not yet taken. */
  readonly waitingBytes: number;
  start(user: TransportUser): void;
  /** Takes the bytes over. */
  write(bytes: Uint8Array): void;
  /** Nothing will be written any more. */
  end(): void;
  destroy(): void;
  pause(): void;
  resume(): void;
}

export interface TransportUser {
  /** `bytes` is borrowed. */
  read(bytes: Uint8Array, byteCount: number): void;
  drained(): void;
  /** The service has ended it, or it has failed; `closed` follows. */
  gone(code: ErrorCode, detail: string): void;
  /** Last call. */
  closed(): void;
}

/** Above this, `send` says so; nobody is stopped by it. */
const HIGH_WATER_BYTES = 64 * 1024;
/** From our close frame to the end of the connection. */
const CLOSE_TIMEOUT_MS = 5_000;

const masks = new Uint32Array(1024);
let nextMask = masks.length;

export class ServiceWebSocket implements UpstreamWebSocket, FrameCarrier, EndpointEvents, TransportUser {
  readonly protocol: string;
  readonly canPause = true;
  readonly #transport: WebSocketTransport;
  readonly #owner: WebSocketOwner;
  readonly #closeTimer: Timer;
  readonly #endpoint: WebSocketEndpoint;
  #events: WebSocketEvents | null = null;
  #wantsDrain = false;

  /** @param early what the service has sent behind its answer already */
  constructor(transport: WebSocketTransport, owner: WebSocketOwner, protocol: string, early: Uint8Array) {
    this.#transport = transport;
    this.#owner = owner;
    this.protocol = protocol;
    this.#endpoint = new WebSocketEndpoint(this, { role: "client", nextMask: takeMask, isUtf8, allocate: Buffer.allocUnsafe });
    this.#endpoint.read(early, early.length);
    this.#closeTimer = owner.timers.create(() => this.#endpoint.destroy());
    transport.start(this);
  }

  get waitingBytes(): number {
    return this.#transport.waitingBytes;
  }

  // ── UpstreamWebSocket ──────────────────────────────────────────────────────────────────────────────────────────

  open(events: WebSocketEvents, maxMessageBytes: number): void {
    this.#events = events;
    this.#endpoint.open(this, maxMessageBytes);
    this.#readOn();
  }

  send(data: Uint8Array, isBinary: boolean): boolean {
    this.#endpoint.send(data, isBinary);
    this.#wantsDrain = this.#transport.waitingBytes >= HIGH_WATER_BYTES;
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
    this.#transport.pause();
  }

  resume(): void {
    this.#endpoint.resume();
    this.#readOn();
  }

  #readOn(): void {
    if (!this.#endpoint.isPaused && !this.#endpoint.isClosed) this.#transport.resume();
  }

  // ── FrameCarrier ───────────────────────────────────────────────────────────────────────────────────────────────

  write(frame: Uint8Array): void {
    this.#transport.write(frame);
  }

  end(): void {
    this.#transport.end();
  }

  destroy(): void {
    this.#transport.destroy();
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

  // ── TransportUser ──────────────────────────────────────────────────────────────────────────────────────────────

  read(bytes: Uint8Array, byteCount: number): void {
    this.#endpoint.read(bytes, byteCount);
  }

  drained(): void {
    if (!this.#wantsDrain) return;
    this.#wantsDrain = false;
    if (this.#endpoint.isOpen) this.#events?.onDrain();
  }

  gone(code: ErrorCode, detail: string): void {
    if (this.#endpoint.lose()) this.#events?.onAbort(code, detail);
  }

  closed(): void {
    this.#closeTimer.cancel();
    this.gone("upstream-closed", "closed without a close frame");
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
