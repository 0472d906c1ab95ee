/** Field lines as both encoders write them, and the check that nothing in them can be read as more than itself. */
import type { FieldName } from "./field-names.js";
import { fieldName } from "./field-names.js";

/**
 * A char that would end a line or a string early, now or after its high byte is cut off on the way into a latin1 buffer
 * (U+010A becomes LF).
 */
const DANGEROUS = /[\0\r\n\u0100-\uffff]/;

export function isDangerous(text: string): boolean {
  return DANGEROUS.test(text);
}

/** Names repeat endlessly: those seen before are not looked at again. Bounded; what does not fit is looked at every time. */
const goodNames = new Set<string>();
const MAX_GOOD_NAMES = 1024;
const MAX_GOOD_NAME_LENGTH = 64;

export function isDangerousName(name: string): boolean {
  if (goodNames.has(name)) return false;
  if (DANGEROUS.test(name)) return true;
  // A copy: the name may be a slice that would keep all of its head alive.
  if (goodNames.size < MAX_GOOD_NAMES && name.length <= MAX_GOOD_NAME_LENGTH) goodNames.add(`:${name}`.slice(1));
  return false;
}

/** The lines of the fields that `isWanted`, or null when one cannot be sent. */
export function encodeFields(headers: readonly string[], isWanted: (field: FieldName) => boolean): string | null {
  let lines = "";
  for (let i = 0; i < headers.length; i += 2) {
    const field = fieldName(headers[i] as string);
    const value = headers[i + 1] as string;
    // One by one: on short flat strings this is cheaper than any scan of the whole head.
    if (field === null || DANGEROUS.test(value)) return null;
    if (isWanted(field)) lines += `${field.name}: ${value}\r\n`;
  }
  return lines;
}
