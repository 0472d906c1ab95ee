/** An HTTP server that stand-ins are made of: it can be stuck, answer anything, die and come back on its port. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer, type ServerOptions } from "node:https";
import type { AddressInfo, Socket } from "node:net";

/** How it answers: well, not at all (connections are accepted all the same), or with this. */
export type Mood = "well" | "stuck" | { readonly status: number; readonly body: string; readonly headers?: Record<string, string> };

export interface MoodyServer {
  readonly url: string;
  mood(mood: Mood): void;
  /** Breaks all connections and takes no more, until `listen`. */
  die(): Promise<void>;
  listen(): Promise<void>;
  close(): Promise<void>;
}

export type Answering = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * @param answer called while it is well
 * @param tls null: none. Binds a free port of 127.0.0.1
 */
export async function startMoodyServer(
  answer: Answering,
  tls: ServerOptions | null = null,
): Promise<{ server: MoodyServer; respond: Answering }> {
  const sockets = new Set<Socket>();
  let mood: Mood = "well";
  const respond: Answering = (request, response) => {
    if (mood === "stuck") return;
    if (mood === "well") answer(request, response);
    else response.writeHead(mood.status, mood.headers).end(mood.body);
  };
  const server = tls === null ? createServer(respond) : createSecureServer(tls, respond);
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  async function die(): Promise<void> {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  }
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const control: MoodyServer = {
    url: `${tls === null ? "http" : "https"}://127.0.0.1:${port}`,
    mood(changed) {
      mood = changed;
    },
    die,
    listen: () => listen(port),
    close: async () => {
      if (server.listening) await die();
    },
  };
  return { server: control, respond };
}

export function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { "content-type": "text/plain" }).end(message);
}
