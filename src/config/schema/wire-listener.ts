/**
 * What only `h2` and `h2c` listeners can be told: client certificates, PROXY protocol, timeouts and limits of connections,
 * HTTP/2. Optional, because other listeners refuse it; the defaults are at the end.
 */
import { z } from "zod";
import { boundedSize, duration, filePath, positiveDuration, textOrFile } from "./values.js";

const MAX_HEADER_FIELDS = 1_000;
/** RFC 9113 §6.9.1. */
const MAX_WINDOW_BYTES = 2 ** 31 - 1;
/** RFC 9113 §6.9.2: clients begin with this before they have heard of anything else. */
const INITIAL_WINDOW_BYTES = 65_535;

export const clientAuth = z.strictObject({
  mode: z
    .enum(["require", "optional"])
    .describe("require: no handshake without a certificate; optional: a client may have none, but one that it shows must be valid."),
  ca: textOrFile(filePath()).describe(
    "PEM file of the roots that client certificates must lead to. Nothing else is trusted, the system's roots neither.",
  ),
});

export const tlsVersion = () =>
  z.enum(["1.2", "1.3"]).describe("Oldest TLS version. Default: 1.3 on inbound listeners, 1.2 elsewhere; h2 listeners only.");

export const proxyProtocol = z
  .enum(["off", "optional", "required"])
  .optional()
  .describe(
    "PROXY protocol v1 and v2 (HAProxy's), before TLS: the address that it tells takes the peer's place. It is read from peers in trustedProxies only. " +
      "Their connections must then begin with it; those of anybody else are served without it (optional) or closed (required). " +
      "Default: off. h2 and h2c listeners only.",
  );

/** Beside those that every listener has. */
export const wireLimits = {
  maxHeaderFields: z
    .int()
    .min(8)
    .max(MAX_HEADER_FIELDS)
    .optional()
    .describe("Fields of one request head, and of its trailers; more are answered with 431. Default: 98. h2 and h2c listeners only."),
  maxHandshakes: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe("TLS handshakes under way per worker; one more closes the oldest. Default: 1000. h2 listeners only."),
};

export const wireTimeouts = {
  requestHeader: duration()
    .optional()
    .describe(
      "From the first byte of a request to the end of its head, answered with 408, and for a PROXY header; 0s disables. Default: 10s. " +
        "h2 and h2c listeners only.",
    ),
  keepAlive: duration()
    .optional()
    .describe(
      "A connection without a request is closed after this; 0s: never. Longer than a load balancer in front keeps it, or it sends " +
        "requests into closed connections. Default: 75s. h2 and h2c listeners only.",
    ),
  handshake: positiveDuration().optional().describe("TLS handshake, from the first packet to its end. Default: 10s. h2 listeners only."),
};

export const http2 = z.strictObject({
  maxConcurrentStreams: z
    .int()
    .min(1)
    .max(10_000)
    .default(100)
    .describe("Requests under way on one connection (RFC 9113 §5.1.2); more are refused and may be repeated."),
  streamWindow: boundedSize(INITIAL_WINDOW_BYTES, MAX_WINDOW_BYTES)
    .default("64KiB")
    .describe(
      "Body bytes of one request that may be on their way (RFC 9113 §6.9); at least 65535. Larger: faster uploads over long distances, more memory.",
    ),
  connectionWindow: boundedSize(INITIAL_WINDOW_BYTES, MAX_WINDOW_BYTES)
    .default("1MiB")
    .describe("The same for all requests of one connection together; at least 65535."),
  maxStreamWindow: boundedSize(INITIAL_WINDOW_BYTES, (MAX_WINDOW_BYTES - 1) / 2)
    .default("2MiB")
    .describe(
      "How far streamWindow may grow for an upload over a long path, while the service takes it as fast as it comes; all requests of a " +
        "connection together may have twice as much on their way. As streamWindow or less: windows do not grow.",
    ),
  ping: duration()
    .default("30s")
    .describe("A connection with requests under way that is silent for this long is pinged, and closed after as long again; 0s disables."),
});

export const WIRE_DEFAULTS = {
  proxyProtocol: "off",
  limits: { maxHeaderFields: 98 },
  timeouts: { requestHeader: "10s", keepAlive: "75s" },
  http2: http2.parse({}),
} as const;

export const WIRE_TLS_DEFAULTS = { limits: { maxHandshakes: 1_000 }, timeouts: { handshake: "10s" } } as const;
