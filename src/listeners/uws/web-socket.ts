/**
 * The client's end of a WebSocket on uWebSockets.js, and the behaviour that is registered beside the request handler. The
 * addon joins fragments, inflates, checks UTF-8, answers pings, pings silent clients and closes those that stay silent.
 * Its rules: a socket throws once it is closed (so `#socket` is dropped in the close callback, which runs inside `end` and
 * `close` too); received bytes are gone when a callback returns; an exception in a callback ends the process; reading cannot be
 * paused, and with TLS a read of 512 KiB while sent bytes wait destroys the connection (rule 10 of response-writer.ts, without its
 * cure); a broken or too long message cuts the connection without a close frame, and only the close callback's text says why.
 */
import type { ErrorCode } from "../../engine/model/errors.js";
import type { WebSocketSpec } from "../../engine/model/snapshot.js";
import type { WebSocketEnd, WebSocketEvents } from "../../proxy/web-socket-ports.js";
import type { Uws, UwsRequest, UwsResponse, UwsUpgradeContext, UwsWebSocket, UwsWebSocketBehavior } from "./addon.js";
import type { CorkDonor } from "./cork-donor.js";

/** What all sockets of one listener share. */
export interface ClientWebSocketOwner {
  readonly onBug: (error: unknown) => void;
  readonly corkDonor: CorkDonor;
  /** The connection is closed. */
  onWebSocketClosed(): void;
}

/** Smaller messages hardly shrink. */
const MIN_COMPRESSED_BYTES = 512;
const NO_CLOSE_FRAME = 1006;
const NO_CLOSE_CODE = 1005;
const NOTHING = new Uint8Array(0);

export class ClientWebSocket implements WebSocketEnd {
  readonly canPause = false;
  readonly #events: WebSocketEvents;
  readonly #owner: ClientWebSocketOwner;
  /** Null before the upgrade and once closed. */
  #socket: UwsWebSocket | null = null;
  /** Nothing is reported any more. */
  #isOver = false;
  #isBlocked = false;

  constructor(events: WebSocketEvents, owner: ClientWebSocketOwner) {
    this.#events = events;
    this.#owner = owner;
  }

  get isOpen(): boolean {
    return this.#socket !== null;
  }

  // ── WebSocketEnd ───────────────────────────────────────────────────────────────────────────────────────────────

