/** Answers the request itself, with a text or a JSON value from the settings. */
import { compileTemplate, renderHeader, renderText, type TemplateContext } from "../../engine/model/template.js";
import { type Filter, respondWith } from "../../proxy/ports.js";
import { compileHeaderTemplates, type HeaderTemplate } from "../header-edits.js";
import type { RespondConfig } from "./schema.js";

/** Statuses without content (RFC 9110 §6.4.1, §15.3.6). */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

export function createRespondFilter(config: RespondConfig): Filter {
  const headers = compileHeaderTemplates(config.headers);
  const contentType = compileTemplate(config.contentType);
  const body = compileTemplate(config.body);
  const hasBody = !BODILESS.has(config.status);
  return {
    type: "respond",
    onRequest(context) {
      const fields = renderFields(headers, context);
      if (!hasBody) return respondWith(config.status, fields, "");
      fields.push("content-type", renderHeader(contentType, context) ?? "text/plain; charset=utf-8");
      return respondWith(config.status, fields, config.jsonText === "" ? renderText(body, context) : config.jsonText);
    },
  };
}

function renderFields(templates: readonly HeaderTemplate[], context: TemplateContext): string[] {
  const fields: string[] = [];
  for (const { name, template } of templates) {
    const value = renderHeader(template, context);
    if (value !== null) fields.push(name, value);
  }
  return fields;
}
