/** The ways in: an address, and a socket. Each has a server of its own, so that they come and go one by one. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { AdminSpec } from "../engine/model/snapshot.js";
import { type Door, isLoopbackHost } from "./access.js";
import { trackConnections } from "./connections.js";
import type { RequestHandler } from "./request-handler.js";
import { AdminUnavailable } from "./unavailable.js";
import { listenOnSocket } from "./unix-socket.js";

export interface OpenDoor {
  /** 0 for the socket. */
  readonly port: number;
  /** Accepts no more at once; requests in flight have a few seconds to be answered. */
  close(): Promise<void>;
}

export interface DoorParts {
  readonly handler: RequestHandler;
  readonly onError: (error: unknown) => void;
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

/** Rejects with AdminUnavailable. */
export async function openAddress(bind: AdminSpec["bind"], parts: DoorParts): Promise<OpenDoor> {
  const server = createServer(LIMITS);
  const connections = answerRequests(server, isLoopbackHost(bind.host) ? "loopback" : "network", parts);
  await bindServer(server, bind);
  return { port: (server.address() as AddressInfo).port, close: () => connections.close(CLOSE_GRACE_MS) };
}

/** Rejects with AdminUnavailable. */
export async function openSocket(path: string, parts: DoorParts): Promise<OpenDoor> {
  const server = createServer(LIMITS);
  const connections = answerRequests(server, "socket", parts);
  const bound = await listenOnSocket(server, path);
  return {
    port: 0,
    close() {
      bound.remove();
      return connections.close(CLOSE_GRACE_MS);
    },
  };
}

function answerRequests(server: Server, door: Door, { handler, onError }: DoorParts) {
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
  return connections;
}

function bindServer(server: Server, { host, port }: AdminSpec["bind"]): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      reject(new AdminUnavailable(`admin: cannot listen on ${host}:${port}: ${error.code}`));
    };
    server.once("error", fail);
    server.listen(port, host.replace(/^\[(.*)\]$/, "$1"), () => {
      server.off("error", fail);
      resolve();
    });
  });
}
