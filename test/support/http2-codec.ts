/** The HTTP/2 codec on real sockets, as an adapter would hold it: for tests with other implementations at the other end. */
import net from "node:net";
import { Http2Connection, type Http2Role } from "../../src/wire/http2/connection.js";
import type { Http2Events, Http2RequestHead, Http2ResponseHead } from "../../src/wire/http2/events.js";
import { DEFAULT_HTTP2_LIMITS, type Http2Limits } from "../../src/wire/http2/limits.js";
import type { Http2Stream } from "../../src/wire/http2/stream.js";

/** A message to be sent. */
export interface OutgoingMessage {
  readonly body: Uint8Array;
  readonly trailers: readonly string[];
}

/** A message that has come. */
export interface IncomingMessage {
  head: Http2RequestHead | Http2ResponseHead | null;
  readonly chunks: Buffer[];
  trailers: readonly string[];
  readonly interim: number[];
  isComplete: boolean;
  /** The code of a reset, or null. */
  resetCode: number | null;
}

/** What the ends of an exchange hold of it. */
interface Slot {
  readonly incoming: IncomingMessage;
  outgoing: OutgoingMessage | null;
  sentBytes: number;
  readonly onDone: (incoming: IncomingMessage) => void;
}

export class CodecSocket implements Http2Events {
  readonly connection: Http2Connection;
  readonly socket: net.Socket;
  /** Server: a request is complete. */
  onComplete: (stream: Http2Stream, incoming: IncomingMessage) => void = () => {};
  onPeerSettings: () => void = () => {};
  #isFull = false;
  #isFlushing = false;

  constructor(role: Http2Role, socket: net.Socket, limits: Partial<Http2Limits> = {}) {
    this.socket = socket;
    this.connection = new Http2Connection(role, { ...DEFAULT_HTTP2_LIMITS, ...limits }, this);
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("drain", () => {
      this.#isFull = false;
      this.flush();
    });
    socket.on("data", (chunk: Buffer) => {
      this.connection.feed(chunk, 0, chunk.length, performance.now());
      this.flush();
    });
    this.flush();
  }

  flush(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    this.socket.cork();
    while (!this.#isFull) {
      const piece = this.connection.takeOutput();
      if (piece === null) break;
      this.#isFull = !this.socket.write(piece, () => this.connection.releaseOutput(piece));
    }
    this.socket.uncork();
    this.#isFlushing = false;
    if (this.connection.refusal !== null) this.socket.end();
  }

  /** Null when the connection takes no request now. */
  request(head: Http2RequestHead, outgoing: OutgoingMessage): Promise<IncomingMessage> | null {
    const isEnd = outgoing.body.length === 0 && outgoing.trailers.length === 0;
    const stream = this.connection.sendRequest(head, isEnd);
    if (stream === null) return null;
    return new Promise((resolve) => {
      const slot = createSlot(resolve);
      stream.owner = slot;
      if (!isEnd) this.#start(stream, slot, outgoing);
      this.flush();
    });
  }

  respond(stream: Http2Stream, head: Http2ResponseHead, outgoing: OutgoingMessage): void {
    const isEnd = outgoing.body.length === 0 && outgoing.trailers.length === 0;
    this.connection.sendResponse(stream, head, isEnd);
    if (!isEnd) this.#start(stream, slotOf(stream), outgoing);
    this.flush();
  }

  onRequest(stream: Http2Stream, head: Http2RequestHead, isEnd: boolean): void {
    const slot = createSlot((incoming) => this.onComplete(stream, incoming));
    stream.owner = slot;
    slot.incoming.head = head;
    if (isEnd) this.#complete(slot);
  }

  onResponse(stream: Http2Stream, head: Http2ResponseHead, isEnd: boolean): void {
    slotOf(stream).incoming.head = head;
    if (isEnd) this.#complete(slotOf(stream));
  }

  onInterim(stream: Http2Stream, status: number): void {
    slotOf(stream).incoming.interim.push(status);
  }

  onData(stream: Http2Stream, data: Uint8Array, isEnd: boolean): void {
    slotOf(stream).incoming.chunks.push(Buffer.from(data));
    this.connection.consume(stream, data.length);
    if (isEnd) this.#complete(slotOf(stream));
  }

  onTrailers(stream: Http2Stream, trailers: string[]): void {
    slotOf(stream).incoming.trailers = trailers;
    this.#complete(slotOf(stream));
  }

  onReset(stream: Http2Stream, errorCode: number): void {
    const slot = slotOf(stream);
    if (slot.incoming.isComplete) return;
    slot.incoming.resetCode = errorCode;
    slot.onDone(slot.incoming);
  }

  onWritable(stream: Http2Stream): void {
    const slot = slotOf(stream);
    const { outgoing } = slot;
    if (outgoing === null) return;
    const { body, trailers } = outgoing;
    slot.sentBytes += this.connection.sendData(stream, body.subarray(slot.sentBytes), trailers.length === 0);
    if (slot.sentBytes < body.length) return;
    slot.outgoing = null;
    if (trailers.length > 0) this.connection.sendTrailers(stream, trailers);
  }

  onOversizedRequest(stream: Http2Stream): void {
    this.connection.sendResponse(stream, { status: 431, headers: [], bodyLength: 0 }, true);
  }

  onSettings(): void {
    this.onPeerSettings();
  }

  onRefusedRequest(): void {}
  onPingAck(): void {}
  onGoAway(): void {}

  #start(stream: Http2Stream, slot: Slot, outgoing: OutgoingMessage): void {
    slot.outgoing = outgoing;
    this.onWritable(stream);
  }

  #complete(slot: Slot): void {
    slot.incoming.isComplete = true;
    slot.onDone(slot.incoming);
  }
}

function createSlot(onDone: (incoming: IncomingMessage) => void): Slot {
  const incoming = { head: null, chunks: [], trailers: [], interim: [], isComplete: false, resetCode: null };
  return { incoming, outgoing: null, sentBytes: 0, onDone };
}

function slotOf(stream: Http2Stream): Slot {
  return stream.owner as Slot;
}

export interface CodecServer {
  readonly port: number;
  readonly sockets: readonly CodecSocket[];
  close(): Promise<void>;
}

/** Hands every complete request to `onComplete`. */
export function startCodecServer(
  onComplete: (socket: CodecSocket, stream: Http2Stream, incoming: IncomingMessage) => void,
  limits: Partial<Http2Limits> = {},
): Promise<CodecServer> {
  const sockets: CodecSocket[] = [];
  const server = net.createServer((socket) => {
    const codec = new CodecSocket("server", socket, limits);
    codec.onComplete = (stream, incoming) => onComplete(codec, stream, incoming);
    sockets.push(codec);
  });
  const close = () =>
    new Promise<void>((done) => {
      for (const { socket } of sockets) socket.destroy();
      server.close(() => done());
    });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve({ port: (server.address() as net.AddressInfo).port, sockets, close }));
  });
}

/** A client that knows the server's settings. */
export function connectCodecClient(port: number, limits: Partial<Http2Limits> = {}): Promise<CodecSocket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: "127.0.0.1" }, () => {
      const codec = new CodecSocket("client", socket, limits);
      codec.onPeerSettings = () => resolve(codec);
    });
    socket.once("error", reject);
  });
}
