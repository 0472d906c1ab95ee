/** Settings of the `redirect` filter, as the Gateway API's RequestRedirect. */
import { z } from "zod";
import type { FilterFacts } from "../../engine/model/filter-facts.js";

const HOSTNAME_PATTERN = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

const pathValue = z
  .string()
  .max(2048)
  .regex(
    /^\/(?![/\\])[\x21\x24-\x3e\x40-\x5b\x5d-\x7e]*$/,
    "must begin with one `/` and be printable ASCII without blanks, `?`, `#` and `\\`",
  );

const path = z
  .discriminatedUnion("type", [
    z.strictObject({ type: z.literal("ReplaceFullPath"), value: pathValue }).describe("The whole path becomes `value`."),
    z
      .strictObject({ type: z.literal("ReplacePrefixMatch"), value: pathValue })
      .describe("The part that the route matched becomes `value`; the rest stays."),
  ])
  .optional()
  .describe("How the path changes. Default: it stays.");

export const schema = z
  .strictObject({
    scheme: z.enum(["http", "https"]).optional().describe("Scheme of the new address. Default: that of the request."),
    hostname: z
      .string()
      .toLowerCase()
      .regex(HOSTNAME_PATTERN, "not a host name (no port, no wildcard)")
      .optional()
      .describe(
        "Host of the new address. Default: that of the request, which is refused with 400 when it is not a plain host name or address.",
      ),
    port: z
      .int()
      .min(1)
      .max(65535)
      .optional()
      .describe(
        "Port of the new address. Default: the well-known port when `scheme` is given, otherwise the request's. 80 and 443 are left out where they are implied.",
      ),
    path,
    statusCode: z
      .literal([301, 302, 303, 307, 308])
      .default(302)
      .describe("301 and 308 are permanent: browsers remember them. 307 and 308 keep method and body; after 303 comes a GET."),
  })
  .describe("Answers with a redirect; path and query are kept unless `path` says otherwise. Filters after it never run.");

export type RedirectConfig = z.output<typeof schema>;

export function facts(_config: RedirectConfig): FilterFacts {
  return { jwtProvider: "", readsPrincipal: false, alwaysReplies: true };
}
