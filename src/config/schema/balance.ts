/** `balance` of a service: which endpoint takes a request. */
import { z } from "zod";
import { duration, headerName, percentage } from "./values.js";

const COOKIE_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const hashOn = z
  .strictObject({
    header: headerName().optional().describe("A request header, as the route's filters leave it; repeated fields count together."),
    cookie: z.string().regex(COOKIE_NAME, "is not the name of a cookie").optional().describe("A cookie; the first one of its name counts."),
    claim: z.string().min(1).optional().describe("A claim of the token, such as sub or address.country; the route needs a jwt filter."),
    address: z.literal(true).optional().describe("The client's address; behind trustedProxies the one that they name."),
    path: z.literal(true).optional().describe("The path without its query."),
    fallback: z
      .enum(["random", "address", "path"])
      .default("random")
      .describe("What decides when the request has no such header, cookie or claim, or an empty one."),
  })
  .describe("Exactly one of header, cookie, claim, address and path. Equal values go to the same endpoint.");

const retryAfter = z.strictObject({
  on: z
    .array(z.union([z.literal(429), z.literal(503)]))
    .default([503])
    .describe(
      "Statuses whose Retry-After is heeded. Danger of 429: where a service limits each of its users, one user who is over the limit takes " +
        "endpoints from all others.",
    ),
  max: duration().default("30s").describe("Longer pauses become this; 0s: Retry-After is not heeded."),
});

export const balanceSchema = z.strictObject({
  algorithm: z
    .enum(["roundRobin", "leastRequest", "ewma", "ringHash", "maglev", "random"])
    .default("roundRobin")
    .describe(
      "roundRobin: in turns. leastRequest: of two drawn by weight, the one with fewer requests under way. ewma: of two, the one with the smaller product of " +
        "latency and requests under way; for endpoints that are not equally fast. ringHash, maglev: equal keys to equal endpoints (hashOn); maglev is " +
        "more even, ringHash moves fewer keys. random: by weight. Each worker decides for itself.",
    ),
  hashOn: hashOn.optional().describe("For ringHash and maglev, which need it."),
  maxLoad: percentage(101, 10_000)
    .optional()
    .describe(
      "For ringHash and maglev: an endpoint with more than this percentage of its share (by weight) of the requests under way in a worker passes " +
        "further ones on to the next, such as 125%. So one popular key cannot overload an endpoint; but with few requests under way keys leave their " +
        "endpoint often. Default: no bound.",
    ),
  preferLocalZone: z
    .boolean()
    .default(true)
    .describe(
      "When the document names the gateway's zone, endpoints of that zone take all requests while at least 71% of them (by weight) are healthy, and less " +
        "and less below; others take the rest. Danger: a zone with many gateways and few endpoints overloads these; false: zones do not matter.",
    ),
  slowStart: duration()
    .default("0s")
    .describe(
      "An endpoint that is added while the gateway runs gets a tenth of its weight at first, and all of it after this. 0s: all at once. Not for ringHash and maglev.",
    ),
  panicThreshold: percentage(0, 100)
    .default("50%")
    .describe(
      "With a smaller share of healthy endpoints (by number) all of them are used, the unhealthy ones as well: most of them are hardly down, and the " +
        "few healthy ones could not bear the load. 0%: never; then requests are answered with 503 when none is healthy.",
    ),
  retryAfter: retryAfter
    .prefault({})
    .describe(
      "An endpoint that answers with Retry-After is left out until then, unless all of its priority are. Seen by each worker for itself.",
    ),
});

export type Balance = z.output<typeof balanceSchema>;

/** The part of a request that `hashOn` names; all that are named, when there are several. */
export const HASH_PARTS = ["header", "cookie", "claim", "address", "path"] as const;
