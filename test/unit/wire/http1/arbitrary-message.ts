/** What generated requests and responses are made of, and how they are broken. */
import fc from "fast-check";

export const name = fc
  .stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,12}$/)
  .filter((text) => !/^(connection|keep-alive|upgrade|trailer|te|host|expect)$/i.test(text));
export const value = fc.stringMatching(/^[!-~\xa1-\xff]([ -~\t\xa1-\xff]{0,20}[!-~\xa1-\xff])?$/);
const line = fc
  .tuple(name, fc.constantFrom(":", ": ", ":\t ", ":   "), value, fc.constantFrom("", " ", "\t"))
  .map((parts) => parts.join(""));
export const lines = fc.array(line, { maxLength: 5 }).map((all) => all.map((text) => `${text}\r\n`).join(""));
export const body = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)), maxLength: 60 });
export const extension = fc.constantFrom("", "", "", ";a", ";a=b", ';a="b;c"');

export function chunked(parts: readonly string[], extensions: readonly string[], trailers: string): string {
  const chunks = parts.filter((part) => part !== "");
  const framed = chunks.map((part, i) => `${part.length.toString(16)}${extensions[i % extensions.length]}\r\n${part}\r\n`);
  return `${framed.join("")}0\r\n${trailers}\r\n`;
}

const PIECES = [
  "\r",
  "\n",
  "\r\n",
  "\0",
  " ",
  "\t",
  ":",
  ";",
  "0",
  "5",
  "f",
  "\x7f",
  "\xe9",
  ",",
  "chunked",
  "Content-Length: 3\r\n",
  "X: y\r\n",
];
const FIELD_PIECES = ["Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n", "content-length:0\r\n", " folded\r\n"];

export interface Mutation {
  readonly place: number;
  readonly removed: number;
  readonly inserted: string;
  readonly isAtLine: boolean;
}

/** Spread evenly: generated numbers lean to the ends of their range, and most texts would break in their first line. */
const place = fc.integer({ min: 0, max: 9972 }).map((number) => ((number * 7919 + 3001) % 9973) / 9973);

/** @param morePieces what breaks messages of one role */
function mutation(morePieces: readonly string[]): fc.Arbitrary<Mutation> {
  return fc.record({
    place,
    removed: fc.constantFrom(0, 0, 1, 2, 8),
    inserted: fc.constantFrom("", ...PIECES, ...FIELD_PIECES, ...morePieces),
    isAtLine: fc.boolean(),
  });
}

export function mutations(morePieces: readonly string[]): fc.Arbitrary<Mutation[]> {
  return fc.array(mutation(morePieces), { minLength: 1, maxLength: 2 });
}

export function mutate(text: string, change: Mutation): string {
  let at = Math.floor(change.place * text.length);
  if (change.isAtLine) at = text.indexOf("\n", at) + 1;
  return text.slice(0, at) + change.inserted + text.slice(at + change.removed);
}
