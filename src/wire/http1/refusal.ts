/**
 * Every reason for which the codec refuses a message. The codes are for logs, metrics and tests; each is met by a row
 * in the codec's table tests. A refused message is never partly believed: its connection must be destroyed.
 */
export type Refusal =
  // The start line and the field lines.
  | "bad-status-line"
  | "bad-status"
  | "bad-version"
  | "bare-cr"
  | "bare-lf"
  | "control-byte"
  | "obs-fold"
  | "missing-colon"
  | "empty-field-name"
  | "space-before-colon"
  | "bad-field-name"
  | "head-too-large"
  | "too-many-fields"
  // Framing.
  | "bad-content-length"
  | "repeated-content-length"
  | "bad-transfer-encoding"
  | "repeated-transfer-encoding"
  | "length-and-coding"
  | "coding-in-http-1.0"
  | "body-without-right"
  | "bad-chunk-size"
  | "bad-chunk-extension"
  | "chunk-extension-too-large"
  | "bad-chunk-end"
  // The course of a response.
  | "unexpected-upgrade"
  | "interim-in-http-1.0"
  | "too-many-interim";

export interface Http1Limits {
  /** Start line and field lines with their line ends. */
  readonly maxHeadBytes: number;
  /** Field lines of one head or one trailer section. */
  readonly maxFields: number;
  readonly maxTrailerBytes: number;
  /** All chunk extensions of one message together. */
  readonly maxChunkExtensionBytes: number;
  /** 1xx responses before the final one. */
  readonly maxInterimResponses: number;
}

export const DEFAULT_HTTP1_LIMITS: Http1Limits = Object.freeze({
  maxHeadBytes: 65_536,
  maxFields: 200,
  maxTrailerBytes: 16_384,
  maxChunkExtensionBytes: 4096,
  maxInterimResponses: 16,
});
