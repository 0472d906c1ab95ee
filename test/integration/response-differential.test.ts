/** What the response encoder writes, read by Node's own parser over a real connection: status, headers, body, trailers, 1xx. */
import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:http";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { chunkSizeLine, encodeLastChunk } from "../../src/wire/http1/chunk-encoder.js";
import type { OutgoingResponse } from "../../src/wire/http1/response-encoder.js";
import { bodyFraming, encodeInterimHead, encodeResponseHead } from "../../src/wire/http1/response-encoder.js";
import type { RawServer } from "../unit/upstream/support.js";
import { startRawServer } from "../unit/upstream/support.js";
import { body, name, value } from "../unit/wire/http1/arbitrary-message.js";

/** For longer runs: set both in the environment. */
const seed = Number(process.env.FUZZ_SEED ?? 20_260_105);
const count = Number(process.env.FUZZ_RUNS ?? 1000);

interface Sent {
  readonly response: OutgoingResponse;
  readonly parts: readonly string[];
  readonly trailers: readonly string[];
  readonly hints: number;
}

const fields = fc
  .array(fc.tuple(name, value), { maxLength: 5 })
  .map((pairs) => pairs.flatMap(([name, value]) => [name.toLowerCase(), value]));

const sent: fc.Arbitrary<Sent> = fc
  .record({
    status: fc.constantFrom(200, 200, 201, 204, 206, 304, 404, 503, 599),
    headers: fields,
    method: fc.constantFrom("GET", "GET", "POST", "HEAD"),
    minorVersion: fc.constantFrom<0 | 1>(1, 1, 0),
    canPersist: fc.boolean(),
    date: fc.constantFrom("", "Thu, 01 Jan 2026 00:00:00 GMT"),
    isKnown: fc.boolean(),
    parts: fc.array(body, { maxLength: 4 }),
    trailers: fields,
    hints: fc.constantFrom(0, 0, 2),
  })
  .map(({ isKnown, parts, trailers, hints, ...rest }) => {
    const bodyLength = isKnown ? parts.join("").length : -1;
    return { response: { ...rest, bodyLength }, parts, trailers, hints };
  });

let server: RawServer;
let text = "";
let isEnding = false;
const agent = new Agent({ keepAlive: false });

before(async () => {
  server = await startRawServer((socket) =>
    socket.once("data", () => {
      socket.write(text, "latin1");
      if (isEnding) socket.end();
    }),
  );
});
after(async () => {
  agent.destroy();
  await server.close();
});

function encode({ response, parts, trailers, hints }: Sent): string {
  const interim = response.minorVersion === 1 ? (encodeInterimHead(103, ["link", "</a>"]) as string).repeat(hints) : "";
  return interim + encodeResponseHead(response) + encodeBody(response, parts, trailers);
}

function encodeBody(response: OutgoingResponse, parts: readonly string[], trailers: readonly string[]): string {
  const framing = bodyFraming(response);
  if (framing === "none") return "";
  if (framing !== "chunked") return parts.join("");
  const chunks = parts.filter((part) => part !== "").map((part) => `${chunkSizeLine(part.length)}${part}\r\n`);
  return chunks.join("") + encodeLastChunk(trailers);
}

interface NodeReading {
  readonly message: IncomingMessage;
  readonly body: string;
  readonly hints: number;
}

function readWithNode(method: string): Promise<NodeReading> {
  return new Promise((resolve, reject) => {
    let hints = 0;
    const outgoing = request({ host: "127.0.0.1", port: server.port, method, agent }, (message) => {
      let body = "";
      message.on("data", (bytes: Buffer) => (body += bytes.toString("latin1")));
      message.on("error", reject);
      message.on("end", () => {
        outgoing.destroy();
        resolve({ message, body, hints });
      });
    });
    outgoing.on("information", () => hints++);
    outgoing.on("error", reject);
    outgoing.end();
  });
}

test("Node reads what the response encoder writes", async () => {
  for (const example of fc.sample(sent, { seed, numRuns: count })) {
    const { response, parts, trailers } = example;
    const framing = bodyFraming(response);
    text = encode(example);
    isEnding = framing === "until-end";
    const shown = JSON.stringify(example);
    const { message, body, hints } = await readWithNode(response.method);
    assert.ok(message.complete, shown);
    assert.equal(message.statusCode, response.status, shown);
    assert.equal(body, framing === "none" ? "" : parts.join(""), shown);
    assert.equal(hints, response.minorVersion === 1 ? example.hints : 0, shown);
    assert.deepEqual(message.rawHeaders.slice(0, response.headers.length), response.headers, shown);
    assert.deepEqual(message.rawTrailers, framing === "chunked" ? endOf(trailers) : [], shown);
    assert.equal(message.headers.connection ?? "", expectedConnection(response), shown);
  }
});

/** The fields that may come at the end. */
function endOf(trailers: readonly string[]): string[] {
  const lines = (encodeLastChunk(trailers) as string).split("\r\n").slice(1, -2);
  return lines.flatMap((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]);
}

function expectedConnection(response: OutgoingResponse): string {
  if (!response.canPersist || bodyFraming(response) === "until-end") return "close";
  return response.minorVersion === 0 ? "keep-alive" : "";
}
