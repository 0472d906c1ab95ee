/** Settings of the `respond` filter: a response that the gateway gives itself. */
import { z } from "zod";
import type { FilterFacts } from "../../engine/model/filter-facts.js";
import { headerMap, headerTemplateText, readsPrincipal, templateText } from "../fields.js";

const MAX_BODY_CHARS = 65_536;

export const schema = z
  .strictObject({
    status: z.int().min(200).max(599).default(200).describe("HTTP status. 204, 205 and 304 are sent without a body."),
    headers: headerMap.prefault({}).describe("Response header name → value, with `{…}` templates."),
    body: templateText(MAX_BODY_CHARS)
      .default("")
      .describe("Text of the response, with `{…}` templates. Danger: values are not escaped; do not put what clients send into HTML."),
    json: z.json().optional().describe("Instead of `body`: a value sent as application/json, literally (no templates)."),
    contentType: headerTemplateText
      .min(1)
      .optional()
      .describe("Content-Type. Default: `text/plain; charset=utf-8`, or `application/json` with `json`."),
  })
  .superRefine((config, context) => {
    if (config.json !== undefined && config.body !== "") {
      context.addIssue({ code: "custom", path: ["json"], message: "`body` and `json` exclude each other" });
    }
    if (Object.hasOwn(config.headers, "content-type")) {
      context.addIssue({ code: "custom", path: ["headers"], message: "use `contentType` for the content type" });
    }
  })
  .transform(({ json, contentType, ...config }) => ({
    ...config,
    jsonText: json === undefined ? "" : JSON.stringify(json),
    contentType: contentType ?? (json === undefined ? "text/plain; charset=utf-8" : "application/json"),
  }))
  .describe("Answers the request itself. Filters after it never run.");

export type RespondConfig = z.output<typeof schema>;

export function facts(config: RespondConfig): FilterFacts {
  const templates = [...Object.values(config.headers), config.body, config.contentType];
  return { jwtProvider: "", readsPrincipal: readsPrincipal(templates), alwaysReplies: true };
}
