/**
 * Looks for one parameter in a raw query: first occurrence, percent-decoded, `+` as space. It compares byte by byte
 * instead of decoding, so that a hostile query costs one pass and no allocation or exception. A component with a
 * malformed escape is compared as written.
 */
import type { NameValue } from "../model/snapshot.js";
import type { QueryCondition } from "./route-table.js";

const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const PERCENT = 0x25;
const PLUS = 0x2b;
const SPACE = 0x20;

export function compileQueryCondition(condition: NameValue): QueryCondition {
  return { nameBytes: utf8Bytes(condition.name), valueBytes: utf8Bytes(condition.value) };
}

/** Whether the first parameter of that name has that value; a parameter without `=` has the empty value. */
export function queryHas(query: string, condition: QueryCondition): boolean {
  let start = 0;
  while (start <= query.length) {
    const end = indexOrEnd(query, AMPERSAND, start, query.length);
    const nameEnd = indexOrEnd(query, EQUALS, start, end);
    if (end > start && equalsDecoded(query, start, nameEnd, condition.nameBytes)) {
      return equalsDecoded(query, Math.min(nameEnd + 1, end), end, condition.valueBytes);
    }
    start = end + 1;
  }
  return false;
}

function indexOrEnd(text: string, code: number, start: number, end: number): number {
  let i = start;
  while (i < end && text.charCodeAt(i) !== code) i++;
  return i;
}

function equalsDecoded(text: string, start: number, end: number, wanted: string): boolean {
  let at = 0;
  let isEqual = true;
  for (let i = start; i < end; i++) {
    let code = text.charCodeAt(i);
    if (code === PERCENT) {
      code = i + 2 < end ? escapedByte(text, i) : -1;
      if (code < 0) return equalsRaw(text, start, end, wanted);
      i += 2;
    } else if (code === PLUS) code = SPACE;
    // Reads on after a difference: a malformed escape further on still makes the whole component raw.
    isEqual = isEqual && at < wanted.length && wanted.charCodeAt(at) === code;
    at++;
  }
  return isEqual && at === wanted.length;
}

function equalsRaw(text: string, start: number, end: number, wanted: string): boolean {
  return end - start === wanted.length && text.startsWith(wanted, start);
}

function escapedByte(text: string, percentAt: number): number {
  const high = hexDigit(text.charCodeAt(percentAt + 1));
  const low = hexDigit(text.charCodeAt(percentAt + 2));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Lone surrogates have no UTF-8 form; like every encoder, this one writes U+FFFD for them. */
function utf8Bytes(text: string): string {
  const escaped = encodeURIComponent(text.replace(/\p{Surrogate}/gu, "\uFFFD"));
  return escaped.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
