/**
 * A service of the chaos test, a process of its own that fails as it is told: it answers `/…/NUMBER` with the number, and
 * `/healthz`. Every request is written to a file before anything else happens, so that the record survives a kill -9.
 */
import { openSync, writeSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { bodyOf, epochMs } from "./shared.js";

export type Behaviour =
  | "healthy"
  /** Accepts connections and resets them. */
  | "reset"
  | "slow"
  /** The head at once, the body in crumbs. */
  | "trickle"
  /** Answers with bytes that are not HTTP. */
  | "garbage"
  /** 503 with Retry-After; checks pass. */
  | "busy"
  /** 500, or 500 for every other one by chance; checks pass. */
  | "error"
  | "error-half"
  /** Checks fail, and nothing else does. */
  | "unhealthy"
  /** Nobody listens. */
  | "down"
  /** No connections, and room for hardly one in the accept queue: ready to be stopped. */
  | "clogged";

export interface EndpointSetting {
  readonly port: number;
  readonly recordPath: string;
}

/** What it does now. */
export interface EndpointReport {
  readonly type: "endpoint";
  readonly behaviour: Behaviour;
}

const SLOW_MS = 500;
const TRICKLE_PIECE_MS = 100;
const BACKLOG = 511;
const SMALLEST_BACKLOG = 1;
const RETRY_AFTER_S = 1;
const GARBAGE = Buffer.from([0x16, 0x03, 0x01, 0x00, 0xff, 0x0d, 0x0a, 0x00, 0x7f, 0x80]);

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

const good: Answer = (_request, response, body) => void response.end(body);
const serverError: Answer = (_request, response) => void response.writeHead(500).end("failed");
const slow: Answer = (_request, response, body) => void setTimeout(() => response.end(body), SLOW_MS);

const answers: Record<Behaviour, Answer> = {
  healthy: good,
  unhealthy: good,
  down: good,
  clogged: good,
  slow,
  trickle,
  reset: ({ socket }) => void socket.resetAndDestroy(),
  garbage: ({ socket }) => void socket.end(GARBAGE),
  busy: (_request, response) => void response.writeHead(503, { "retry-after": String(RETRY_AFTER_S) }).end("busy"),
  error: serverError,
  "error-half": (...exchange) => (Math.random() < 0.5 ? serverError : good)(...exchange),
};

/** Of the behaviours whose checks are not simply passed. */
const checkAnswers: Partial<Record<Behaviour, Answer>> = {
  slow,
  reset: answers.reset,
  garbage: answers.garbage,
  unhealthy: (_request, response) => void response.writeHead(503).end("unhealthy"),
};

function trickle(_request: IncomingMessage, response: ServerResponse, body: string): void {
  response.writeHead(200, { "content-length": body.length });
  let sent = 0;
  const timer = setInterval(() => {
    response.write(body[sent++] ?? "");
    if (sent < body.length && !response.destroyed) return;
    clearInterval(timer);
    response.end();
  }, TRICKLE_PIECE_MS);
}

const { port, recordPath } = JSON.parse(process.argv[2] ?? "{}") as EndpointSetting;
const record = openSync(recordPath, "a");
const sockets = new Set<Socket>();
let behaviour: Behaviour = "healthy";

const server = createServer({ keepAliveTimeout: 120_000, requestTimeout: 0 }, (request, response) => {
  response.on("error", () => {});
  request.on("error", () => {}).resume();
  const number = /\/(\d+)$/.exec(request.url ?? "")?.[1];
  if (number === undefined) return (checkAnswers[behaviour] ?? good)(request, response, "healthy");
  writeSync(record, `${epochMs().toFixed(1)} ${number}\n`);
  answers[behaviour](request, response, bodyOf(number));
});

server.on("connection", (socket: Socket) => {
  socket.on("error", () => {});
  if (behaviour === "reset") return socket.resetAndDestroy();
  sockets.add(socket.once("close", () => sockets.delete(socket)));
});

async function become(next: Behaviour): Promise<void> {
  const before = behaviour;
  behaviour = next;
  if (next === "down") return hangUp();
  if (before === "down") await listen();
  if (next === "clogged" || before === "clogged") setBacklog(next === "clogged" ? SMALLEST_BACKLOG : BACKLOG);
  if (next === "reset") for (const socket of sockets) socket.resetAndDestroy();
  if (next === "clogged") for (const socket of sockets) socket.destroy();
}

function hangUp(): void {
  server.close();
  for (const socket of sockets) socket.destroy();
}

function listen(): Promise<void> {
  return new Promise((resolve) => server.listen({ port, host: "127.0.0.1", backlog: BACKLOG }, resolve));
}

/** A listening socket may be told to listen again, with room for more or fewer. */
function setBacklog(backlog: number): void {
  const { _handle: handle } = server as unknown as { readonly _handle: { listen(backlog: number): number } };
  handle.listen(backlog);
}

const tell = (): void => void process.send?.({ type: "endpoint", behaviour } satisfies EndpointReport);
process.on("message", (next: Behaviour) => void become(next).then(tell));
process.once("disconnect", () => process.exit(0));
await listen();
tell();
