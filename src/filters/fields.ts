/** Pieces that several filters' schemas share: header names, header maps and templates. */
import { z } from "zod";
import { compileTemplate, headerBytes, parseTemplate } from "../engine/model/template.js";

/** Framing and hop-by-hop fields (RFC 9110 §7.6.1) belong to the gateway; `host` decides routing. */
const RESERVED: ReadonlySet<string> = new Set([
  "host",
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "content-length",
  "upgrade",
  "http2-settings",
  "expect",
]);

const HEADER_NAME_PATTERN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** A header name, lower-cased. */
export const headerName = z
  .string()
  .min(1)
  .max(128)
  .regex(HEADER_NAME_PATTERN, "not a header name (letters, digits and - only, no colon or blanks)")
  .transform((name, context) => {
    const lower = name.toLowerCase();
    if (RESERVED.has(lower)) {
      context.addIssue({ code: "custom", message: `\`${lower}\` is set by the gateway itself and cannot be changed here` });
      return z.NEVER;
    }
    return lower;
  });

/** Text with `{…}` placeholders; kept as text (it is compiled when the filter is built). */
export function templateText(maxChars: number) {
  return z
    .string()
    .max(maxChars)
    .superRefine((source, context) => {
      const parsed = parseTemplate(source);
      if (parsed.ok) return;
      const { message, offset, hint } = parsed.problem;
      context.addIssue({ code: "custom", message: `${message}, at character ${offset + 1} (${hint})` });
    });
}

/** A template whose plain text may stand in a header. */
export const headerTemplateText = templateText(4096).superRefine((source, context) => {
  if (headerBytes(source) === null)
    context.addIssue({ code: "custom", message: "a header value cannot hold line breaks or control characters" });
});

/** Header name → template. Two spellings of one name are an error. */
export const headerMap = z.record(z.string(), headerTemplateText).transform((map, context) => {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(map)) {
    const parsed = headerName.safeParse(name);
    if (!parsed.success) {
      context.addIssue({ code: "custom", path: [name], message: parsed.error.issues[0]?.message ?? "not a header name" });
    } else if (Object.hasOwn(headers, parsed.data)) {
      context.addIssue({ code: "custom", path: [name], message: `\`${parsed.data}\` is there twice (names ignore case)` });
    } else {
      headers[parsed.data] = value;
    }
  }
  return headers;
});

export function readsPrincipal(sources: readonly string[]): boolean {
  return sources.some((source) => compileTemplate(source).readsPrincipal);
}
