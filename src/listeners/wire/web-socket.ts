/**
 * The client's end of a WebSocket on our own codecs, whatever carries it: a connection that has switched protocols (RFC 6455)
 * or the stream of an extended CONNECT (RFC 8441). Answers pings, and pings silent clients before it gives them up.
 */
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import type { WebSocketSpec } from "../../engine/model/snapshot.js";
import type { Timer, Timers } from "../../proxy/ports.js";
import type { WebSocketEnd, WebSocketEvents } from "../../proxy/web-socket-ports.js";
import { type EndpointEvents, type FrameCarrier, WebSocketEndpoint } from "../../wire/websocket/endpoint.js";
import type { FrameRefusal } from "../../wire/websocket/frame-parser.js";
import { acceptSource } from "../../wire/websocket/handshake.js";

/** What carries the frames. Its news go to `read`, `drained` and `lost`. */
export interface WebSocketTransport {
  /** Takes `bytes` over. */
  write(bytes: Uint8Array): void;
  /** Written, and not yet taken by whatever is below. */
  readonly waitingBytes: number;
  pause(): void;
  resume(): void;
  /** What was written leaves, and then our side ends. */
  end(): void;
  destroy(): void;
}

export interface WebSocketParts {
  readonly spec: WebSocketSpec;
  readonly timers: Timers;
  readonly onBug: (error: unknown) => void;
}

/** Above this, `send` says so. */
const HIGH_WATER_BYTES = 64 * 1024;
/** From our close frame to the end of the connection. */
const CLOSE_TIMEOUT_MS = 5_000;
const MESSAGE_TOO_BIG = 1009;
const NOTHING = new Uint8Array(0);

/** Sec-WebSocket-Accept (RFC 6455 §4.2.2). */
export function acceptOf(key: string): string {
  return createHash("sha1").update(acceptSource(key)).digest("base64");
}

export class ClientWebSocket implements WebSocketEnd, FrameCarrier, EndpointEvents {
  readonly canPause = true;
  readonly #transport: WebSocketTransport;
  readonly #events: WebSocketEvents;
  readonly #spec: WebSocketSpec;
  readonly #onBug: (error: unknown) => void;
  readonly #endpoint: WebSocketEndpoint;
  readonly #closeTimer: Timer;
  readonly #watch: Timer;
  #hasMoved = false;
  #isAsked = false;
  #wantsDrain = false;

  constructor(transport: WebSocketTransport, events: WebSocketEvents, { spec, timers, onBug }: WebSocketParts) {
    this.#transport = transport;
    this.#events = events;
    this.#spec = spec;
    this.#onBug = onBug;
    this.#endpoint = new WebSocketEndpoint(this, { role: "server", nextMask: noMask, isUtf8, allocate: Buffer.allocUnsafe });
    this.#closeTimer = timers.create(() => this.#endpoint.destroy());
    this.#watch = timers.create(() => this.#onWatch());
    if (spec.idleMs > 0) this.#watch.arm(spec.idleMs / 2);
  }

  /** Begins to report. */
  open(): void {
    this.#run(() => this.#endpoint.open(this, this.#spec.maxMessageBytes));
  }

  // ── The transport's news ───────────────────────────────────────────────────────────────────────────────────────

  /** `bytes` is borrowed. */
  read(bytes: Uint8Array): void {
    this.#hasMoved = true;
    this.#run(() => this.#endpoint.read(bytes, bytes.length));
  }

  drained(): void {
    if (!this.#wantsDrain || this.#transport.waitingBytes >= HIGH_WATER_BYTES) return;
    this.#wantsDrain = false;
    if (this.#endpoint.isOpen) this.#run(() => this.#events.onDrain());
  }

  /** The client's side has ended. When it has been told to go, it only did so. */
  ended(): void {
    if (this.#endpoint.isOpen) this.lost();
    else this.#transport.end();
  }

  /** The client is gone. */
  lost(): void {
    this.#stopTimers();
    if (this.#endpoint.lose()) this.#run(() => this.#events.onAbort("downstream-abort", "closed without a close frame"));
  }

  // ── WebSocketEnd ───────────────────────────────────────────────────────────────────────────────────────────────

  send(data: Uint8Array, isBinary: boolean): boolean {
    this.#endpoint.send(data, isBinary);
    this.#wantsDrain = this.#transport.waitingBytes >= HIGH_WATER_BYTES;
    return !this.#wantsDrain;
  }

  ping(data: Uint8Array): void {
    this.#endpoint.ping(data);
  }

  /** Not needed: pings are answered here. */
  pong(): void {}

  close(code: number, reason: Uint8Array): void {
    this.#endpoint.close(code, reason);
    this.#readOn();
  }

  abort(): void {
    this.#endpoint.abort();
  }

  pause(): void {
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
    this.#stopTimers();
    this.#transport.destroy();
  }

  onClosing(): void {
    this.#watch.cancel();
    this.#closeTimer.arm(CLOSE_TIMEOUT_MS);
  }

  // ── EndpointEvents ─────────────────────────────────────────────────────────────────────────────────────────────

  onMessage(data: Uint8Array, isBinary: boolean): void {
    this.#events.onMessage(data, isBinary);
  }

  onPing(data: Uint8Array): void {
    this.#endpoint.pong(data);
    this.#events.onPing(data);
  }

  onPong(data: Uint8Array): void {
    this.#events.onPong(data);
  }

  onClose(code: number, reason: Uint8Array): void {
    this.#events.onClose(code, reason);
  }

  onRefused({ closeCode, reason }: FrameRefusal): void {
    this.#events.onAbort(closeCode === MESSAGE_TOO_BIG ? "body-too-large" : "bad-request", reason);
  }

  // ── Time ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** While it is paused, a client cannot show that it is there. */
  #onWatch(): void {
    if (this.#hasMoved || this.#endpoint.isPaused) this.#isAsked = false;
    else if (this.#isAsked) return this.#giveUp();
    else {
      this.#isAsked = true;
      this.#endpoint.ping(NOTHING);
    }
    this.#hasMoved = false;
    this.#watch.arm(this.#spec.idleMs / 2);
  }

  #giveUp(): void {
    if (this.#endpoint.lose()) this.#run(() => this.#events.onAbort("request-timeout", "the client did not answer a ping in time"));
  }

  #stopTimers(): void {
    this.#closeTimer.cancel();
    this.#watch.cancel();
  }

  /** An exception in the relay costs this one connection. */
  #run(report: () => void): void {
    try {
      report();
    } catch (error) {
      this.#onBug(error);
      this.#endpoint.destroy();
    }
  }
}

function noMask(): number {
  return 0;
}
