/** `services`: a named group of interchangeable endpoints and its policies. */
import { z } from "zod";
import { duration, endpointAddress, filePath, hostname, name, positiveDuration, textOrFile, weight } from "./values.js";

const endpoint = z.strictObject({
  address: endpointAddress().describe("host:port; IPv6 in brackets."),
  weight: weight().default(1).describe("0 takes no traffic."),
  zone: z.string().default("").describe("Where it runs; empty: unknown."),
  labels: z.record(z.string().min(1), z.string()).default({}),
});

const tls = z.strictObject({
  serverName: hostname().optional().describe("Name that is sent as SNI and verified. Default: the endpoint's host."),
  ca: textOrFile(filePath()).optional().describe("PEM file of the trusted roots. Default: the system's."),
  insecureSkipVerify: z
    .boolean()
    .default(false)
    .describe("Danger: accepts any certificate, so anyone in between can read and change traffic."),
});

const circuit = z.strictObject({
  maxConnections: z.int().min(1).max(1_000_000).default(1024).describe("Open connections per endpoint and worker."),
  maxPendingRequests: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(1024)
    .describe("Requests that may wait for a connection, per endpoint and worker."),
  maxWebSockets: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(10_000)
    .describe("Open WebSockets per endpoint and worker; they do not count towards maxConnections. 0 refuses upgrades."),
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

export const serviceSchema = z.strictObject({
  name: name(),
  endpoints: z.strictObject({ static: z.array(endpoint).min(1) }).describe("Exactly one source of endpoints."),
  protocol: z.enum(["http1", "https"]).default("http1").describe("HTTP/1.1, plain or over TLS."),
  tls: tls.optional().describe("For protocol https. The certificate is verified by default."),
  balance: z
    .strictObject({ algorithm: z.enum(["roundRobin", "leastRequest", "random"]).default("roundRobin") })
    .prefault({})
    .describe("How an endpoint is chosen."),
  circuit: circuit.prefault({}),
  timeouts: timeouts.prefault({}),
});

export type Service = z.output<typeof serviceSchema>;
