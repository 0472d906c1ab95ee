/** Settings of the `responseHeaders` filter, as the Gateway API's ResponseHeaderModifier: set, add, remove. */
import { z } from "zod";
import type { FilterFacts } from "../../engine/model/filter-facts.js";
import { headerMap, headerName, readsPrincipal } from "../fields.js";

export const schema = z
  .strictObject({
    set: headerMap
      .prefault({})
      .describe(
        "Header name → value, with `{…}` templates. Replaces every field of that name. A value that is one placeholder " +
          "alone and has no value for this request removes the header.",
      ),
    add: headerMap.prefault({}).describe("Header name → value, with `{…}` templates. Adds a field and keeps those that are there."),
    remove: z.array(headerName).max(64).prefault([]).describe("Headers to remove. Done before `set` and `add`."),
  })
  .describe("Changes the headers of the response. Framing, hop-by-hop and host headers cannot be changed.");

export type ResponseHeadersConfig = z.output<typeof schema>;

export function facts(config: ResponseHeadersConfig): FilterFacts {
  const templates = [...Object.values(config.set), ...Object.values(config.add)];
  return { jwtProvider: "", readsPrincipal: readsPrincipal(templates), alwaysReplies: false };
}
