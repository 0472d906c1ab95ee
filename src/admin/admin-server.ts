/**
 * The admin HTTP server of the primary: metrics, health, readiness and read-only views. It decides who may ask (access.ts) and
 * how answers look; what they say comes from StatusViews.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createTokenCheck, isLoopbackHost, namesLoopback } from "./access.js";
import type { StatusViews } from "./views.js";

export interface AdminServerOptions {
  readonly bind: { readonly host: string; readonly port: number };
  /** Asked for as `Authorization: Bearer …` everywhere but on /healthz and /readyz; empty: no token. Secret. */
  readonly token: string;
  readonly views: StatusViews;
  /** A view failed; the caller only sees a 500. */
  readonly onError?: (error: unknown) => void;
}

export interface AdminServer {
  /** Rejects when the address cannot be bound, or is not loopback and has no token. */
  listen(): Promise<{ readonly port: number }>;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Endpoint {
  /** For probes of an orchestrator, which have no token and ask by address. */
  readonly isOpen: boolean;
  answer(): Answer | Promise<Answer>;
}

const PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8";
const LIMITS = { headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 60_000, maxHeaderSize: 8 * 1024 } as const;
const MAX_CONNECTIONS = 100;

export function createAdminServer({ bind, token, views, onError = () => undefined }: AdminServerOptions): AdminServer {
  const isLoopback = isLoopbackHost(bind.host);
  const endpoints = adminEndpoints(views);
  const hasToken = token === "" ? () => true : createTokenCheck(token);

  async function answer(request: IncomingMessage): Promise<Answer> {
    const endpoint = endpoints.get(pathOf(request));
    if (endpoint?.isOpen !== true) {
      if (isLoopback && !namesLoopback(request.headers.host)) return problem(421, "Host does not name this machine");
      if (!hasToken(request.headers.authorization)) return unauthorized();
    }
    if (endpoint === undefined) return problem(404, "No such endpoint");
    if (request.method !== "GET" && request.method !== "HEAD") return problem(405, "Only GET and HEAD", { allow: "GET, HEAD" });
    return endpoint.answer();
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      send(request, response, await answer(request));
    } catch (error) {
      onError(error);
      send(request, response, problem(500, "The view failed"));
    }
  }

  const server = createServer(LIMITS, (request, response) => void handle(request, response));
  server.maxConnections = MAX_CONNECTIONS;
  return {
    async listen() {
      if (!isLoopback && token === "") throw new Error(`admin: ${bind.host} is not a loopback address: a token is required`);
      await bindServer(server, bind);
      return { port: (server.address() as AddressInfo).port };
    },
    close: () => closeServer(server),
  };
}

function adminEndpoints(views: StatusViews): ReadonlyMap<string, Endpoint> {
  return new Map<string, Endpoint>([
    ["/metrics", { isOpen: false, answer: async () => ({ status: 200, contentType: PROMETHEUS_TEXT, body: await views.metricsText() }) }],
    ["/healthz", { isOpen: true, answer: () => statusAnswer(views.health().isHealthy, views.health().reasons) }],
    ["/readyz", { isOpen: true, answer: () => statusAnswer(views.readiness().isReady, views.readiness().reasons) }],
    ["/v1/info", { isOpen: false, answer: () => json(200, views.info()) }],
    ["/v1/config", { isOpen: false, answer: () => json(200, views.snapshotView()) }],
  ]);
}

function statusAnswer(isFine: boolean, reasons: readonly string[]): Answer {
  return json(isFine ? 200 : 503, { status: isFine ? "ok" : "unavailable", reasons });
}

function unauthorized(): Answer {
  return problem(401, "A Bearer token is required", { "www-authenticate": 'Bearer realm="windrose admin"' });
}

function problem(status: number, title: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, contentType: "application/problem+json", body: `${JSON.stringify({ status, title })}\n`, headers };
}

function json(status: number, value: unknown): Answer {
  return { status, contentType: "application/json", body: `${JSON.stringify(value, null, 2)}\n` };
}

function send(request: IncomingMessage, response: ServerResponse, { status, contentType, body, headers }: Answer): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": bytes.length,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  });
  response.end(request.method === "HEAD" ? undefined : bytes);
  // A request body is of no interest; reading it away keeps the connection usable.
  request.resume();
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "").split("?", 1)[0] as string;
}

function bindServer(server: Server, { host, port }: AdminServerOptions["bind"]): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host.replace(/^\[(.*)\]$/, "$1"), () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
