/** `services`: a named group of interchangeable endpoints and its policies. */
import { z } from "zod";
import { balanceSchema } from "./balance.js";
import { endpointsSchema } from "./endpoints.js";
import { breakersSchema, healthSchema, outlierSchema } from "./resilience.js";
import { boundedSize, duration, filePath, hostname, name, positiveDuration, textOrFile } from "./values.js";

/** RFC 9113 §6.9.2, §6.9.1. */
const INITIAL_WINDOW_BYTES = 65_535;
const MAX_WINDOW_BYTES = 16 * 1024 * 1024;

const tls = z.strictObject({
  serverName: hostname().optional().describe("Name that is sent as SNI and verified. Default: the endpoint's host."),
  ca: textOrFile(filePath()).optional().describe("PEM file of the trusted roots. Default: the system's."),
  insecureSkipVerify: z
    .boolean()
    .default(false)
    .describe("Danger: accepts any certificate, so anyone in between can read and change traffic."),
  alpn: z
    .array(z.enum(["h2", "http/1.1"]))
    .min(1)
    .optional()
    .describe(
      "For protocol https: the versions of HTTP that are offered, of which the service chooses. Default: [h2, http/1.1]; [http/1.1] keeps HTTP/2 away.",
    ),
});

const http2 = z.strictObject({
  maxConcurrentStreams: z
    .int()
    .min(1)
    .max(10_000)
    .default(100)
    .describe("Requests at a time on one connection; the service may allow fewer. More of them open another connection."),
  streamWindow: boundedSize(INITIAL_WINDOW_BYTES, MAX_WINDOW_BYTES)
    .default("256KiB")
    .describe(
      "Body bytes of one response that may be on their way or wait for a slow client (RFC 9113 §6.9); at least 65535. Larger: faster over " +
        "long distances, more memory per slow client.",
    ),
  maxStreamWindow: boundedSize(INITIAL_WINDOW_BYTES, MAX_WINDOW_BYTES)
    .default("256KiB")
    .describe(
      "How far streamWindow may grow for a response over a long path, while the client takes it as fast as it comes. As streamWindow or " +
        "less: it does not grow, which is the default, because more that waits is more that slow readers hold.",
    ),
  ping: duration()
    .default("15s")
    .describe(
      "A connection with requests under way that is silent for so long is pinged, and given up when there is no answer for as long again. In " +
        "one silence, further pings are five minutes apart, because some gRPC services end connections that ping more often. 0s disables.",
    ),
});

const circuit = z.strictObject({
  maxConnections: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(1024)
    .describe("Open connections per endpoint and worker, whatever the number of streams on them."),
  maxPendingRequests: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(1024)
    .describe("Requests that may wait for a connection or a stream, per endpoint and worker; as many again whose bodies are not here yet."),
  maxSlowClientPercent: z
    .int()
    .min(1)
    .max(100)
    .default(75)
    .describe(
      "Share of the connections (HTTP/2: of their streams) that may wait for clients while other requests wait for one. Uploads that are not " +
        "complete never have more, and go behind requests that are; beyond it, answers whose client has taken nothing for a second are broken " +
        "off, and uploads below a kilobyte per second answered with 408, the slowest first. 100: nobody is broken off for reading slowly.",
    ),
  maxWebSockets: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(10_000)
    .describe("Open WebSockets per endpoint and worker; they do not count towards maxConnections. 0 refuses upgrades."),
  maxRequests: z
    .int()
    .min(0)
    .max(10_000_000)
    .default(0)
    .describe(
      "Requests under way per service and worker, WebSockets and those that wait for a connection included; more are answered with 503. " +
        "0: only the other limits count.",
    ),
  breakers: breakersSchema.prefault({}).describe("Circuit breakers."),
});

const timeouts = z.strictObject({
  connect: positiveDuration().default("5s").describe("TCP and TLS together."),
  keepAlive: duration().default("60s").describe("Idle connections are closed after this; keep it below the service's own value."),
  connectionAge: duration()
    .default("1h")
    .describe(
      "A connection older than this carries no further request and is closed as soon as it is free; 0s: unlimited. Busy connections would " +
        "otherwise never be opened anew, and so never follow a changed address of a host name.",
    ),
});

const warm = z.strictObject({
  connections: z
    .int()
    .min(0)
    .max(100)
    .default(0)
    .describe(
      "Connections that each worker opens to an endpoint that is new, is well again or comes back from an ejection, before or while it takes its " +
        "first requests. They count towards circuit.maxConnections, end when they were idle for timeouts.keepAlive, and are not opened again " +
        "for that. One that cannot be opened is counted and says nothing of the endpoint.",
    ),
});

/** For services that say nothing about HTTP/2. */
export const SERVICE_HTTP2_DEFAULTS = http2.parse({});

export const serviceSchema = z.strictObject({
  name: name(),
  endpoints: endpointsSchema.describe("Exactly one source of endpoints."),
  protocol: z
    .enum(["http1", "h2", "h2c", "https"])
    .default("http1")
    .describe(
      "http1: HTTP/1.1, plain. h2c: HTTP/2 without TLS, known beforehand. h2: HTTP/2 over TLS and nothing else. https: over TLS, HTTP/2 or HTTP/1.1 as " +
        "the service chooses (ALPN).",
    ),
  tls: tls.optional().describe("For protocols https and h2. The certificate is verified by default."),
  http2: http2.optional().describe("For protocols h2, h2c and https."),
  balance: balanceSchema.prefault({}).describe("How an endpoint is chosen."),
  circuit: circuit.prefault({}),
  health: healthSchema.optional().describe("Active checks of all endpoints, made by the primary process. Default: none."),
  outlier: outlierSchema
    .optional()
    .describe("Endpoints whose answers fail are left alone for a while; an empty block takes the defaults. Default: none."),
  timeouts: timeouts.prefault({}),
  warm: warm.prefault({}).describe("Connections that are opened ahead of requests. Default: none."),
});

export type Service = z.output<typeof serviceSchema>;
