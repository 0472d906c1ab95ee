/** Responses for property tests: well-formed ones of every kind, and the same with a few bytes broken. */
import fc from "fast-check";
import { body, chunked, extension, lines, mutate, mutations } from "./arbitrary-message.js";

export interface GeneratedResponse {
  readonly method: string;
  readonly text: string;
  /** The connection ends after the last byte. */
  readonly hasEnd: boolean;
}

const status = fc.constantFrom(200, 201, 204, 206, 301, 304, 404, 500, 503, 599);
const interim = fc.constantFrom("", "", "", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");

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

export const mutatedResponse: fc.Arbitrary<GeneratedResponse> = fc
  .tuple(validResponse, mutations(["HTTP/1.1 200 OK\r\n\r\n"]), fc.boolean())
  .map(([response, changes, hasEnd]) => ({
    ...response,
    text: changes.reduce(mutate, response.text),
    hasEnd: response.hasEnd || hasEnd,
  }));
