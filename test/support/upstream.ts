/**
 * Upstream servers for tests: a well-behaved one on node:http that records what it was asked, and a raw one that sends
 * exactly the bytes a test wants, whether or not they are HTTP. Both listen on 127.0.0.1 and a free port.
 */
import { createServer as createHttpServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

export interface ReceivedRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  /** Name, value, name, value…, as received. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

export interface Upstream {
  readonly port: number;
  /** `127.0.0.1:port`, as configurations write endpoints. */
  readonly address: string;
  /** Connections accepted so far. */
  connections(): number;
  close(): Promise<void>;
}

export interface HttpUpstream extends Upstream {
  /** Complete requests, in the order they were completed. */
  readonly requests: readonly ReceivedRequest[];
}

export type HttpAnswer = (request: ReceivedRequest, response: ServerResponse) => void;

/** Answers 200 with a short JSON body that names the upstream, unless given another answer. */
export async function startHttpUpstream(answer?: HttpAnswer, name = "upstream"): Promise<HttpUpstream> {
  const requests: ReceivedRequest[] = [];
  const reply = answer ?? ((request, response) => response.end(JSON.stringify({ name, method: request.method, target: request.target })));
  const server = createHttpServer((request, response) => {
    collectBody(request, (body) => {
      const received = describeRequest(request, body);
      requests.push(received);
      reply(received, response);
    });
  });
  return { ...(await listen(server)), requests };
}

/** Called before the body has arrived, for tests that stream or refuse early. */
export async function startStreamingUpstream(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<Upstream> {
  return await listen(createHttpServer(handle));
}

/** `script` runs for every connection and decides every byte. */
export async function startRawUpstream(script: (socket: Socket, connection: number) => void): Promise<Upstream> {
  let connections = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    // The gateway may reset a connection; tests look at what it told its client.
    socket.on("error", () => {});
    connections += 1;
    script(socket, connections);
  });
  return await listen(server);
}

/** For raw upstreams: waits for the end of a request head, then sends `bytes`; repeats for every request on the connection. */
export function answerEachHead(socket: Socket, bytes: string | Uint8Array): void {
  let pending = "";
  socket.on("data", (chunk) => {
    pending += chunk.toString("latin1");
    for (let end = pending.indexOf("\r\n\r\n"); end !== -1; end = pending.indexOf("\r\n\r\n")) {
      pending = pending.slice(end + 4);
      socket.write(bytes);
    }
  });
}

/** A port of 127.0.0.1 on which nothing listens (it was free a moment ago). */
export async function findFreePort(): Promise<number> {
  const upstream = await listen(createServer());
  await upstream.close();
  return upstream.port;
}

/** Several different ones: all are held open before the first is released. */
export async function findFreePorts(count: number): Promise<number[]> {
  const holders = await Promise.all(Array.from({ length: count }, () => listen(createServer())));
  await Promise.all(holders.map((holder) => holder.close()));
  return holders.map((holder) => holder.port);
}

function collectBody(request: IncomingMessage, done: (body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => done(Buffer.concat(chunks)));
  // An aborted upload never becomes a request.
  request.on("error", () => {});
}

function describeRequest(request: IncomingMessage, body: Buffer): ReceivedRequest {
  const { method = "", url: target = "", headers, rawHeaders } = request;
  return { method, target, headers, rawHeaders, body };
}

function listen(server: Server): Promise<Upstream> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on("connection", (socket: Socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, () => {
      const { port } = server.address() as AddressInfo;
      resolve({ port, address: `127.0.0.1:${port}`, connections: () => accepted, close });
    });
  });
}
