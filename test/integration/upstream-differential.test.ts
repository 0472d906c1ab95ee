/**
 * The strict parser against Node's own (llhttp): the same bytes over a real connection. What ours accepts, Node must read
 * identically, or two hops could disagree on where a response ends. Where ours refuses what Node accepts, the reason must
 * be one that is stricter on purpose.
 */
import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:http";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import type { RawServer } from "../unit/upstream/support.js";
import { startRawServer } from "../unit/upstream/support.js";
import type { GeneratedResponse } from "../unit/wire/http1/arbitrary-response.js";
import { mutatedResponse, validResponse } from "../unit/wire/http1/arbitrary-response.js";
import { readResponse } from "../unit/wire/http1/read-response.js";

/** For longer runs: set both in the environment. */
const seed = Number(process.env.FUZZ_SEED ?? 20_260_102);
const count = Number(process.env.FUZZ_RUNS ?? 1500);

/** llhttp lets these pass in some place or other (Node 20 and 22 differ); refusing them is our decision. */
const STRICTER_ON_PURPOSE: ReadonlySet<string> = new Set([
  "bad-status-line",
  "bad-status",
  "bare-cr",
  "control-byte",
  "bad-content-length",
  "bad-transfer-encoding",
  "repeated-transfer-encoding",
  "coding-in-http-1.0",
  "body-without-right",
  "bad-chunk-extension",
]);

/** The one thing taken although Node refuses it: framing fields in a trailer section. They frame nothing there, and are dropped. */
const LAXER_ON_PURPOSE = /\r\n0+(?:;[^\r]*)?\r\n(?:[^\r]+\r\n)*(?:content-length|transfer-encoding):/i;

interface NodeReading {
  readonly isComplete: boolean;
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
}

const FAILED: NodeReading = { isComplete: false, status: 0, headers: [], body: "", trailers: [] };
const HOP_FIELDS = new Set([
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "upgrade",
  "proxy-connection",
  "te",
  "trailer",
  "proxy-authenticate",
  "proxy-authentication-info",
  "http2-settings",
]);

let server: RawServer;
let current: GeneratedResponse;
const agent = new Agent({ keepAlive: false });

before(async () => {
  server = await startRawServer((socket) => socket.once("data", () => socket.end(current.text, "latin1")));
});
after(async () => {
  agent.destroy();
  await server.close();
});

function readWithNode(response: GeneratedResponse): Promise<NodeReading> {
  current = response;
  return new Promise((resolve) => {
    const outgoing = request({ host: "127.0.0.1", port: server.port, method: response.method, agent }, (incoming) => {
      let body = "";
      incoming.on("data", (bytes: Buffer) => (body += bytes.toString("latin1")));
      incoming.on("error", () => resolve(FAILED));
      incoming.on("end", () => resolve(noted(incoming, body)));
    });
    outgoing.on("error", () => resolve(FAILED));
    outgoing.on("upgrade", (incoming, socket) => {
      socket.destroy();
      resolve({ ...noted(incoming, ""), isComplete: true });
    });
    outgoing.end();
  });
}

function noted(incoming: IncomingMessage, body: string): NodeReading {
  const headers = lowerNames(incoming.rawHeaders);
  return {
    isComplete: incoming.complete,
    status: incoming.statusCode ?? 0,
    headers: endToEnd(headers),
    body,
    trailers: lowerNames(incoming.rawTrailers),
  };
}

function lowerNames(raw: readonly string[]): string[] {
  return raw.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text));
}

function endToEnd(headers: readonly string[]): string[] {
  const pairs = headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1] as string] as const] : []));
  const named = pairs.flatMap(([name, value]) => (name === "connection" ? value.toLowerCase().split(",") : [])).map((text) => text.trim());
  return pairs.filter(([name]) => !HOP_FIELDS.has(name) && !named.includes(name)).flat();
}

/** How the two readings relate; asserts that they may. */
function compare(response: GeneratedResponse, node: NodeReading): "same" | "stricter" | "laxer" | "both-refuse" {
  const ours = readResponse(response.text, { method: response.method, hasEnd: true });
  const shown = JSON.stringify(response);
  if (ours.outcome !== "complete" || ours.rest !== "") {
    if (!node.isComplete) return "both-refuse";
    const isOnPurpose = ours.outcome === "complete" || STRICTER_ON_PURPOSE.has(ours.outcome);
    assert.ok(isOnPurpose, `${ours.outcome}, which Node accepts: ${shown}`);
    return "stricter";
  }
  if (!node.isComplete && LAXER_ON_PURPOSE.test(response.text)) return "laxer";
  assert.ok(node.isComplete, `accepted, and Node refuses: ${shown}`);
  assert.equal(ours.status, node.status, shown);
  assert.deepEqual(ours.headers, node.headers, shown);
  assert.equal(ours.body, node.body, shown);
  // Node drops no trailers; ours drops those that mean nothing there.
  for (const text of ours.trailers ?? []) assert.ok(node.trailers.includes(text), shown);
  return "same";
}

async function compareAll(responses: readonly GeneratedResponse[]): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  for (const response of responses) {
    const relation = compare(response, await readWithNode(response));
    seen[relation] = (seen[relation] ?? 0) + 1;
  }
  return seen;
}

describe("the response parser and Node's", () => {
  test("read well-formed responses alike", async () => {
    const seen = await compareAll(fc.sample(validResponse, { seed, numRuns: count }));
    assert.deepEqual(seen, { same: count });
  });

  test("never read a broken response differently", async () => {
    const seen = await compareAll(fc.sample(mutatedResponse, { seed, numRuns: count }));
    // The sample must hold all three kinds, or it tests nothing.
    for (const relation of ["same", "stricter", "both-refuse"]) assert.ok((seen[relation] ?? 0) > count / 100, JSON.stringify(seen));
  });
});
