/** Fields as an HTTP/2 encoder may have them: its names are not checked again, and one bad name breaks the whole response. */
import { fieldName } from "../../wire/http1/field-names.js";
import { isDangerous } from "../../wire/http1/outgoing-fields.js";
import { httpDate } from "./http-date.js";

/**
 * Null when one cannot be sent. Fields that concern a connection are left out (RFC 9113 §8.2.2).
 * @param isHead of a response, which has a Date (RFC 9110 §6.6.1)
 */
export function outgoingFields(headers: readonly string[], isHead = true): string[] | null {
  const fields: string[] = [];
  let hasDate = !isHead;
  for (let i = 0; i < headers.length; i += 2) {
    const field = fieldName(headers[i] as string);
    const value = headers[i + 1] as string;
    if (field === null || isDangerous(value)) return null;
    if (field.kind !== "plain") continue;
    if (field.name === "date") hasDate = true;
    fields.push(field.name, value);
  }
  if (!hasDate) fields.push("date", httpDate());
  return fields;
}
