/**
 * Loads the uWebSockets.js addon, lazily and once, and types the part of it that we use (its own declarations miss
 * some calls and allow several that lose bytes or crash). Nothing else imports the package.
 */
import { createRequire } from "node:module";

export interface UwsRequest {
  getCaseSensitiveMethod(): string;
  getUrl(): string;
  /** Undefined without `?`, "" for a bare one. */
  getQuery(): string | undefined;
  forEach(visit: (name: string, value: string) => void): void;
}

/** `end(…, true)`, `endWithoutBody` with arguments and un-corked writes have traps: see response-writer.ts. */
export interface UwsResponse {
  writeStatus(status: string): unknown;
  writeHeader(name: string, value: string | Uint8Array): unknown;
  write(chunk: Uint8Array): boolean;
  end(body?: string | Uint8Array, closeConnection?: boolean): unknown;
  endWithoutBody(): unknown;
  tryEnd(chunk: string | Uint8Array, totalBytes: number): [isOk: boolean, isDone: boolean];
  getWriteOffset(): number;
  onWritable(handler: (offset: number) => boolean): unknown;
  onAborted(handler: () => void): unknown;
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): unknown;
  cork(run: () => void): unknown;
  pause(): void;
  resume(): void;
  close(): unknown;
  getRemoteAddress(): ArrayBuffer;
  /** Calls `open` of the behaviour before it returns; the response is dead afterwards. */
  upgrade(userData: object, key: string, protocol: string, extensions: string, context: UwsUpgradeContext): void;
}

/** Opaque; valid for the life of the app. */
export type UwsUpgradeContext = object;

/** Every call on a closed one throws: see web-socket.ts. */
export interface UwsWebSocket {
  getUserData(): unknown;
  /** 1: sent; 0: some of it waits; 2: dropped. */
  send(data: Uint8Array, isBinary: boolean, compress: boolean): number;
  ping(data: Uint8Array): number;
  end(code: number, reason: Uint8Array): void;
  close(): void;
  getBufferedAmount(): number;
}

export interface UwsWebSocketBehavior {
  readonly maxPayloadLength: number;
  /** Seconds, 8 to 960; 0: none. */
  readonly idleTimeout: number;
  readonly sendPingsAutomatically: boolean;
  readonly maxBackpressure: number;
  readonly compression: number;
  readonly upgrade: (res: UwsResponse, req: UwsRequest, context: UwsUpgradeContext) => void;
  readonly open: (socket: UwsWebSocket) => void;
  readonly message: (socket: UwsWebSocket, data: ArrayBuffer, isBinary: boolean) => void;
  readonly ping: (socket: UwsWebSocket, data: ArrayBuffer) => void;
  readonly pong: (socket: UwsWebSocket, data: ArrayBuffer) => void;
  readonly drain: (socket: UwsWebSocket) => void;
  readonly close: (socket: UwsWebSocket, code: number, message: ArrayBuffer) => void;
}

export interface UwsTlsOptions {
  readonly key_file_name: string;
  readonly cert_file_name: string;
  readonly ssl_ciphers: string;
}

/** Opaque token of a listening socket; dead once closed. */
export type UwsListenSocket = object;

export interface UwsApp {
  any(pattern: string, handler: (res: UwsResponse, req: UwsRequest) => void): UwsApp;
  ws(pattern: string, behavior: UwsWebSocketBehavior): UwsApp;
  filter(onChange: (res: UwsResponse, change: number) => void): UwsApp;
  addServerName(name: string, options: UwsTlsOptions): UwsApp;
  domain(name: string): UwsApp;
  listen(host: string, port: number, done: (socket: UwsListenSocket | false) => void): UwsApp;
  close(): UwsApp;
  /** Not in the addon's own declarations, like the two that take it. */
  getDescriptor(): UwsAppDescriptor;
  /** What is accepted goes to the child apps in turn, in a later turn of the loop; without any, to the app itself. */
  addChildAppDescriptor(descriptor: UwsAppDescriptor): void;
  /** Its connections live on. */
  removeChildAppDescriptor(descriptor: UwsAppDescriptor): void;
}

/** A pointer as a number. */
export type UwsAppDescriptor = number;

export interface Uws {
  App(): UwsApp;
  SSLApp(options: UwsTlsOptions): UwsApp;
  us_listen_socket_close(socket: UwsListenSocket): void;
  us_socket_local_port(socket: UwsListenSocket): number;
  _cfg(key: "silent"): void;
  readonly DISABLED: number;
  readonly SHARED_COMPRESSOR: number;
  readonly SHARED_DECOMPRESSOR: number;
}

/** Above the configured size, so that a head that is a little too large reaches the gate and gets a logged 431. */
const HEADROOM = 2;

function requireAddon(): Uws {
  try {
    return createRequire(import.meta.url)("uWebSockets.js") as Uws;
  } catch (error) {
    const { node, modules } = process.versions;
    throw new Error(
      `the HTTP engine does not load on Node.js ${node} (ABI ${modules}): packages installed under another Node.js? Run npm ci`,
      {
        cause: error,
      },
    );
  }
}

let loaded: { readonly uws: Uws; readonly maxHeaderBytes: number } | null = null;

/**
 * The addon reads its head limit from the environment while it loads: the first call decides for the whole process.
 * @param maxHeaderBytes the largest of all listeners; a later call that asks for more throws
 */
export function loadUws(maxHeaderBytes: number): Uws {
  if (loaded !== null) {
    if (maxHeaderBytes <= loaded.maxHeaderBytes) return loaded.uws;
    throw new Error(`uWebSockets.js was loaded for heads of ${loaded.maxHeaderBytes} bytes; load it with the largest maxHeaderBytes first`);
  }
  process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(Math.ceil(maxHeaderBytes * HEADROOM));
  const uws = requireAddon();
  uws._cfg("silent"); // no `uWebSockets: 20` field in every response
  loaded = { uws, maxHeaderBytes };
  return uws;
}
