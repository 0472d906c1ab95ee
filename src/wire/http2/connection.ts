/**
 * An HTTP/2 connection (RFC 9113) of either role: bytes in, events out; calls in, bytes out. What it does for its parts is
 * to hold them together; what frames mean is in `frame-receiver.ts`, what is sent in `sender.ts`.
 */
import type { Http2Events, Http2RequestHead, Http2ResponseHead } from "./events.js";
import type { Http2Limits } from "./limits.js";
import type { PeerSettings } from "./peer-settings.js";
import type { Http2Refusal } from "./refusal.js";
import type { Http2Stream } from "./stream.js";

export type Http2Role = "server" | "client";

export declare class Http2Connection {
  /** Our preface and SETTINGS are in the output at once. A server expects the client's preface as the first bytes. */
  constructor(role: Http2Role, limits: Http2Limits, events: Http2Events);

  /** Set: the peer broke the connection or flooded it. GOAWAY is in the output: flush it and close. Nothing is parsed any more. */
  readonly refusal: Http2Refusal | null;
  readonly peer: PeerSettings;
  readonly openStreams: number;
  /** Client: `sendRequest` would give a stream now. */
  readonly canRequest: boolean;
  /** One side has said that it takes no more streams. */
  readonly isGoingAway: boolean;
  /** So much output waits that the owner should stop reading until the peer reads. */
  readonly isOutputFull: boolean;

  // ── Bytes ──
  /** Takes `[start, end)` of a read; nothing of it is kept. @param nowMs any steady clock; flood budgets refill by it */
  feed(bytes: Uint8Array, start: number, end: number, nowMs: number): void;
  /**
   * The next piece of output, or null. The caller owns it until it gives it back with `releaseOutput`, and calls this only
   * while its socket takes more: that is the brake. Blocked streams get their turn (`onWritable`) from within.
   */
  takeOutput(): Uint8Array | null;
  /** The socket is done with a piece. Optional, but saves an allocation of 16 KiB or more. */
  releaseOutput(piece: Uint8Array): void;

  // ── Client ──
  /** Null: no more streams now (see `canRequest`). `isEnd`: no body follows. */
  sendRequest(head: Http2RequestHead, isEnd: boolean): Http2Stream | null;

  // ── Server ──
  /** 1xx but 101. No effect after the final head. */
  sendInterim(stream: Http2Stream, status: number, headers: readonly string[]): void;
  sendResponse(stream: Http2Stream, head: Http2ResponseHead, isEnd: boolean): void;

  // ── Both ──
  /**
   * How many bytes were taken (copied): windows and output room decide. The rest is the caller's to keep and to offer again on
   * `onWritable`; offered earlier, none is taken. With `isEnd` the stream ends when all is taken, also when there is no data.
   */
  sendData(stream: Http2Stream, data: Uint8Array, isEnd: boolean): number;
  /** Ends our message. All data must have been taken before. */
  sendTrailers(stream: Http2Stream, trailers: readonly string[]): void;
  /** The owner has moved on `bytes` of what `onData` brought: the peer may send more. */
  consume(stream: Http2Stream, bytes: number): void;
  /** Ends the stream at once, in both directions. NO_ERROR after a complete response tells a client to stop its upload. */
  reset(stream: Http2Stream, errorCode: number): void;
  /** `onPingAck` tells when the answer comes. False: one is under way already. */
  ping(): boolean;
  /**
   * RFC 9113 §6.8, first step: tells a client to open no more streams, and goes on serving what comes. A round trip later
   * (`ping`, or a timer) comes `goAway`.
   */
  announceGoAway(): void;
  /** Second step, or the only one: streams that come after this are ignored; those that are open go on. */
  goAway(errorCode: number): void;
}
