/** Connections full of requests for property tests: well-formed ones of every kind, and the same with a few bytes broken. */
import fc from "fast-check";
import { body, chunked, extension, lines, mutate, mutations } from "./arbitrary-message.js";

const segment = fc.stringMatching(/^[A-Za-z0-9._~!$&'()*+,;=:@%|{}^-]{0,8}$/);
const path = fc.array(segment, { maxLength: 3 }).map((segments) => `/${segments.join("/")}`);
const query = fc.oneof(
  fc.constant(""),
  fc.stringMatching(/^[!-"$-~]{0,12}$/).map((text) => `?${text}`),
);
const authority = fc.constantFrom("a.test", "A.test:8080", "127.0.0.1", "[::1]:81", "x_y.b-c.test");

interface Start {
  readonly method: string;
  readonly target: string;
}

const start: fc.Arbitrary<Start> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ method: fc.constantFrom("GET", "GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS"), target: target() }),
  },
  { weight: 1, arbitrary: fc.constant({ method: "OPTIONS", target: "*" }) },
  { weight: 1, arbitrary: authority.map((host) => ({ method: "CONNECT", target: /:\d+$/.test(host) ? host : `${host}:443` })) },
);

function target(): fc.Arbitrary<string> {
  const origin = fc.tuple(path, query).map((parts) => parts.join(""));
  const absolute = fc.tuple(fc.constantFrom("http://", "HTTPS://"), authority, origin).map((parts) => parts.join(""));
  return fc.oneof({ weight: 8, arbitrary: origin }, { weight: 1, arbitrary: absolute });
}

const CONNECTION = [
  ...[
    "",
    "",
    "",
    "",
    "Connection: keep-alive\r\n",
    "Connection: close\r\n",
    "Connection: x-hop\r\nX-Hop: 1\r\n",
    "TE: trailers\r\nConnection: TE\r\n",
  ],
  ...["Connection: Upgrade\r\nUpgrade: websocket\r\n", "Upgrade: h2c\r\n", "Keep-Alive: timeout=5\r\n", "Expect: 100-continue\r\n"],
];

const oneRequest: fc.Arbitrary<string> = fc
  .record({
    emptyLine: fc.constantFrom("", "", "", "", "\r\n"),
    start,
    version: fc.constantFrom("1.1", "1.1", "1.1", "1.1", "1.0"),
    host: authority,
    isHostFirst: fc.boolean(),
    lines,
    connection: fc.constantFrom(...CONNECTION),
    framing: fc.constantFrom("none", "none", "length", "chunked"),
    parts: fc.array(body, { maxLength: 4 }),
    extensions: fc.array(extension, { minLength: 1, maxLength: 3 }),
    trailers: lines,
  })
  .map((parts) => {
    const { method, target } = parts.start;
    const mayHaveBody = method !== "CONNECT" && !parts.connection.includes("websocket");
    const isChunked = parts.framing === "chunked" && parts.version === "1.1" && mayHaveBody;
    const content = parts.parts.join("");
    const isSized = parts.framing === "length" && mayHaveBody;
    const framing = isChunked ? "Transfer-Encoding: chunked\r\n" : isSized ? `Content-Length: ${content.length}\r\n` : "";
    const host = `Host: ${parts.host}\r\n`;
    const fields = parts.isHostFirst ? host + parts.lines : parts.lines + host;
    const sent = isChunked ? chunked(parts.parts, parts.extensions, parts.trailers) : isSized ? content : "";
    return `${parts.emptyLine}${method} ${target} HTTP/${parts.version}\r\n${fields}${parts.connection}${framing}\r\n${sent}`;
  });

/** The bytes of one connection: one to three requests. */
export const validRequests: fc.Arbitrary<string> = fc.array(oneRequest, { minLength: 1, maxLength: 3 }).map((texts) => texts.join(""));

const REQUEST_PIECES = [
  ...[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "Host: b\r\n",
    "Host:\r\n",
    "HTTP/1.0",
    "HTTP/1.2",
    "HTTP/2.0",
    "http://",
    "#",
    "@",
    "//",
    "*",
    "%",
    "[",
    "\\",
  ],
  ...[
    "Expect: 100-continue\r\n",
    "Expect: x\r\n",
    "Connection: close\r\n",
    "Connection: upgrade\r\n",
    "Upgrade: x\r\n",
    "CONNECT ",
    "\x16",
    "\x0b",
    "\x80",
  ],
];

export const mutatedRequests: fc.Arbitrary<string> = fc
  .tuple(validRequests, mutations(REQUEST_PIECES))
  .map(([text, changes]) => changes.reduce(mutate, text));
