/**
 * The connections of one server, within a number. When there are too many, the one goes that has been without a request for longest:
 * whoever hoards connections must not keep probes and operators out.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export interface Connections {
  /** To be told of every request. */
  begin(request: IncomingMessage, response: ServerResponse): void;
  /** Ends those without a request, lets the others answer for `graceMs`, ends them too. Resolves when all are gone. */
  close(graceMs: number): Promise<void>;
}

export function trackConnections(server: Server, maxConnections: number): Connections {
  /** In the order of their last answer. */
  const sockets = new Set<Socket>();
  const busy = new Set<Socket>();
  let isClosing = false;
  const idle = (): Socket | undefined => [...sockets].find((socket) => !busy.has(socket));

  server.on("connection", (socket) => {
    if (sockets.size >= maxConnections) (idle() ?? socket).destroy();
    if (socket.destroyed) return;
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      busy.delete(socket);
    });
  });

  return {
    begin({ socket }, response) {
      busy.add(socket);
      response.once("close", () => {
        busy.delete(socket);
        if (sockets.delete(socket)) sockets.add(socket);
        if (isClosing) socket.end();
      });
    },
    close(graceMs) {
      isClosing = true;
      return new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), graceMs);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        for (const socket of sockets) if (!busy.has(socket)) socket.destroy();
      });
    },
  };
}
