/** `routes`: match + filters + policies → backends. Names and meaning follow the Kubernetes Gateway API. */
import { z } from "zod";
import { filterEntrySchema } from "./filters.js";
import { duration, headerName, headerValue, hostname, matchPath, method, name, retryCondition, size, weight } from "./values.js";

const pathMatch = z.strictObject({
  type: z
    .enum(["Exact", "PathPrefix"])
    .default("PathPrefix")
    .describe("PathPrefix matches whole segments: /a matches /a and /a/b, not /ab."),
  value: matchPath().default("/"),
});

const headerMatch = z.strictObject({
  name: headerName(),
  value: headerValue().describe("Compared exactly. Repeated fields are joined with a comma and a space."),
});

const queryMatch = z.strictObject({
  name: z.string().min(1),
  value: z.string().describe("Compared exactly with the first occurrence, percent-decoded."),
});

const match = z.strictObject({
  path: pathMatch.prefault({}),
  methods: z.array(method()).default([]).describe("Any of; empty: every method."),
  headers: z.array(headerMatch).default([]).describe("All must match."),
  queryParams: z.array(queryMatch).default([]).describe("All must match."),
});

const backend = z.strictObject({
  service: z.string().describe("Name of a service."),
  weight: weight().default(1).describe("Share of the sum of all weights; 0 takes no traffic."),
  subset: z
    .record(z.string().min(1), z.string())
    .optional()
    .describe("Only endpoints with all of these labels. Which endpoints there are may change; when none has them, subsetFallback decides."),
  subsetFallback: z
    .enum(["none", "all"])
    .default("none")
    .describe(
      "When no endpoint has the labels of subset. none: requests are answered with 503. all: any endpoint of the service takes them.",
    ),
});

const timeouts = z.strictObject({
  request: duration().default("15s").describe("From accept to the last byte of the response; 0s disables."),
  backendRequest: duration()
    .default("0s")
    .describe("One attempt, from its start to the response's head; 0s: only the request timeout holds."),
});

const retry = z.strictObject({
  attempts: z
    .int()
    .min(0)
    .max(10)
    .default(1)
    .describe("Further attempts after the first, each to an endpoint not tried yet while there is one. 0 disables."),
  on: z
    .array(retryCondition())
    .default(["connect-failure"])
    .describe(
      "What is repeated. connect-failure: no connection, none with TLS, or the service refused the request unseen (HTTP/2). reset: the connection ended before a response. " +
        "timeout: timeouts.backendRequest passed. malformed: what came is no HTTP. 500 to 599: that status. Once a service may have seen the request, only for idempotent methods.",
    ),
  maxReplayBytes: size()
    .default("64KiB")
    .describe("Request bodies up to this size can be sent again; kept in memory, per request under way, until the response begins."),
  budgetPercent: z
    .number()
    .min(0)
    .max(100)
    .default(20)
    .describe("Retries as a share of requests, per service and worker. Those after a refused connection do not count: nobody was asked."),
  budgetMinPerSecond: z.number().min(0).max(100_000).default(10).describe("Retries that are always allowed, per service and worker."),
});

export const routeSchema = z.strictObject({
  name: name(),
  listeners: z.array(z.string()).min(1).optional().describe("Names of listeners. Default: all listeners of direction ingress."),
  hostnames: z.array(hostname()).default([]).describe("Exact or *.example.com; empty: every host."),
  match: z.array(match).min(1).prefault([{}]).describe("Any of. Default: every path."),
  filters: z.array(filterEntrySchema).default([]).describe("Run in this order, before the backend is chosen."),
  backends: z.array(backend).default([]).describe("May be left out only when a filter always replies."),
  timeouts: timeouts.prefault({}),
  retry: retry.prefault({}),
});

export type Route = z.output<typeof routeSchema>;
