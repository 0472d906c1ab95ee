/**
 * The admin HTTP server of the primary, on TCP and, when configured, on a Unix socket: puts endpoints, access, audit and sockets
 * together. What is said comes from AdminViews.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { AdminSpec, AdminTokenSpec } from "../engine/model/snapshot.js";
import { createJudge, type Door, isLoopbackHost } from "./access.js";
import { json } from "./answers.js";
import { type AuditTrail, limitStrangers } from "./audit.js";
import { configurationEndpoints } from "./configuration-endpoints.js";
import { type Connections, trackConnections } from "./connections.js";
import { type Endpoint, endpoint } from "./endpoint.js";
import { openApiDocument } from "./openapi.js";
import { createRequestHandler, type RequestHandler } from "./request-handler.js";
import { createRouter } from "./router.js";
import { anyJson } from "./schemas.js";
import { statusEndpoints } from "./status-endpoints.js";
import { type BoundSocket, listenOnSocket } from "./unix-socket.js";
import type { AdminViews } from "./views.js";

export interface AdminServerOptions extends AdminSpec {
  /** Of Windrose. */
  readonly version: string;
  readonly views: AdminViews;
  readonly audit: AuditTrail;
  /** A view failed; the caller only sees a 500. */
  readonly onError?: (error: unknown) => void;
}

export interface AdminServer {
  /** Rejects when an address or the socket cannot be bound, or the address is not loopback and there is no token. */
  listen(): Promise<{ readonly port: number }>;
  /** For requests from now on. The new tokens must suit the address, as `listen` demands. */
  setTokens(tokens: readonly AdminTokenSpec[]): void;
  /** Accepts no more at once; requests in flight have a few seconds to be answered. */
  close(): Promise<void>;
}

const LIMITS = {
  headersTimeout: 5_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 60_000,
  maxHeaderSize: 8 * 1024,
  /** How late the first two may be noticed. */
  connectionsCheckingInterval: 1_000,
} as const;
const MAX_CONNECTIONS = 100;
const CLOSE_GRACE_MS = 5_000;

export function createAdminServer(options: AdminServerOptions): AdminServer {
  const { bind, socketPath, views, audit, onError = () => undefined } = options;
  const isLoopback = isLoopbackHost(bind.host);
  const limitedAudit = limitStrangers(audit);
  let judge = createJudge(options.tokens);
  const handler = createRequestHandler({
    router: createRouter(adminEndpoints(options)),
    judge: () => judge,
    audit: limitedAudit,
    servedVersion: () => views.info().snapshotVersion,
    onError,
  });
  const tcp = createDoor(isLoopback ? "loopback" : "network", handler, onError);
  const unix = socketPath === "" ? null : createDoor("socket", handler, onError);
  let bound: BoundSocket | null = null;

  return {
    async listen() {
      if (!isLoopback && options.tokens.length === 0) {
        throw new Error(`admin: ${bind.host} is not a loopback address: a token is required`);
      }
      await bindServer(tcp.server, bind);
      try {
        bound = unix === null ? null : await listenOnSocket(unix.server, socketPath);
      } catch (error) {
        await tcp.connections.close(0);
        throw error;
      }
      return { port: (tcp.server.address() as AddressInfo).port };
    },
    setTokens(tokens) {
      if (!isLoopback && tokens.length === 0) throw new Error("admin: a token is required");
      judge = createJudge(tokens);
    },
    async close() {
      bound?.remove();
      bound = null;
      await Promise.all([tcp.connections.close(CLOSE_GRACE_MS), unix?.connections.close(CLOSE_GRACE_MS)]);
      limitedAudit.flush();
    },
  };
}

/** Every endpoint, the description of all of them included. */
export function adminEndpoints({ views, audit, version }: Pick<AdminServerOptions, "views" | "audit" | "version">): readonly Endpoint[] {
  const endpoints: Endpoint[] = [...statusEndpoints(views, audit), ...configurationEndpoints(views)];
  endpoints.push(
    endpoint({
      method: "GET",
      path: "/v1/openapi.json",
      id: "getOpenApi",
      about: "This API as an OpenAPI 3.1 document.",
      access: "read",
      answers: { 200: { about: "The document.", schema: anyJson } },
      answer: () => json(200, openApiDocument(endpoints, version)),
    }),
  );
  return endpoints;
}

interface DoorServer {
  readonly server: Server;
  readonly connections: Connections;
}

function createDoor(door: Door, handler: RequestHandler, onError: (error: unknown) => void): DoorServer {
  const server = createServer(LIMITS);
  const connections = trackConnections(server, MAX_CONNECTIONS);
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    connections.begin(request, response);
    handler(request, response, door).catch((error: unknown) => {
      onError(error);
      response.destroy();
    });
  };
  // The body reader says when to continue: not before it is known that the caller may ask.
  server.on("request", onRequest).on("checkContinue", onRequest);
  return { server, connections };
}

function bindServer(server: Server, { host, port }: AdminSpec["bind"]): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host.replace(/^\[(.*)\]$/, "$1"), () => {
      server.off("error", reject);
      resolve();
    });
  });
}
