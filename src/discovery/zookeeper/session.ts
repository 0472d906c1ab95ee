/**
 * One connection to one server, with a session that lives no longer than it. Requests are answered in their order; whatever ends
 * the connection ends them all. A server from which nothing is heard for two thirds of the session's time is given up.
 */
import { connect, type Socket } from "node:net";
import { FrameReader } from "./frames.js";
import type { JuteReader } from "./jute.js";
import * as messages from "./messages.js";

export interface SessionOptions {
  /** `host:port`, IPv6 in brackets. */
  readonly server: string;
  /** "": nobody in particular. */
  readonly username: string;
  readonly password: string;
  readonly sessionTimeoutMs: number;
  readonly lastSeen: bigint;
  /** Ends it. */
  readonly stop: AbortSignal;
  readonly onEvent: (event: messages.EventType, path: string) => void;
  /** The server has just said that it is there. */
  readonly onPong: () => void;
  /** Nothing comes any more. */
  readonly onEnd: () => void;
}

export interface Reply {
  readonly error: number;
  readonly body: JuteReader;
}

export interface Session {
  /** Why it has ended, fit for logs; null: it lives. */
  readonly error: Error | null;
  /** The latest change that the server has told of. */
  readonly lastSeen: bigint;
  /** @param write gets a number for the request; its frame has it, too */
  send(write: (xid: number) => Buffer): Promise<Reply>;
  close(): void;
}

/** Ten thousand names of 200 bytes are 2 MB; servers send values of 1 MB at most, unless told otherwise. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;

/** Rejects when the server grants none. One that is behind `lastSeen` ends the connection. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const session = new Connection(options);
  await session.granted;
  return session;
}

class Connection implements Session {
  readonly granted: Promise<void>;
  error: Error | null = null;
  lastSeen: bigint;
  readonly #options: SessionOptions;
  readonly #socket: Socket;
  readonly #frames = new FrameReader(MAX_MESSAGE_BYTES);
  readonly #waiting: { readonly xid: number; resolve(reply: Reply): void; reject(error: Error): void }[] = [];
  #grant: () => void = () => {};
  #deny: (error: Error) => void = () => {};
  #isGranted = false;
  #xid = 0;
  #silenceMs: number;
  #silence: NodeJS.Timeout | null = null;
  #pings: NodeJS.Timeout | null = null;
  readonly #onStop = (): void => this.close();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.lastSeen = options.lastSeen;
    this.#silenceMs = longestSilence(options.sessionTimeoutMs);
    this.granted = new Promise((resolve, reject) => {
      this.#grant = resolve;
      this.#deny = reject;
    });
    this.#socket = this.#connect();
    this.#heard();
    options.stop.addEventListener("abort", this.#onStop);
    if (options.stop.aborted) this.close();
  }

  send(write: (xid: number) => Buffer): Promise<Reply> {
    if (this.error !== null) return Promise.reject(this.error);
    this.#xid = (this.#xid + 1) % 0x7fffffff;
    const xid = this.#xid;
    this.#socket.write(write(xid));
    return new Promise((resolve, reject) => this.#waiting.push({ xid, resolve, reject }));
  }

  close(): void {
    if (this.error !== null) return;
    if (this.#isGranted) this.#socket.end(messages.closeRequest(0));
    this.#end(new Error("closed"));
  }

  #connect(): Socket {
    const { server } = this.#options;
    const at = server.lastIndexOf(":");
    const host = server.slice(0, at).replace(/^\[|\]$/g, "");
    const socket = connect({ host, port: Number(server.slice(at + 1)), noDelay: true });
    socket.on("connect", () => socket.write(messages.connectRequest(this.#options)));
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("error", (error) => this.#end(error));
    socket.on("close", () => this.#end(new Error(this.#isGranted ? "ended the connection" : "refuses a session")));
    return socket;
  }

  #take(chunk: Buffer): void {
    if (this.error !== null) return;
    this.#heard();
    try {
      for (const frame of this.#frames.push(chunk)) this.#read(frame);
    } catch (error) {
      this.#end(error as Error);
    }
  }

  #read(frame: Buffer): void {
    // A server may grant more than was asked for; what hangs is noticed as was asked for.
    if (!this.#isGranted) return this.#begin(Math.min(messages.readConnectResponse(frame), this.#options.sessionTimeoutMs));
    const message = messages.readServerMessage(frame);
    if (message.type === "event") this.#options.onEvent(message.event, message.path);
    else if (message.type === "pong") this.#options.onPong();
    else if (message.type === "authenticated") {
      if (message.error !== 0) throw new Error(messages.meaningOf(message.error));
    } else this.#answer(message);
  }

  #begin(sessionTimeoutMs: number): void {
    const { username, password } = this.#options;
    this.#isGranted = true;
    this.#silenceMs = longestSilence(sessionTimeoutMs);
    this.#heard();
    if (username !== "") this.#socket.write(messages.authRequest(username, password));
    this.#pings = setInterval(() => this.#socket.write(messages.pingRequest()), Math.max(1, sessionTimeoutMs / 3));
    this.#grant();
  }

  #answer({ xid, lastSeen, error, body }: Extract<messages.ServerMessage, { type: "reply" }>): void {
    const [first] = this.#waiting;
    if (first?.xid !== xid) throw new Error("answered out of turn");
    this.#waiting.shift();
    if (lastSeen > this.lastSeen) this.lastSeen = lastSeen;
    first.resolve({ error, body });
  }

  #heard(): void {
    if (this.#silence !== null) clearTimeout(this.#silence);
    const silenceMs = this.#silenceMs;
    this.#silence = setTimeout(() => this.#end(new Error(`says nothing for ${Math.round(silenceMs)} ms`)), silenceMs);
  }

  #end(error: Error): void {
    if (this.error !== null) return;
    this.error = error;
    this.#options.stop.removeEventListener("abort", this.#onStop);
    if (this.#silence !== null) clearTimeout(this.#silence);
    if (this.#pings !== null) clearInterval(this.#pings);
    // What was written last still leaves; a server that does not take it is not waited for.
    if (this.#socket.writableEnded) setTimeout(() => this.#socket.destroy(), CLOSE_MS).unref();
    else this.#socket.destroy();
    this.#deny(error);
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.#options.onEnd();
  }
}

const CLOSE_MS = 1_000;

function longestSilence(sessionTimeoutMs: number): number {
  return (sessionTimeoutMs * 2) / 3;
}
