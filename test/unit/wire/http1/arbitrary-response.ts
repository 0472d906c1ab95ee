/** Responses for property tests: well-formed ones of every kind, and the same with a few bytes broken. */
import fc from "fast-check";

export interface GeneratedResponse {
  readonly method: string;
  readonly text: string;
  /** The connection ends after the last byte. */
  readonly hasEnd: boolean;
}

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,12}$/).filter((text) => !/^(connection|keep-alive|upgrade|trailer)$/i.test(text));
const value = fc.stringMatching(/^[!-~\xa1-\xff]([ -~\t\xa1-\xff]{0,20}[!-~\xa1-\xff])?$/);
const line = fc
  .tuple(name, fc.constantFrom(":", ": ", ":\t ", ":   "), value, fc.constantFrom("", " ", "\t"))
  .map((parts) => parts.join(""));
const lines = fc.array(line, { maxLength: 5 }).map((all) => all.map((text) => `${text}\r\n`).join(""));
const body = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)), maxLength: 60 });
const extension = fc.constantFrom("", "", "", ";a", ";a=b", ';a="b;c"');
const status = fc.constantFrom(200, 201, 204, 206, 301, 304, 404, 500, 503, 599);
const interim = fc.constantFrom("", "", "", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");

function chunked(parts: readonly string[], extensions: readonly string[], trailers: string): string {
  const chunks = parts.filter((part) => part !== "");
  const framed = chunks.map((part, i) => `${part.length.toString(16)}${extensions[i % extensions.length]}\r\n${part}\r\n`);
  return `${framed.join("")}0\r\n${trailers}\r\n`;
}

export const validResponse: fc.Arbitrary<GeneratedResponse> = fc
  .record({
    method: fc.constantFrom("GET", "GET", "GET", "POST", "HEAD"),
    interim,
    version: fc.constantFrom("1.1", "1.1", "1.1", "1.0"),
    status,
    reason: fc.constantFrom(" OK", " Not Really", " ", ""),
    lines,
    connection: fc.constantFrom("", "", "Connection: close\r\n", "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n"),
    framing: fc.constantFrom("length", "chunked", "end"),
    parts: fc.array(body, { maxLength: 4 }),
    extensions: fc.array(extension, { minLength: 1, maxLength: 3 }),
    trailers: lines,
  })
  .map((parts) => {
    const hasBody = parts.method !== "HEAD" && parts.status !== 204 && parts.status !== 304;
    const isChunked = parts.framing === "chunked" && parts.version === "1.1" && parts.status !== 204;
    const content = parts.parts.join("");
    const isSized = parts.framing === "length" && parts.status !== 204;
    const framing = isChunked ? "Transfer-Encoding: chunked\r\n" : isSized ? `Content-Length: ${content.length}\r\n` : "";
    const head = `HTTP/${parts.version} ${parts.status}${parts.reason}\r\n${parts.lines}${parts.connection}${framing}\r\n`;
    const sent = isChunked ? chunked(parts.parts, parts.extensions, parts.trailers) : content;
    return { method: parts.method, text: parts.interim + head + (hasBody ? sent : ""), hasEnd: framing === "" && hasBody };
  });

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
const MORE_PIECES = [
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: gzip\r\n",
  "content-length:0\r\n",
  " folded\r\n",
  "HTTP/1.1 200 OK\r\n\r\n",
];

interface Mutation {
  readonly place: number;
  readonly removed: number;
  readonly inserted: string;
  readonly isAtLine: boolean;
}

/** Spread evenly: generated numbers lean to the ends of their range, and most texts would break in their first line. */
const place = fc.integer({ min: 0, max: 9972 }).map((number) => ((number * 7919 + 3001) % 9973) / 9973);

const mutation: fc.Arbitrary<Mutation> = fc.record({
  place,
  removed: fc.constantFrom(0, 0, 1, 2, 8),
  inserted: fc.constantFrom("", ...PIECES, ...MORE_PIECES),
  isAtLine: fc.boolean(),
});

function mutate(text: string, change: Mutation): string {
  let at = Math.floor(change.place * text.length);
  if (change.isAtLine) at = text.indexOf("\n", at) + 1;
  return text.slice(0, at) + change.inserted + text.slice(at + change.removed);
}

export const mutatedResponse: fc.Arbitrary<GeneratedResponse> = fc
  .tuple(validResponse, fc.array(mutation, { minLength: 1, maxLength: 2 }), fc.boolean())
  .map(([response, mutations, hasEnd]) => ({
    ...response,
    text: mutations.reduce(mutate, response.text),
    hasEnd: response.hasEnd || hasEnd,
  }));
