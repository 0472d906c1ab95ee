/**
 * A process of its own with all the services behind the gateway: good ones, and ones that misbehave, each in its own way
 * so that only those who asked for trouble can get it. Reports every second over the channel to its parent.
 */
import { createServer, type Server as HttpServer, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { answer } from "./answers.js";
import { Ledger } from "./ledger.js";
import { portOutsideEphemeralRange } from "./ports.js";
import { Random } from "./random.js";
import { createWebSocketService } from "./websocket-service.js";

export interface ServicesReady {
  readonly type: "ready";
  readonly ports: Readonly<Record<ServiceName, readonly number[]>>;
}

export interface ServicesReport {
  readonly type: "services";
  readonly requests: number;
  /** Connections from the gateway, by service. */
  readonly open: Readonly<Record<string, number>>;
  readonly violationCount: number;
  readonly violations: readonly string[];
  /** Times that an endpoint stopped listening. */
  readonly closings: number;
}

export const SERVICE_NAMES = ["steady", "faulty", "flaky", "slow", "stale", "chatty", "refusing", "rude", "down", "socket"] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

const REPORT_MS = 1_000;
const ENDPOINTS = 3;
const ledger = new Ledger();
const random = new Random(Number(process.argv[2]));
const open: Record<string, number> = {};
let closings = 0;

function createService(name: ServiceName, onAnswered: (response: ServerResponse, socket: Socket) => void = () => undefined): HttpServer {
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 }, (request, response) => {
    const { socket } = request;
    response.once("finish", () => onAnswered(response, socket));
    void answer(request, response, ledger);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    // A request that is cut short is no fault of the gateway: its client may have left.
    const isMalformed = error.code?.startsWith("HPE_") === true && error.code !== "HPE_INVALID_EOF_STATE";
    if (isMalformed) ledger.violation(`${name}: malformed request, ${error.code}: ${error.message}`);
    socket.destroy();
  });
  countOpen(name, server);
  return server;
}

function countOpen(name: ServiceName, server: Server): void {
  open[name] ??= 0;
  server.on("connection", (socket: Socket) => {
    open[name] = (open[name] ?? 0) + 1;
    socket.on("error", () => undefined);
    socket.once("close", () => {
      open[name] = (open[name] ?? 0) - 1;
    });
  });
}

/** Breaks the connection after an answer without a word about it: the next request may be on its way already. */
function breakSoon(_response: ServerResponse, socket: Socket): void {
  const isReset = random.chance(0.5);
  setTimeout(() => (isReset ? socket.resetAndDestroy() : socket.destroy()), random.below(6));
}

/** Says something on a connection on which nothing was asked. Between requests only, or nobody could tell it from an answer. */
function chatSoon(_response: ServerResponse, socket: Socket & { _httpMessage?: ServerResponse | null }): void {
  setTimeout(() => {
    const isIdle = socket._httpMessage === null;
    if (isIdle && random.chance(0.5)) socket.write("garbage behind the answer\r\n\r\n");
  }, random.below(6));
}

function createRudeService(): Server {
  const server = createTcpServer((socket) => {
    const manners: readonly (() => void)[] = [
      () => socket.destroy(),
      () => socket.resetAndDestroy(),
      () => socket.end(),
      () => socket.write("SSH-2.0-soak\r\n"),
      () => socket.once("data", () => socket.resetAndDestroy()),
      () => socket.once("data", () => socket.end("HTTP/1.1 200")),
      () => socket.once("data", () => setTimeout(() => socket.destroy(), 100)),
    ];
    random.pick(manners)();
    socket.resume();
  });
  countOpen("rude", server);
  return server;
}

/** Stops listening for a while, one endpoint at a time, so that there is always another one. */
function closeNowAndThen(servers: readonly HttpServer[], ports: readonly number[]): void {
  const index = random.below(servers.length);
  const server = servers[index] as HttpServer;
  setTimeout(
    () => {
      server.close();
      server.closeIdleConnections();
      closings++;
      setTimeout(
        () => {
          server.listen(ports[index], "127.0.0.1");
          closeNowAndThen(servers, ports);
        },
        random.between(300, 2_000),
      );
    },
    random.between(300, 2_000),
  );
}

function listen(server: Server, port = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
  });
}

async function listenAll(create: () => Server): Promise<number[]> {
  return Promise.all(Array.from({ length: ENDPOINTS }, () => listen(create())));
}

async function startRefusing(): Promise<number[]> {
  const servers = [createService("refusing"), createService("refusing")];
  const ports: number[] = [];
  for (const server of servers) ports.push(await listen(server, await portOutsideEphemeralRange()));
  closeNowAndThen(servers, ports);
  return ports;
}

function report(): void {
  const { requests, violationCount, violations } = ledger;
  process.send?.({ type: "services", requests, open, violationCount, violations, closings } satisfies ServicesReport);
}

const ports: Record<ServiceName, readonly number[]> = {
  steady: await listenAll(() => createService("steady")),
  faulty: await listenAll(() => createService("faulty")),
  flaky: await listenAll(() => createService("flaky")),
  slow: await listenAll(() => createService("slow")),
  stale: await listenAll(() => createService("stale", breakSoon)),
  chatty: await listenAll(() => createService("chatty", chatSoon)),
  rude: await listenAll(createRudeService),
  refusing: await startRefusing(),
  down: [await portOutsideEphemeralRange()],
  socket: await listenAll(() => {
    const server = createWebSocketService(ledger);
    countOpen("socket", server);
    return server;
  }),
};
process.once("disconnect", () => process.exit(0));
setInterval(report, REPORT_MS);
process.send?.({ type: "ready", ports } satisfies ServicesReady);
