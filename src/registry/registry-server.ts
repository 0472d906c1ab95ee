/** Listens for registrations. Everything that a request means is registry-api.ts's. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { RegistryApi } from "./registry-api.js";
import type { RegistryAnswer } from "./registry-call.js";

export interface RegistryServer {
  readonly port: number;
  /** Answers what waits, then closes. */
  close(): Promise<void>;
}

const LIMITS = {
  ...{ headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 2_000 },
  ...{ keepAliveTimeout: 75_000, maxHeaderSize: 8 * 1024 },
} as const;
const MAX_CONNECTIONS = 20_000;

/**
 * Rejects with the error of `listen`.
 * @param limits milliseconds that a request may take to arrive, and between looks at that
 */
export async function openRegistryServer(
  bind: { readonly host: string; readonly port: number },
  api: RegistryApi,
  limits: Partial<Record<"headersTimeout" | "requestTimeout" | "connectionsCheckingInterval", number>> = {},
): Promise<RegistryServer> {
  const open = new Set<AbortController>();
  const server = createServer({ ...LIMITS, ...limits }, (request, response) => void answer(request, response, { api, open }));
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, bind);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const one of open) one.abort();
        setTimeout(() => server.closeAllConnections(), 100).unref();
      }),
  };
}

function listen(server: Server, { host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

interface Work {
  readonly api: RegistryApi;
  /** One for each request under way. */
  readonly open: Set<AbortController>;
}

async function answer(request: IncomingMessage, response: ServerResponse, { api, open }: Work): Promise<void> {
  const stop = new AbortController();
  open.add(stop);
  response.once("close", () => {
    open.delete(stop);
    stop.abort();
  });
  try {
    const answered = await api(request, response, stop.signal);
    if (answered !== null) send(response, answered);
  } catch {
    // The request broke off; nobody is there to be told.
    response.destroy();
  }
}

function send(response: ServerResponse, { status, body, headers = {} }: RegistryAnswer): void {
  if (response.destroyed || response.headersSent) return;
  if (body === null) {
    response.writeHead(status, { "cache-control": "no-store", ...headers }).end();
    return;
  }
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(`${JSON.stringify(body)}\n`);
  const type = { "content-type": "application/json", "content-length": bytes.length, "cache-control": "no-store" };
  response.writeHead(status, { ...type, ...headers }).end(bytes);
}
