/**
 * Prints how long the HTTP/1.1 codec takes for one message: `node dist/loadtest/micro/http1-codec.js`. Rounds of the
 * scenarios alternate and the median counts, so that noise of the machine meets all of them alike.
 */
import type { Latin1Bytes } from "../../src/wire/http1/bytes.js";
import { ResponseParser } from "../../src/wire/http1/response-parser.js";

const ROUNDS = 41;
const WARM_UP_ROUNDS = 5;
const MESSAGES_PER_ROUND = 20_000;

interface Scenario {
  readonly name: string;
  readonly run: () => void;
}

const events = { onHead: () => true, onBody: () => true };

/** One message in one read, parsed anew each time. */
function parsing(
  name: string,
  text: string,
  parser: { start(): void; feed: ResponseParser["feed"]; readonly isComplete: boolean },
): Scenario {
  const bytes = Buffer.from(text, "latin1") as Buffer & Latin1Bytes;
  const run = (): void => {
    parser.start();
    parser.feed(bytes, 0, bytes.length);
    if (!parser.isComplete) throw new Error(`${name}: not complete`);
  };
  return { name, run };
}

function responding(name: string, text: string): Scenario {
  const parser = new ResponseParser(events);
  return parsing(name, text, {
    start: () => parser.start("GET"),
    feed: (bytes, start, end) => parser.feed(bytes, start, end),
    get isComplete() {
      return parser.isComplete;
    },
  });
}

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

const SCENARIOS: readonly Scenario[] = [
  responding("response, minimal", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
  responding("response, of a service", `${SERVICE_RESPONSE}\r\n\r\n{"id":"123","status":"new"}`),
  responding("response, chunked", `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${"5\r\nhello\r\n".repeat(4)}0\r\n\r\n`),
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
