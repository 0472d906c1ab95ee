/**
 * What a connection tells its owner. Events come from within `feed`, except `onWritable`, which comes from `takeOutput`.
 * The owner may send, reset and consume inside any of them, but never feed.
 */

import type { StreamRefusal } from "./refusal.js";
import type { Http2Stream } from "./stream.js";

/** A request, received or to be sent. */
export interface Http2RequestHead {
  readonly method: string;
  /** `:scheme`; "" for CONNECT without `:protocol`. */
  readonly scheme: string;
  /** `:authority`, or Host when that is missing. */
  readonly authority: string;
  /** `:path`; "" for CONNECT without `:protocol`. */
  readonly path: string;
  /** `:protocol` of an extended CONNECT (RFC 8441); else "". */
  readonly protocol: string;
  /**
   * `[name, value, …]`, lower-case names, without pseudo-fields, host, content-length and te; cookies are one field. Received:
   * belongs to the receiver. To be sent: must be valid, and without fields that concern one connection; it is not checked again.
   */
  readonly headers: readonly string[];
  /** Exact, or -1 when unknown. To be sent: becomes content-length. */
  readonly bodyLength: number;
  /** `te: trailers`: gRPC asks for it. */
  readonly acceptsTrailers: boolean;
}

/** A final response, received or to be sent. */
export interface Http2ResponseHead {
  readonly status: number;
  /** As in a request. */
  readonly headers: readonly string[];
  /** content-length, or -1: none stated. For HEAD and 304 it is the length that a GET would have had. */
  readonly bodyLength: number;
}

/** The half of the events that both roles have. */
export interface Http2StreamEvents {
  /** `data` is borrowed for the call. The owner passes its length to `consume` once it has moved on. `isEnd`: nothing follows. */
  onData(stream: Http2Stream, data: Uint8Array, isEnd: boolean): void;
  /** The message is complete. `trailers` belongs to the receiver; fields that frame, route or authenticate are not among them. */
  onTrailers(stream: Http2Stream, trailers: string[]): void;
  /**
   * The stream is over before its time. `reason` null: the peer reset it, or named it as unprocessed in GOAWAY
   * (REFUSED_STREAM: it is safe to repeat). Else the codec did, because the peer broke a rule. Not called for `reset`.
   * With `stream.isReceiveEnded` the peer's message had come whole: a reset with NO_ERROR then only declines the rest of ours.
   */
  onReset(stream: Http2Stream, errorCode: number, reason: StreamRefusal | null): void;
  /** What `sendData` did not take may be offered again now. */
  onWritable(stream: Http2Stream): void;
}

export interface Http2Events extends Http2StreamEvents {
  /** Server. `isEnd`: no body follows. */
  onRequest(stream: Http2Stream, head: Http2RequestHead, isEnd: boolean): void;
  /** Server: the header list is over a limit. The owner answers 431, or resets; the stream is like any other. */
  onOversizedRequest(stream: Http2Stream): void;
  /** Server: a request that never came to be was reset by the codec; for metrics. */
  onRefusedRequest(streamId: number, errorCode: number, reason: StreamRefusal): void;
  /** Client: 1xx but 101. */
  onInterim(stream: Http2Stream, status: number, headers: string[]): void;
  /** Client. */
  onResponse(stream: Http2Stream, head: Http2ResponseHead, isEnd: boolean): void;
  /** The peer's settings came or changed: see `connection.peer`. */
  onSettings(): void;
  /** The answer to our `ping`. */
  onPingAck(): void;
  /** The peer will not process streams above `lastStreamId`; the client's own above it get `onReset` with REFUSED_STREAM first. */
  onGoAway(lastStreamId: number, errorCode: number): void;
}