  send(data: Uint8Array, isBinary: boolean): boolean {
    if (this.#socket === null) return true;
    // 1: sent, 0: some of it waits in the addon, which takes everything (maxBackpressure is off).
    this.#isBlocked = this.#socket.send(data, isBinary, data.length >= MIN_COMPRESSED_BYTES) !== 1;
    return !this.#isBlocked;
  }

  ping(data: Uint8Array): void {
    this.#socket?.ping(data);
  }

  pause(): void {}

  resume(): void {}

  /** Not needed: the addon answers pings itself. */
  pong(): void {}

  close(code: number, reason: Uint8Array): void {
    this.#isOver = true;
    this.#socket?.end(code, reason);
  }

  abort(): void {
    this.#isOver = true;
    this.#socket?.close();
  }

  // ── Called by the behaviour ────────────────────────────────────────────────────────────────────────────────────

  opened(socket: UwsWebSocket): void {
    this.#socket = socket;
  }

  message(data: ArrayBuffer, isBinary: boolean): void {
    if (!this.#isOver) this.#run(() => this.#events.onMessage(new Uint8Array(data), isBinary));
  }

  pinged(data: ArrayBuffer): void {
    if (!this.#isOver) this.#run(() => this.#events.onPing(new Uint8Array(data)));
  }

  ponged(data: ArrayBuffer): void {
    if (!this.#isOver) this.#run(() => this.#events.onPong(new Uint8Array(data)));
  }

  drained(): void {
    if (!this.#isBlocked || this.#socket === null || this.#socket.getBufferedAmount() > 0) return;
    this.#isBlocked = false;
    if (!this.#isOver) this.#run(() => this.#events.onDrain());
  }

  closed(code: number, message: ArrayBuffer): void {
    this.#socket = null;
    this.#owner.onWebSocketClosed();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#run(() => {
      if (code === NO_CLOSE_FRAME) this.#reportEnd(Buffer.from(message).toString("latin1"));
      else this.#events.onClose(code, new Uint8Array(message));
    });
  }

  /** The addon refuses codes from 1012 to 3999, which clients may well send; it has answered with a close without a code. */
  #reportEnd(reason: string): void {
    if (reason.includes("invalid close payload")) this.#events.onClose(NO_CLOSE_CODE, NOTHING);
    else this.#events.onAbort(abortCode(reason), reason);
  }

  #run(report: () => void): void {
    try {
      report();
    } catch (error) {
      this.#owner.onBug(error);
      this.abort();
    }
  }
}

/** The addon's texts; anything else about frames is the client's fault, too. */
function abortCode(reason: string): ErrorCode {
  if (reason.includes("too big")) return "body-too-large";
  if (reason.includes("timed out")) return "request-timeout";
  return reason === "" || reason.includes("FIN") ? "downstream-abort" : "bad-request";
}

/** The addon copies its fields onto the socket itself: a field named `end` would hide the method. */
interface UserData {
  readonly clientWebSocket: ClientWebSocket;
}

/** @param upgrade gets every request that carries a plausible Sec-WebSocket-Key, whatever else it says */
export function webSocketBehavior(
  uws: Uws,
  spec: WebSocketSpec,
  upgrade: (res: UwsResponse, req: UwsRequest, context: UwsUpgradeContext) => void,
): UwsWebSocketBehavior {
  const endOf = (socket: UwsWebSocket): ClientWebSocket => (socket.getUserData() as UserData).clientWebSocket;
  return {
    maxPayloadLength: spec.maxMessageBytes,
    idleTimeout: Math.ceil(spec.idleMs / 1000),
    sendPingsAutomatically: spec.idleMs > 0,
    // Off: the relay stops its service instead, and dropping messages is no way to keep up.
    maxBackpressure: 0,
    // Without context takeover: memory per process, not per socket.
    compression: spec.isCompressed ? uws.SHARED_COMPRESSOR | uws.SHARED_DECOMPRESSOR : uws.DISABLED,
    upgrade,
    open: (socket) => endOf(socket).opened(socket),
    message: (socket, data, isBinary) => endOf(socket).message(data, isBinary),
    ping: (socket, data) => endOf(socket).pinged(data),
    pong: (socket, data) => endOf(socket).ponged(data),
    drain: (socket) => endOf(socket).drained(),
    close: (socket, code, message) => endOf(socket).closed(code, message),
  };
}

/** What the client's request offered, until the answer to it is known. */
export class UpgradeOffer {
  readonly #key: string;
  readonly #extensions: string;
  readonly #context: UwsUpgradeContext;
  readonly #owner: ClientWebSocketOwner;

  constructor(head: { readonly key: string; readonly extensions: string }, context: UwsUpgradeContext, owner: ClientWebSocketOwner) {
    this.#key = head.key;
    this.#extensions = head.extensions;
    this.#context = context;
    this.#owner = owner;
  }

  /** After the status and the fields of the 101, and not inside a cork of `res`. Null: the connection is gone. */
  accept(res: UwsResponse, protocol: string, events: WebSocketEvents): ClientWebSocket | null {
    const end = new ClientWebSocket(events, this.#owner);
    const userData: UserData = { clientWebSocket: end };
    this.#owner.corkDonor.run(() => {
      try {
        res.upgrade(userData, this.#key, protocol, this.#extensions, this.#context);
      } catch (error) {
        this.#owner.onBug(error);
      }
    });
    return end.isOpen ? end : null;
  }
}
