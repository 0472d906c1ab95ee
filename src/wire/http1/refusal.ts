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
  // The request line and the fields that steer a request.
  | "bad-request-line"
  | "request-line-too-large"
  | "too-many-empty-lines"
  | "bad-method"
  | "method-too-long"
  | "unsupported-version"
  | "bad-target"
  | "fragment-in-target"
  | "userinfo-in-target"
  | "unsupported-scheme"
  | "missing-host"
  | "repeated-host"
  | "bad-host"
  | "unsupported-expectation"
  | "bad-connection"
  | "bad-upgrade"
  | "too-many-connection-options"
  // Framing.
  | "bad-content-length"
  | "repeated-content-length"
  | "bad-transfer-encoding"
  | "unknown-transfer-coding"
  | "repeated-transfer-encoding"
  | "length-and-coding"
  | "coding-in-http-1.0"
  | "body-without-right"
  | "bad-chunk-size"
  | "bad-chunk-extension"
  | "chunk-extension-too-large"
  | "bad-chunk-end"
  | "body-too-large"
  // The course of a response.
  | "unexpected-upgrade"
  | "interim-in-http-1.0"
  | "too-many-interim";

/** One set for both roles; each role looks at what concerns it. */
export interface Http1Limits {
  /** Start line and field lines with their line ends. */
  readonly maxHeadBytes: number;
  /** The request line with its line end (RFC 9112 §3 asks for 8,000 at least); never more than `maxHeadBytes`. */
  readonly maxRequestLineBytes: number;
  /** Empty lines before a request line: RFC 9112 §2.2 asks for one at least. */
  readonly maxEmptyLines: number;
  /** Field lines of one head or one trailer section. */
  readonly maxFields: number;
  readonly maxTrailerBytes: number;
  /** All chunk extensions of one message together. */
  readonly maxChunkExtensionBytes: number;
  /** The content of a request, without the framing of its chunks; Infinity: unlimited. */
  readonly maxBodyBytes: number;
  /** 1xx responses before the final one. */
  readonly maxInterimResponses: number;
}

export const DEFAULT_HTTP1_LIMITS: Http1Limits = Object.freeze({
  maxHeadBytes: 65_536,
  maxRequestLineBytes: 16_384,
  maxEmptyLines: 1,
  maxFields: 200,
  maxTrailerBytes: 16_384,
  maxChunkExtensionBytes: 4096,
  maxBodyBytes: Number.POSITIVE_INFINITY,
  maxInterimResponses: 16,
});
