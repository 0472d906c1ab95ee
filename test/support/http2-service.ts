/** A service on node:http2 for tests: h2c, or h2 when it is given a certificate. It counts its connections and can cut them all. */
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";

export interface Http2Service {
  readonly port: number;
  /** `127.0.0.1:port`, as configurations write endpoints. */
  readonly address: string;
  /** HTTP/2 connections accepted so far. */
  sessions(): number;
  /** Those that are open. */
  readonly open: ReadonlySet<ServerHttp2Session>;
  /** Cuts every connection without a word. */
  destroyAll(): void;
  close(): Promise<void>;
}

export type OnHttp2Stream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export async function startHttp2Service(onStream: OnHttp2Stream, options: SecureServerOptions = {}): Promise<Http2Service> {
  const server: Http2Server = options.key === undefined ? createServer(options) : (createSecureServer(options) as unknown as Http2Server);
  const open = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  let count = 0;
  server.on("session", (session) => {
    count++;
    open.add(session);
    session.on("error", () => undefined);
    session.on("close", () => open.delete(session));
  });
  server.on(options.key === undefined ? "connection" : "secureConnection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("stream", onStream);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const destroyAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const close = async (): Promise<void> => {
    for (const session of open) session.destroy();
    destroyAll();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { port, address: `127.0.0.1:${port}`, sessions: () => count, open, destroyAll, close };
}
