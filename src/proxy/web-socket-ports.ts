/**
 * The ports of an upgraded exchange: its two ends, the listener's and the connector's, speak in whole messages (RFC 6455).
 * Frames, masks, fragments and compression are each end's own affair: they concern one hop.
 */
import type { ErrorCode } from "../engine/model/errors.js";

/**
 * One end. After `close` or `abort`, and after `onClose` or `onAbort`, every call is a harmless no-op: the relay need not
 * know which end was first. All bytes are borrowed for the duration of a call, in both directions.
 */
export interface WebSocketEnd {
  /** Text must be valid UTF-8. False: more waits than should; `onDrain` follows. */
  send(data: Uint8Array, isBinary: boolean): boolean;
  /** At most 125 bytes, as in `pong`. */
  ping(data: Uint8Array): void;
  pong(data: Uint8Array): void;
  /** Sends a close frame behind what waits, then ends the connection; nothing is reported any more. Code 1005: without a code. */
  close(code: number, reason: Uint8Array): void;
  /** Cuts the connection: the peer sees 1006. Nothing is reported any more. */
  abort(): void;
  /** False: `pause` has no effect (uWebSockets.js cannot). */
  readonly canPause: boolean;
  /** Nothing is reported until `resume`, and nothing more is read than has been. */
  pause(): void;
  resume(): void;
}

/** A service's end. */
export interface UpstreamWebSocket extends WebSocketEnd {
  /** The subprotocol the service chose, "" for none: one of those offered. */
  readonly protocol: string;
  /** Written and not yet taken by the operating system. */
  readonly waitingBytes: number;
  /** Begins to report; what the service has sent since its 101 comes first. Once only. */
  open(events: WebSocketEvents, maxMessageBytes: number): void;
}

/** What an end reports, in wire order. */
export interface WebSocketEvents {
  onMessage(data: Uint8Array, isBinary: boolean): void;
  onPing(data: Uint8Array): void;
  onPong(data: Uint8Array): void;
  /** `send` returned false earlier and the peer has taken what it was given. */
  onDrain(): void;
  /** The peer closed with a close frame, which has been answered. Last call. */
  onClose(code: number, reason: Uint8Array): void;
  /** The connection ended without a close frame, or was ended because the peer broke a rule. Last call. */
  onAbort(code: ErrorCode, detail: string): void;
}
