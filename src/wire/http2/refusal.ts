/**
 * Every reason for which the codec ends a connection or a stream. Reasons are for logs, metrics and tests; each is met by a
 * row in the codec's tests. What the peer is told is the error code beside it.
 */
import type { FloodKind } from "./flood-budgets.js";

/** The connection is over: its GOAWAY is in the output, nothing more is read. */
export interface Http2Refusal {
  readonly errorCode: number;
  readonly reason: RefusalReason;
}

export type RefusalReason = FramingReason | FloodReason;

/** The peer breaks the protocol of the connection. */
export type FramingReason =
  | "bad-preface"
  | "settings-not-first"
  | "frame-too-large"
  | "bad-frame-length"
  | "bad-stream-id"
  | "expected-continuation"
  | "unexpected-continuation"
  | "bad-padding"
  | "idle-stream"
  | "closed-stream"
  | "stream-id-not-increasing"
  | "self-dependency"
  | "push-promise"
  | "bad-setting"
  | "zero-window-update"
  | "window-overflow"
  | "window-exceeded"
  | "go-away-increased"
  | "bad-priority-update"
  | "hpack";

/** The peer makes work out of proportion (RFC 9113 §10.5). */
export type FloodReason =
  | FloodKind
  /** DATA of a few bytes that nobody reads. Streams of messages have tiny frames rightly. */
  | "tiny-data"
  | "header-block-too-large"
  | "too-many-continuations"
  | "too-many-settings"
  | "unread-output";

/** One message or stream is bad; the connection goes on. */
export type StreamRefusal = MessageReason | StreamReason;

export type StreamReason =
  | "refused-stream"
  | "half-closed-stream"
  | "stream-window-exceeded"
  | "stream-window-overflow"
  | "stream-zero-window-update"
  | "stream-self-dependency"
  | "data-before-head";

/** Malformed messages (RFC 9113 §8.1.1) and heads over a limit. */
export type MessageReason =
  | "head-too-large"
  | "bad-field-name"
  | "bad-field-value"
  | "connection-field"
  | "bad-te"
  | "bad-content-length"
  | "repeated-content-length"
  | "length-mismatch"
  | "body-without-right"
  | "misplaced-pseudo-field"
  | "repeated-pseudo-field"
  | "unknown-pseudo-field"
  | "missing-pseudo-field"
  | "forbidden-pseudo-field"
  | "bad-method"
  | "bad-scheme"
  | "bad-authority"
  | "authority-and-host"
  | "bad-path"
  | "bad-protocol"
  | "bad-status"
  | "interim-ends-stream"
  | "too-many-interim"
  | "trailers-without-end";
