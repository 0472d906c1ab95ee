/**
 * The strict parser against Node's own (llhttp, as a server without leniency): the same bytes over a real connection. What
 * both accept they must read identically, or two hops could disagree on where a request ends. Where one accepts what the
 * other refuses, the case must belong to a class that is listed here with its reason.
 */
import assert from "node:assert/strict";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer, METHODS } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import type { OutgoingRequest } from "../../src/wire/http1/request-encoder.js";
import { encodeRequestHead } from "../../src/wire/http1/request-encoder.js";
import { smugglingCorpus } from "../support/smuggling-corpus.js";
import { name, value } from "../unit/wire/http1/arbitrary-message.js";
import { mutatedRequests, validRequests } from "../unit/wire/http1/arbitrary-request.js";
import type { ConnectionReading, RequestReading } from "../unit/wire/http1/read-request.js";
import { readRequests } from "../unit/wire/http1/read-request.js";

/** For longer runs: set both in the environment. */
const seed = Number(process.env.FUZZ_SEED ?? 20_260_104);
const count = Number(process.env.FUZZ_RUNS ?? 2000);

const GET = "GET / HTTP/1.1\r\nHost: a\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a\r\n";
const withTarget = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;

interface StricterClass {
  readonly reason: string;
  readonly example: string;
}

