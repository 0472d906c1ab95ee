/** What a session lets a service do. */
import type { UpstreamHttp2Spec } from "../engine/model/snapshot.js";
import type { Http2Limits } from "../wire/http2/limits.js";
import { DEFAULT_HTTP2_LIMITS } from "../wire/http2/limits.js";

/** RFC 9113 §6.9.1. */
const MAX_WINDOW_BYTES = 0x7fff_ffff;

/**
 * The connection's window is no limit of its own: with less than twice the sum of its streams' windows (credit goes back in
 * halves), a few slow callers could use it up and stall all others.
 */
export function upstreamHttp2Limits({ maxConcurrentStreams, maxStreamWindowBytes, streamWindowBytes }: UpstreamHttp2Spec): Http2Limits {
  const forAll = (bytes: number): number => Math.min(MAX_WINDOW_BYTES, 2 * (maxConcurrentStreams + 1) * bytes);
  return {
    ...DEFAULT_HTTP2_LIMITS,
    ...{ maxConcurrentStreams, streamWindowBytes, maxStreamWindowBytes },
    connectionWindowBytes: forAll(streamWindowBytes),
    maxConnectionWindowBytes: forAll(maxStreamWindowBytes),
    // Heads and their fields as HTTP/1 services may send them.
    ...{ maxListBytes: 65_536, maxFields: 200 },
  };
}
