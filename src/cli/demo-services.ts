/**
 * Services to try the gateway with: one small HTTP server for every endpoint on this machine that the configuration
 * names. They answer what they received, so that one sees which endpoint was picked and what the gateway added.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { staticEndpointsOf } from "../engine/model/endpoint-source.js";
import type { EndpointSpec, ServiceSpec } from "../engine/model/snapshot.js";

export type DemoServices =
  | { readonly ok: true; close(): Promise<void> }
  /** One line that names the port and what wanted it. Nothing is left listening. */
  | { readonly ok: false; readonly problem: string };

export async function startDemoServices(services: readonly ServiceSpec[]): Promise<DemoServices> {
  const servers: Server[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map(closeServer));
  };
  for (const { name, endpoints } of services) {
    for (const endpoint of staticEndpointsOf(endpoints)) {
      const server = createServer((request, response) => answer(name, endpoint.port, request, response));
      const problem = await listen(server, endpoint, name);
      if (problem === null) servers.push(server);
      else {
        await close();
        return { ok: false, problem };
      }
    }
  }
  return { ok: true, close };
}

function listen(server: Server, endpoint: EndpointSpec, service: string): Promise<string | null> {
  const { host, port } = endpoint;
  return new Promise((resolve) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === "EADDRINUSE";
      resolve(
        `port ${port} on ${host} ${isTaken ? "is already in use" : `cannot be bound (${error.code})`}; demo service "${service}" needs it`,
      );
    });
    server.listen({ host, port }, () => resolve(null));
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function answer(service: string, port: number, request: IncomingMessage, response: ServerResponse): void {
  const { method, url: target, headers } = request;
  const seen = { "x-user": headers["x-user"] ?? null, "x-request-id": headers["x-request-id"] ?? null };
  const body = `${JSON.stringify({ service, endpoint: port, method, path: target, headers: seen })}\n`;
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(request.method === "HEAD" ? undefined : body);
  // An unread body would keep the connection from being used again.
  request.resume();
}