/** Our refusals of what Node accepts in some place or other (Node 20 and 22 differ), why they are right, and a place. */
const STRICTER_ON_PURPOSE: Readonly<Record<string, StricterClass>> = {
  "bad-request-line": {
    reason: "RFC 9112 §3: llhttp reads a line without a version as HTTP/0.9, and several spaces as one",
    example: "GET /\r\n\r\n",
  },
  "too-many-empty-lines": { reason: "RFC 9112 §2.2 asks for one; llhttp skips any number", example: `\r\n\r\n\r\n${GET}\r\n` },
  "bare-cr": { reason: "RFC 9112 §2.2: llhttp skips any CR before a request line", example: `\r${GET}\r\n` },
  "bare-lf": { reason: "RFC 9112 §2.2: llhttp skips any LF before a request line", example: `\n${GET}\r\n` },
  "unsupported-version": {
    reason: "RFC 9112 §2.3: llhttp reads HTTP/0.9 and HTTP/2.0 as well",
    example: "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
  },
  "bad-target": {
    reason: "RFC 9112 §3.2: llhttp does not look at the authority, nor at which method has which form",
    example: withTarget("http:///a"),
  },
  "fragment-in-target": { reason: "RFC 9112 §3.2 knows no fragments", example: withTarget("/#a") },
  "userinfo-in-target": { reason: "RFC 9110 §4.2.4", example: withTarget("http://u@a/") },
  "unsupported-scheme": { reason: "nothing but http and https is served", example: withTarget("ftp://a/") },
  "missing-host": {
    reason: "RFC 9112 §3.2: Node answers 400, too, but reads the requests behind it",
    example: `GET /1 HTTP/1.1\r\n\r\n${GET}\r\n`,
  },
  "repeated-host": { reason: "RFC 9112 §3.2: Node takes the first", example: `${GET}Host: b\r\n\r\n` },
  "bad-host": { reason: "RFC 9112 §3.2: Node does not look at it", example: "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" },
  "unsupported-expectation": {
    reason: "RFC 9110 §10.1.1: Node looks for 100-continue anywhere in the value",
    example: `${GET}Expect: x 100-continue\r\n\r\n`,
  },
  "bad-connection": { reason: "RFC 9110 §7.6.1: options are tokens", example: `${GET}Connection: a b\r\n\r\n` },
  "bad-upgrade": { reason: "RFC 9110 §7.8: protocols are tokens", example: `${GET}Connection: upgrade\r\nUpgrade: a b\r\n\r\n` },
  "bad-content-length": {
    reason: "RFC 9112 §6.2 has no bound; llhttp takes as many zeros as there are",
    example: `${POST}Content-Length: 0000000000000001\r\n\r\nx`,
  },
  "bad-transfer-encoding": {
    reason: "RFC 9112 §6.3: llhttp takes a tab, an empty value and empty elements before chunked",
    example: `${POST}Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n`,
  },
  "unknown-transfer-coding": {
    reason: "RFC 9112 §6.1: llhttp leaves what comes before chunked to the application",
    example: `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  },
  "coding-in-http-1.0": { reason: "RFC 9112 §6.1", example: "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
  "body-without-right": {
    reason: "RFC 9110 §9.3.6 and §9.3.8: llhttp does not read what CONNECT announces, and reads what TRACE does",
    example: "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
  },
  "bad-chunk-size": {
    reason: "RFC 9112 §7.1 asks for a bound; llhttp takes as many zeros as there are",
    example: `${POST}Transfer-Encoding: chunked\r\n\r\n00000000000000001\r\nx\r\n0\r\n\r\n`,
  },
  closed: {
    reason: "RFC 9112 §9.3: close outranks keep-alive; in HTTP/1.0, llhttp persists with both",
    example: `GET / HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n${GET}\r\n`,
  },
  // Limits that Node does not have.
  "request-line-too-large": { reason: "RFC 9112 §3", example: withTarget(`/${"a".repeat(20_000)}`) },
  "head-too-large": {
    reason: "RFC 9112 §7.1.2",
    example: `${POST}Transfer-Encoding: chunked\r\n\r\n0\r\na: ${"b".repeat(17_000)}\r\n\r\n`,
  },
  "too-many-fields": { reason: "RFC 9110 §5.4", example: `${GET}${"a: b\r\n".repeat(300)}\r\n` },
  "too-many-connection-options": { reason: "RFC 9110 §5.4", example: `${GET}Connection: ${"a,".repeat(70)}\r\n\r\n` },
  "chunk-extension-too-large": {
    reason: "RFC 9112 §7.1.1",
    example: `${POST}Transfer-Encoding: chunked\r\n\r\n1;${"a".repeat(5000)}\r\nx\r\n0\r\n\r\n`,
  },
};

interface LaxerClass {
  readonly reason: string;
  readonly isCase: (request: RequestReading, text: string) => boolean;
}

/** What we accept although Node refuses it. */
const LAXER_ON_PURPOSE: readonly LaxerClass[] = [
  {
    reason: "RFC 9110 §9.1 leaves the set of methods open: llhttp has a list, here the listener decides",
    isCase: ({ method }) => !METHODS.includes(method),
  },
  {
    reason: "RFC 9110 §2.5: higher minor versions are processed as 1.1; nothing is forwarded under them",
    isCase: (_, text) => /HTTP\/1\.[2-9]\r\n/.test(text),
  },
  {
    reason: "fields in a trailer section that would frame or steer do neither there, and are dropped (RFC 9110 §6.5.1)",
    isCase: (_, text) => /\r\n0+(?:;[^\r]*)?\r\n(?:[^\r]+\r\n)*(?:content-length|transfer-encoding|connection|upgrade):/i.test(text),
  },
];

interface NodeRequest {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly headers: readonly string[];
  readonly message: IncomingMessage;
  body: string;
  isHandedOver: boolean;
  isComplete: boolean;
  trailers: readonly string[];
}

let server: Server;
let requests: NodeRequest[] = [];
let isClosed: () => void = () => undefined;

const HOP_FIELDS = new Set(
  "host expect content-length transfer-encoding connection keep-alive upgrade proxy-connection te trailer proxy-authenticate proxy-authentication-info http2-settings".split(
    " ",
  ),
);

before(async () => {
  server = createServer({ insecureHTTPParser: false, keepAlive: true, maxHeaderSize: 65_536 });
  // The end of a connection must not overtake the answers; the ambient types do not list the property.
  Object.assign(server, { httpAllowHalfOpen: true });
  const onRequest = (message: IncomingMessage, response: ServerResponse): void => {
    note(message);
    message.on("end", () => response.end());
  };
  server.on("request", onRequest);
  server.on("checkContinue", onRequest);
  const onHandover = (message: IncomingMessage, socket: Socket): void => {
    note(message).isHandedOver = true;
    socket.on("error", () => undefined);
    socket.end();
  };
  server.on("upgrade", onHandover);
  server.on("connect", onHandover);
  // Bodies that are complete have to reach their readers first.
  server.on("clientError", (_error, socket) => setImmediate(() => socket.destroy()));
  server.on("connection", (socket) => socket.on("close", () => setImmediate(() => isClosed())));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
after(() => {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
});

function note(message: IncomingMessage): NodeRequest {
  const { method = "", url = "", httpVersion } = message;
  const headers = endToEnd(lowerNames(message.rawHeaders));
  const request: NodeRequest = {
    ...{ method, target: url, version: httpVersion, headers, message, body: "" },
    ...{ isHandedOver: false, isComplete: false, trailers: [] },
  };
  message.on("data", (bytes: Buffer) => (request.body += bytes.toString("latin1")));
  message.on("error", () => undefined);
  requests.push(request);
  return request;
}

async function readWithNode(text: string): Promise<readonly NodeRequest[]> {
  requests = [];
  const over = new Promise<void>((resolve) => {
    isClosed = resolve;
  });
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.resume();
  socket.end(Buffer.from(text, "latin1"));
  await over;
  socket.destroy();
  for (const request of requests) {
    request.isComplete = request.message.complete || request.isHandedOver;
    request.trailers = lowerNames(request.message.rawTrailers);
  }
  return requests;
}

function lowerNames(raw: readonly string[]): string[] {
  return raw.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text));
}

function endToEnd(headers: readonly string[]): string[] {
  const pairs = headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1] as string] as const] : []));
  const named = pairs.flatMap(([name, value]) => (name === "connection" ? value.toLowerCase().split(",") : [])).map((text) => text.trim());
  return pairs.filter(([name]) => !HOP_FIELDS.has(name) && !named.includes(name)).flat();
}

function assertSame(ours: RequestReading, node: NodeRequest, shown: string): void {
  assert.equal(ours.method, node.method, shown);
  assert.equal(ours.target, node.target, shown);
  assert.deepEqual(ours.headers, node.headers, shown);
  if (node.isHandedOver) return;
  assert.equal(ours.body, node.body, shown);
  for (const trailer of ours.trailers ?? []) assert.ok(node.trailers.includes(trailer), shown);
}

/** How the two readings of a connection relate, as the first difference says; asserts that it may. */
function compare(text: string, ours: ConnectionReading, node: readonly NodeRequest[]): string {
  const shown = JSON.stringify({ text, ours, node: node.map(({ message: _, ...rest }) => rest) });
  const nodeCount = node.filter(({ isComplete }) => isComplete).length;
  for (let i = 0; i < ours.completeCount; i++) {
    if (i > 0 && isEarlyUpgrade(ours.requests[i - 1] as RequestReading, node[i - 1])) return "handed-over";
    const [mine, theirs] = [ours.requests[i] as RequestReading, node[i]];
    if (theirs === undefined || !theirs.isComplete) {
      assert.ok(
        LAXER_ON_PURPOSE.some(({ isCase }) => isCase(mine, text)),
        `accepted, and Node refuses: ${shown}`,
      );
      return "laxer";
    }
    assertSame(mine, theirs, shown);
  }
  if (nodeCount <= ours.completeCount) return ours.outcome === "idle" || ours.outcome === "closed" ? "same" : "both-refuse";
  if (isEarlyUpgrade(ours.requests[ours.completeCount], node[ours.completeCount])) return "handed-over";
  if (ours.outcome === "closed") assert.equal(ours.requests[ours.completeCount - 1]?.minorVersion, 0, shown);
  assert.ok(ours.outcome in STRICTER_ON_PURPOSE, `${ours.outcome}, which Node accepts: ${shown}`);
  return "stricter";
}

/**
 * Node hands an upgrade over before its body, which must be read first (RFC 9110 §7.8), so here it is not complete; and it
 * does so in HTTP/1.0, where Upgrade must be ignored.
 */
function isEarlyUpgrade(ours: RequestReading | undefined, node: NodeRequest | undefined): boolean {
  if (ours === undefined || node?.isHandedOver !== true) return false;
  return ours.minorVersion === 0 || (ours.upgrades.length > 0 && ours.bodyLength !== 0);
}

async function compareAll(texts: readonly string[]): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  for (const text of texts) {
    const relation = compare(text, readRequests(text), await readWithNode(text));
    seen[relation] = (seen[relation] ?? 0) + 1;
  }
  return seen;
}

/** One request in the words of our own encoder, with a body of known length. */
const encodedRequest = fc
  .record({
    method: fc.constantFrom("GET", "POST", "PUT", "OPTIONS", "MKCOL"),
    target: fc.stringMatching(/^\/[!-"$-~]{0,20}$/),
    authority: fc.constantFrom("a.test", "b.test:8080", "[2001:db8::1]:81"),
    fields: fc.array(fc.tuple(name, value), { maxLength: 5 }),
    body: fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)), maxLength: 60 }),
  })
  .map(({ fields, body, ...line }) => {
    const headers = fields.flatMap(([name, value]) => [name.toLowerCase(), value]);
    const request: OutgoingRequest = {
      ...line,
      headers,
      bodyLength: body.length,
      hasZeroLength: body.length === 0,
      acceptsTrailers: false,
    };
    return encodeRequestHead(request) + body;
  });

describe("the request parser and Node's", () => {
  test("read well-formed requests alike", async () => {
    const seen = await compareAll(fc.sample(validRequests, { seed, numRuns: count }));
    assert.deepEqual(seen, { same: count });
  });

  test("read what the request encoder writes alike", async () => {
    const seen = await compareAll(fc.sample(encodedRequest, { seed, numRuns: Math.ceil(count / 4) }));
    assert.deepEqual(seen, { same: Math.ceil(count / 4) });
  });

  test("never read broken requests differently", async () => {
    const seen = await compareAll(fc.sample(mutatedRequests, { seed, numRuns: count }));
    // The sample must hold all kinds, or it tests nothing.
    for (const relation of ["same", "stricter", "both-refuse"]) assert.ok((seen[relation] ?? 0) > count / 100, JSON.stringify(seen));
  });

  test("differ in no class without an example", async () => {
    const seen: string[] = [];
    for (const [refusal, { example }] of Object.entries(STRICTER_ON_PURPOSE)) {
      const ours = readRequests(example);
      assert.equal(ours.outcome, refusal);
      seen.push(compare(example, ours, await readWithNode(example)));
    }
    // Which ones they are depends on the version of Node.
    assert.ok(seen.filter((relation) => relation === "stricter").length > seen.length * 0.7, seen.join());
  });

  test("never read the smuggling attack differently", async () => {
    const seen = await compareAll(smugglingCorpus());
    assert.equal(seen.laxer, undefined);
  });
});
