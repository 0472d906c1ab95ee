/** What of a service decides whether its endpoints may take traffic: `health`, `outlier` and `circuit.breakers`. */
import { z } from "zod";
import { headerValue, positiveDuration, text } from "./values.js";

const percent = () => z.int().min(1).max(100);

// ── Active checks ────────────────────────────────────────────────────────────────────────────────────────────────

const STATUS_CLASS = /^[1-5]xx$/;

const status = () =>
  z.union([
    text((value) =>
      STATUS_CLASS.test(value) ? null : { message: "{value} is not a status", hint: "write a number from 100 to 599, or a class: 2xx" },
    ).meta({ pattern: STATUS_CLASS.source }),
    z.int().min(100).max(599),
  ]);

const checkPath = () =>
  text((value) => {
    if (!value.startsWith("/")) return { message: "must begin with /" };
    return /[^\x21-\x7e]/.test(value) ? { message: "must be plain ASCII without spaces" } : null;
  });

export const healthSchema = z.strictObject({
  type: z
    .enum(["http", "tcp", "grpc"])
    .default("http")
    .describe(
      "http: a request with the service's protocol and TLS. tcp: a connection, with the TLS handshake if the service has TLS. grpc: grpc.health.v1.",
    ),
  path: checkPath().default("/").describe("For type http, with a query if need be."),
  method: z.enum(["GET", "HEAD", "OPTIONS"]).default("GET").describe("For type http."),
  statuses: z
    .array(status())
    .min(1)
    .default(["2xx", "3xx"])
    .describe("For type http: answers that mean healthy; redirects are not followed."),
  service: z.string().max(255).default("").describe("For type grpc: whose health is asked for; empty: the server's."),
  host: headerValue().default("").describe("For types http and grpc: the Host (:authority) that is sent. Default: the endpoint's address."),
  port: z.int().min(1).max(65_535).optional().describe("Default: the endpoint's."),
  interval: positiveDuration().default("5s").describe("From check to check of one endpoint, less up to a tenth so that checks spread out."),
  timeout: positiveDuration().default("2s").describe("For the whole check, connecting included."),
  unhealthyAfter: z
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe("Failed checks in a row that take an endpoint out. The very first check of an endpoint decides alone."),
  healthyAfter: z.int().min(1).max(100).default(1).describe("Passed checks in a row that bring it back."),
});

// ── Outlier ejection ─────────────────────────────────────────────────────────────────────────────────────────────

const consecutive = () => z.int().min(0).max(100_000);

export const outlierSchema = z.strictObject({
  consecutive5xx: consecutive().default(5).describe("Statuses from 500 and missing answers in a row that eject an endpoint; 0: never."),
  consecutiveGatewayErrors: consecutive()
    .default(0)
    .describe("Statuses 502, 503 and 504 and missing answers in a row that eject an endpoint; 0: never."),
  successRate: z
    .strictObject({
      minimumHosts: z.int().min(2).max(10_000).default(5).describe("Endpoints with enough requests, below which nobody is ejected."),
      requestVolume: z
        .int()
        .min(1)
        .max(1_000_000)
        .default(100)
        .describe("Requests of an endpoint and worker in one interval, to be judged."),
      stdevFactor: z.number().min(0.1).max(100).default(1.9).describe("Standard deviations below the mean that eject."),
    })
    .optional()
    .describe("Also eject endpoints whose success rate is far below that of the others. Default: not."),
  interval: positiveDuration()
    .default("10s")
    .describe("Success rates are compared this often; an endpoint not ejected for so long has one ejection forgotten."),
  baseEjectionTime: positiveDuration()
    .default("30s")
    .describe("Length of the first ejection; the second in a row lasts twice as long, and so on."),
  maxEjectionTime: positiveDuration().default("300s").describe("No ejection is longer, except by baseEjectionTime."),
  maxEjectionPercent: z
    .int()
    .min(0)
    .max(100)
    .default(10)
    .describe("Share of the endpoints that may be ejected at a time. One always may, unless this is 0. Each worker decides for itself."),
});

// ── Circuit breakers ─────────────────────────────────────────────────────────────────────────────────────────────

const breaker = z.strictObject({
  failurePercent: percent()
    .default(50)
    .describe("Share of failures (statuses from 500, missing answers) within a window that opens the circuit."),
  minimumRequests: z.int().min(1).max(1_000_000).default(20).describe("With fewer in the window it stays closed."),
  window: positiveDuration().default("10s"),
  openFor: positiveDuration().default("10s").describe("Then probes decide."),
  halfOpenRequests: z
    .int()
    .min(1)
    .max(1000)
    .default(3)
    .describe("Probes, all of which must succeed to close the circuit; one failure opens it again."),
});

export const breakersSchema = z.strictObject({
  endpoint: breaker
    .optional()
    .describe("Per endpoint and worker: while open, other endpoints are picked, as if it were ejected. Default: none."),
  service: breaker.optional().describe("Per service and worker: while open, requests are answered with 503 at once. Default: none."),
});

export type Health = z.output<typeof healthSchema>;
export type Outlier = z.output<typeof outlierSchema>;
export type Breaker = z.output<typeof breaker>;
