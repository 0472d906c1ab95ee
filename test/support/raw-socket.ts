/**
 * A raw TCP or TLS client for tests that must see and send exact bytes: sends, optionally in pieces, and reads until
 * a predicate holds, the peer closes, or a deadline passes.
 */
import net from "node:net";
import tls from "node:tls";

const DEFAULT_DEADLINE_MS = 5_000;

export interface RawSocketOptions {
  readonly port: number;
  readonly host?: string;
  /** Present for TLS. Certificates are not verified unless the options say so. */
  readonly tls?: tls.ConnectionOptions;
}

export interface RawSocket {
  readonly socket: net.Socket;
  /** Everything received so far, one char per byte. */
  text(): string;
  receivedBytes(): number;
  /** Null while open, then "end" for an orderly close or the error code. */
  closedBy(): string | null;
  send(bytes: string | Uint8Array): void;
  /** Sends in pieces, each in a packet of its own. */
  sendSplit(bytes: string, cuts: readonly number[]): Promise<void>;
  /** Resolves with all text once `isEnough` holds; rejects at the deadline or when the peer closes before. */
  until(isEnough: (text: string) => boolean, deadlineMs?: number): Promise<string>;
  /** Resolves with all text once the peer has closed; rejects at the deadline. */
  untilClosed(deadlineMs?: number): Promise<string>;
  destroy(): void;
}

/** Resolves once connected (for TLS: once the handshake is done). */
export function connectRaw(options: RawSocketOptions): Promise<RawSocket> {
  return new Promise((resolve, reject) => {
    const address = { port: options.port, host: options.host ?? "127.0.0.1" };
    const onConnected = () => {
      socket.off("error", reject);
      resolve(raw);
    };
    const socket =
      options.tls === undefined
        ? net.connect({ ...address, noDelay: true }, onConnected)
        : tls.connect({ rejectUnauthorized: false, ...options.tls, ...address }, onConnected);
    socket.once("error", reject);
    const raw = createRawSocket(socket);
  });
}

function createRawSocket(socket: net.Socket): RawSocket {
  let received = "";
  let closedBy: string | null = null;
  const watchers = new Set<() => void>();
  const notify = () => {
    for (const watcher of watchers) watcher();
  };
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
    notify();
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    closedBy ??= error.code ?? error.message;
  });
  socket.on("close", () => {
    closedBy ??= "end";
    notify();
  });

  function wait(isDone: () => boolean, isHopeless: () => boolean, deadlineMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle = (error: string | null) => {
        clearTimeout(timer);
        watchers.delete(check);
        if (error === null) resolve(received);
        else reject(new Error(`${error}; received ${received.length} bytes: ${JSON.stringify(received.slice(0, 600))}`));
      };
      const check = () => {
        if (isDone()) settle(null);
        else if (isHopeless()) settle(`the peer closed (${closedBy})`);
      };
      const timer = setTimeout(() => settle(`nothing for ${deadlineMs} ms`), deadlineMs);
      watchers.add(check);
      check();
    });
  }

  return {
    socket,
    text: () => received,
    receivedBytes: () => received.length,
    closedBy: () => closedBy,
    send: (bytes) => {
      if (typeof bytes === "string") socket.write(bytes, "latin1");
      else socket.write(bytes);
    },
    sendSplit: (bytes, cuts) => sendSplit(socket, bytes, cuts),
    until: (isEnough, deadlineMs = DEFAULT_DEADLINE_MS) =>
      wait(
        () => isEnough(received),
        () => closedBy !== null,
        deadlineMs,
      ),
    untilClosed: (deadlineMs = DEFAULT_DEADLINE_MS) =>
      wait(
        () => closedBy !== null,
        () => false,
        deadlineMs,
      ),
    destroy: () => {
      socket.destroy();
    },
  };
}

async function sendSplit(socket: net.Socket, bytes: string, cuts: readonly number[]): Promise<void> {
  const bounds = [0, ...cuts, bytes.length];
  for (let i = 0; i + 1 < bounds.length; i++) {
    const piece = bytes.slice(bounds[i], bounds[i + 1]);
    if (piece.length === 0) continue;
    await new Promise<void>((done) => socket.write(piece, "latin1", () => done()));
    // The peer runs in this process: two turns of the loop let it read the piece before the next one leaves.
    await new Promise((done) => setImmediate(done));
    await new Promise((done) => setImmediate(done));
  }
}

/** Sends bytes on a connection of their own and returns everything until the peer closes. */
export async function exchangeRaw(options: RawSocketOptions, bytes: string, deadlineMs?: number): Promise<string> {
  const raw = await connectRaw(options);
  raw.send(bytes);
  return raw.untilClosed(deadlineMs);
}

/** True once `text` holds `count` complete responses with Content-Length, or of statuses without a body. */
export function hasResponses(text: string, count: number): boolean {
  return parseResponses(text).length >= count;
}

export interface RawResponse {
  readonly status: number;
  /** Names lower case; duplicates joined with `, `. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Complete responses at the start of `text` (Content-Length, chunked, or without a body). Throws on garbage. */
export function parseResponses(text: string, isHead = false): RawResponse[] {
  const responses: RawResponse[] = [];
  let at = 0;
  while (at < text.length) {
    const headEnd = text.indexOf("\r\n\r\n", at);
    if (headEnd < 0) break;
    const [statusLine = "", ...lines] = text.slice(at, headEnd).split("\r\n");
    const match = /^HTTP\/1\.1 ([0-9]{3}) /.exec(statusLine);
    if (match === null) throw new Error(`not a response: ${JSON.stringify(text.slice(at, at + 80))}`);
    const status = Number(match[1]);
    const headers = parseFields(lines);
    const body = readBody(text, headEnd + 4, headers, isHead || status === 204 || status === 304 || status < 200);
    if (body === null) break;
    at = body.end;
    if (status >= 200) responses.push({ status, headers, body: body.text });
  }
  return responses;
}

function parseFields(lines: readonly string[]): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return fields;
}

function readBody(
  text: string,
  start: number,
  headers: ReadonlyMap<string, string>,
  isBodiless: boolean,
): { text: string; end: number } | null {
  if (isBodiless) return { text: "", end: start };
  if (headers.get("transfer-encoding") === "chunked") return readChunks(text, start);
  const length = headers.get("content-length");
  if (length === undefined) return { text: text.slice(start), end: text.length };
  const end = start + Number(length);
  return text.length < end ? null : { text: text.slice(start, end), end };
}

function readChunks(text: string, start: number): { text: string; end: number } | null {
  let at = start;
  let body = "";
  for (;;) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const line = text.slice(at, lineEnd);
    if (!/^[0-9a-fA-F]+$/.test(line)) throw new Error(`bad chunk size ${JSON.stringify(line.slice(0, 80))}`);
    const size = Number.parseInt(line, 16);
    const dataEnd = lineEnd + 2 + size;
    if (text.length < dataEnd + 2) return null;
    if (text.slice(dataEnd, dataEnd + 2) !== "\r\n") throw new Error("chunk data is not followed by CRLF");
    body += text.slice(lineEnd + 2, dataEnd);
    at = dataEnd + 2;
    if (size === 0) return { text: body, end: at };
  }
}
