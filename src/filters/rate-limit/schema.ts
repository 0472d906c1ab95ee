/** Settings of the `rateLimit` filter: how many requests, per what time, counted by what. */
import { z } from "zod";
import type { FilterFacts } from "../../engine/model/filter-facts.js";
import { parseDuration } from "../../engine/model/units.js";
import { parseKey } from "./key.js";

const MAX_WINDOW_MS = 168 * 3_600_000;
const MAX_REQUESTS = 1_000_000_000;

const period = z
  .string()
  .describe("Length of the window, from 100ms to 168h. Windows start with the first request of a key.")
  .transform((text, context) => {
    const windowMs = parseDuration(text);
    if (windowMs === null) context.addIssue({ code: "custom", message: `\`${text}\` is not a duration (write 1s, 1m or 1h30m)` });
    else if (windowMs < 100 || windowMs > MAX_WINDOW_MS) context.addIssue({ code: "custom", message: "must be from 100ms to 168h" });
    return windowMs ?? z.NEVER;
  });

const key = z.string().superRefine((text, context) => {
  const parsed = parseKey(text);
  if (!parsed.ok) context.addIssue({ code: "custom", message: parsed.message });
});

export const schema = z
  .strictObject({
    limit: z.int().min(1).max(MAX_REQUESTS).describe("Requests allowed per window and key."),
    per: period,
    burst: z
      .int()
      .min(0)
      .max(MAX_REQUESTS)
      .default(0)
      .describe("Requests allowed on top of `limit` in one window: a window never admits more than `limit` + `burst`, over all workers."),
    key: z
      .union([key, z.array(key).min(1).max(8)])
      .transform((keys) => (typeof keys === "string" ? [keys] : keys))
      .prefault("ip")
      .describe(
        "What is counted apart: `ip` (IPv6 by its /64), `jwt.<claim>`, `header.<name>`, `route`, a template such as " +
          "`{request.method}-{jwt.sub}`, or a list of these taken together. A request without the value is counted by its " +
          "client address. Danger: a header that clients choose freely lets them start a new count at will.",
      ),
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/, "letters, digits, `_`, `.` and `-`")
      .optional()
      .describe(
        "Routes whose limits have the same name and window share one count. Also shown in the RateLimit headers. Default: a count of its own.",
      ),
    dryRun: z.boolean().default(false).describe("Count and report, but refuse nothing and send no RateLimit headers."),
    onStoreFailure: z
      .enum(["local", "open", "closed"])
      .default("local")
      .describe(
        "What happens while the store of counts cannot be reached. `local`: each worker allows its share of the limit; " +
          "`open`: everything is let through; `closed`: everything is answered with 503.",
      ),
  })
  .describe("Refuses requests over a limit with 429 and Retry-After; states limit and remainder in RateLimit headers.");

export type RateLimitConfig = z.output<typeof schema>;

export function facts(config: RateLimitConfig): FilterFacts {
  const readsPrincipal = config.key.some((text) => {
    const parsed = parseKey(text);
    return parsed.ok && parsed.template.readsPrincipal;
  });
  return { jwtProvider: "", readsPrincipal, alwaysReplies: false };
}
