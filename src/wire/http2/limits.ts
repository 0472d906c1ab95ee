/** What a connection may cost. Every number is an argument; the defaults suit a listener that faces strangers. */
import type { FloodLimits } from "./flood-budgets.js";
import { DEFAULT_FLOOD_LIMITS } from "./flood-budgets.js";

export interface Http2Limits {
  /** Server: streams a client may have open; more are refused with REFUSED_STREAM. Client: our own cap besides the peer's. */
  readonly maxConcurrentStreams: number;
  /** What a peer may send on one stream before the owner consumes it. At least 65,535: the peer starts with that anyway. */
  readonly streamWindowBytes: number;
  /** The same for all streams together. At least 65,535. */
  readonly connectionWindowBytes: number;
  /** How far both may grow on long paths, while they are made use of. Less than the window: it stays as it is. */
  readonly maxStreamWindowBytes: number;
  readonly maxConnectionWindowBytes: number;
  /** HPACK dynamic table of the peer's encoder. At least 4,096: the peer starts with that anyway. */
  readonly maxTableBytes: number;
  /** Names, values and 32 bytes per field (RFC 9113 §6.5.2). More: `onOversizedRequest`, or a reset response. */
  readonly maxListBytes: number;
  readonly maxFields: number;
  /** Compressed bytes of one head with its CONTINUATIONs. More ends the connection: HPACK cannot skip. */
  readonly maxHeaderBlockBytes: number;
  readonly maxContinuations: number;
  /** 1xx responses before a final one (client). */
  readonly maxInterimResponses: number;
  /** Server: announce RFC 8441, accept `:protocol`. */
  readonly allowsExtendedConnect: boolean;
  /** DATA is not taken while this much output waits. */
  readonly maxPendingDataBytes: number;
  /** All output that waits: a peer that does not read, but makes us write, is cut off here. */
  readonly maxPendingBytes: number;
  /** Server: DATA of a few bytes on one stream that the owner has not consumed, beyond one for every four bytes of it. */
  readonly maxUnreadTinyFrames: number;
  readonly floods: FloodLimits;
}

export const DEFAULT_HTTP2_LIMITS: Http2Limits = Object.freeze({
  maxConcurrentStreams: 100,
  streamWindowBytes: 65_536,
  connectionWindowBytes: 1_048_576,
  maxStreamWindowBytes: 0,
  maxConnectionWindowBytes: 0,
  maxTableBytes: 4096,
  maxListBytes: 61_440,
  maxFields: 98,
  maxHeaderBlockBytes: 131_072,
  maxContinuations: 32,
  maxInterimResponses: 16,
  allowsExtendedConnect: true,
  maxPendingDataBytes: 65_536,
  maxPendingBytes: 1_048_576,
  maxUnreadTinyFrames: 8_192,
  floods: DEFAULT_FLOOD_LIMITS,
});
