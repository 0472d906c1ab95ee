/**
 * Prints how long the HTTP/1.1 codec takes for one message: `node dist/loadtest/micro/http1-codec.js`. Rounds of the
 * scenarios alternate and the median counts, so that noise of the machine meets all of them alike.
 */
import type { Latin1Bytes } from "../../src/wire/http1/bytes.js";
import type { OutgoingRequest } from "../../src/wire/http1/request-encoder.js";
import { encodeRequestHead } from "../../src/wire/http1/request-encoder.js";
import { RequestParser } from "../../src/wire/http1/request-parser.js";
import type { OutgoingResponse } from "../../src/wire/http1/response-encoder.js";
import { encodeResponseHead } from "../../src/wire/http1/response-encoder.js";
import { ResponseParser } from "../../src/wire/http1/response-parser.js";

const ROUNDS = 41;
const WARM_UP_ROUNDS = 5;
const MESSAGES_PER_ROUND = 20_000;

interface Scenario {
  readonly name: string;
  readonly run: () => void;
}

const events = { onInterim: () => undefined, onHead: () => true, onBody: () => true };

/** One message in one read, parsed anew each time. */
function responding(name: string, text: string): Scenario {
  const bytes = Buffer.from(text, "latin1") as Buffer & Latin1Bytes;
  const parser = new ResponseParser(events);
  const run = (): void => {
    parser.start("GET");
    parser.feed(bytes, 0, bytes.length);
    if (!parser.isComplete) throw new Error(`${name}: not complete`);
  };
  return { name, run };
}

function requesting(name: string, text: string): Scenario {
  const bytes = Buffer.from(text, "latin1") as Buffer & Latin1Bytes;
  const parser = new RequestParser(events);
  const run = (): void => {
    parser.start();
    parser.feed(bytes, 0, bytes.length);
    if (!parser.isComplete) throw new Error(`${name}: not complete`);
  };
  return { name, run };
}

/** The head as bytes, which is what a socket is given. */
function encoding(name: string, encode: () => string | null): Scenario {
  const bytes = Buffer.alloc(4096);
  const run = (): void => {
    if (bytes.write(encode() ?? "", "latin1") === 0) throw new Error(`${name}: not encoded`);
  };
  return { name, run };
}

const BROWSER_REQUEST = [
  "GET /app/orders/1234?tab=items&page=2 HTTP/1.1",
  "Host: shop.example.com",
  "Connection: keep-alive",
  'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"',
  "sec-ch-ua-mobile: ?0",
  'sec-ch-ua-platform: "Linux"',
  "Upgrade-Insecure-Requests: 1",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "Sec-Fetch-Site: same-origin",
  "Sec-Fetch-Mode: navigate",
  "Sec-Fetch-User: ?1",
  "Sec-Fetch-Dest: document",
  "Referer: https://shop.example.com/app/orders",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
  "Cookie: session=0af7651916cd43dd8448eb211c80319c; theme=dark; consent=1",
].join("\r\n");

const SERVICE_RESPONSE = [
  "HTTP/1.1 200 OK",
  "Content-Type: application/json; charset=utf-8",
  "Content-Length: 27",
  'ETag: W/"1b-dW8Pz0rYw3d1k0bQ"',
  "Cache-Control: private, max-age=0",
  "X-Request-Id: 0af7651916cd43dd8448eb211c80319c",
  "Vary: Accept-Encoding",
  "Date: Thu, 01 Jan 2026 00:00:00 GMT",
  "Connection: keep-alive",
  "Keep-Alive: timeout=5",
].join("\r\n");

const HEADERS = [
  ...["content-type", "application/json; charset=utf-8", "etag", 'W/"1b-dW8Pz0rYw3d1k0bQ"', "cache-control", "private, max-age=0"],
  ...["x-request-id", "0af7651916cd43dd8448eb211c80319c", "vary", "Accept-Encoding", "date", "Thu, 01 Jan 2026 00:00:00 GMT"],
];
const ANSWER: OutgoingResponse = {
  status: 200,
  headers: HEADERS,
  bodyLength: 27,
  method: "GET",
  minorVersion: 1,
  canPersist: true,
  date: "",
};
const QUESTION: OutgoingRequest = {
  method: "GET",
  target: "/a",
  authority: "a.test",
  headers: HEADERS,
  bodyLength: 0,
  hasZeroLength: false,
  acceptsTrailers: false,
};

const SCENARIOS: readonly Scenario[] = [
  requesting("request, minimal", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
  requesting("request, of a browser", `${BROWSER_REQUEST}\r\n\r\n`),
  requesting(
    "request, chunked",
    `POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n${"5\r\nhello\r\n".repeat(4)}0\r\n\r\n`,
  ),
  responding("response, minimal", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
  responding("response, of a service", `${SERVICE_RESPONSE}\r\n\r\n{"id":"123","status":"new"}`),
  responding("response, chunked", `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${"5\r\nhello\r\n".repeat(4)}0\r\n\r\n`),
  encoding("response encoded", () => encodeResponseHead(ANSWER)),
  encoding("request encoded", () => encodeRequestHead(QUESTION)),
];

function nanosPerMessage(run: () => void): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < MESSAGES_PER_ROUND; i++) run();
  return Number(process.hrtime.bigint() - start) / MESSAGES_PER_ROUND;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

const rounds = new Map<string, number[]>(SCENARIOS.map(({ name }) => [name, []]));
for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
  for (const { name, run } of SCENARIOS) {
    const nanos = nanosPerMessage(run);
    if (round >= 0) rounds.get(name)?.push(nanos);
  }
}
for (const [name, nanos] of rounds) process.stdout.write(`${name}: ${median(nanos).toFixed(0)} ns\n`);
