/**
 * A healthy client: sends requests at a fixed rate over kept-alive connections, and some over fresh ones, and tells how
 * long they took. Time counts from when a request was due, so that waiting for a slow one before it counts as well.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { connect as connectTls } from "node:tls";

export interface ProbeTarget {
  readonly port: number;
  readonly isTls: boolean;
  /** Ahead of the path: chooses the service. */
  readonly prefix: string;
}

export interface ProbeOptions extends ProbeTarget {
  /** Requests per second over kept-alive connections; a tenth of them more comes over fresh ones. */
  readonly rate: number;
  readonly seconds: number;
}

export interface ProbeResult {
  readonly requests: number;
  /** Refused, broken, not 200, or not answered within ten seconds. */
  readonly errors: number;
  readonly firstError: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Of requests over fresh connections, connecting included. */
  readonly freshP50Ms: number;
  readonly freshP99Ms: number;
}

const CONNECTIONS = 16;
/** So many requests over kept-alive connections come with one over a fresh one. */
const FRESH_EVERY = 10;
const ANSWER_DEADLINE_MS = 10_000;

export async function runProbe(options: ProbeOptions): Promise<ProbeResult> {
  const probe = new Probe(options);
  await probe.open();
  return await probe.run();
}

class Probe {
  readonly #options: ProbeOptions;
  readonly #free: Connection[] = [];
  /** When each waiting request was due. */
  readonly #waiting: number[] = [];
  readonly #keptMs: number[] = [];
  readonly #freshMs: number[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #errors = 0;
  #firstError = "";

  constructor(options: ProbeOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    for (let i = 0; i < CONNECTIONS; i++) this.#free.push(await openConnection(this.#options));
  }

  async run(): Promise<ProbeResult> {
    const { rate, seconds } = this.#options;
    const startedAt = performance.now();
    let due = 0;
    let freshDue = 0;
    const periodMs = 1000 / rate;
    for (let elapsed = 0; elapsed < seconds * 1000; elapsed = performance.now() - startedAt) {
      for (; due * periodMs <= elapsed; due++) this.#waiting.push(startedAt + due * periodMs);
      for (; freshDue * FRESH_EVERY * periodMs <= elapsed; freshDue++) {
        this.#note(this.#askOnce(startedAt + freshDue * FRESH_EVERY * periodMs));
      }
      this.#dispatch();
      await delay(Math.max(1, startedAt + due * periodMs - performance.now()));
    }
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    for (const connection of this.#free) connection.close();
    return this.#result();
  }

  #dispatch(): void {
    while (this.#waiting.length > 0 && this.#free.length > 0) {
      // The one that has rested longest: none is idle for long.
      this.#note(this.#ask(this.#free.shift() as Connection, this.#waiting.shift() as number));
    }
  }

  #note(work: Promise<void>): void {
    const noted = work
      .catch((error: Error) => {
        this.#errors++;
        this.#firstError ||= error.message;
      })
      .then(() => void this.#underWay.delete(noted));
    this.#underWay.add(noted);
  }

  async #ask(connection: Connection, dueAt: number): Promise<void> {
    try {
      await connection.ask(this.#request(""));
      this.#keptMs.push(performance.now() - dueAt);
      this.#free.push(connection);
    } catch (error) {
      connection.close();
      this.#free.push(await openConnection(this.#options));
      throw error;
    } finally {
      this.#dispatch();
    }
  }

  async #askOnce(dueAt: number): Promise<void> {
    const connection = await openConnection(this.#options);
    try {
      await connection.ask(this.#request("Connection: close\r\n"));
      this.#freshMs.push(performance.now() - dueAt);
    } finally {
      connection.close();
    }
  }

  #request(field: string): string {
    return `GET ${this.#options.prefix}/small HTTP/1.1\r\nHost: localhost\r\n${field}\r\n`;
  }

  #result(): ProbeResult {
    return {
      requests: this.#keptMs.length + this.#freshMs.length,
      // Whoever still waits for a connection has had no answer either.
      errors: this.#errors + this.#waiting.length,
      firstError: this.#firstError,
      p50Ms: percentile(this.#keptMs, 0.5),
      p99Ms: percentile(this.#keptMs, 0.99),
      maxMs: percentile(this.#keptMs, 1),
      freshP50Ms: percentile(this.#freshMs, 0.5),
      freshP99Ms: percentile(this.#freshMs, 0.99),
    };
  }
}

class Connection {
  readonly #socket: Socket;
  #text = "";
  #settle: ((error: Error | null) => void) | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("latin1").on("data", (text) => this.#onText(String(text)));
    socket.on("error", (error) => this.#end(error));
    socket.on("close", () => this.#end(new Error("the connection was closed")));
  }

  ask(request: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => this.#end(new Error("no answer")), ANSWER_DEADLINE_MS);
      this.#settle = (error) => {
        clearTimeout(deadline);
        this.#settle = null;
        if (error === null) resolve();
        else reject(error);
      };
      this.#text = "";
      if (this.#socket.destroyed) this.#end(new Error("the connection was closed while idle"));
      else this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #onText(text: string): void {
    this.#text += text;
    const headEnd = this.#text.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#text)?.[1]);
    if (!(this.#text.length >= headEnd + 4 + length)) return;
    this.#end(this.#text.startsWith("HTTP/1.1 200 ") ? null : new Error(`answered ${this.#text.slice(0, 40)}`));
  }

  #end(error: Error | null): void {
    this.#settle?.(error);
  }
}

function openConnection({ port, isTls }: ProbeTarget): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const address = { host: "127.0.0.1", port };
    const socket = isTls ? connectTls({ ...address, servername: "localhost", rejectUnauthorized: false }) : connect(address);
    socket.once("error", reject);
    socket.once(isTls ? "secureConnect" : "connect", () => {
      socket.off("error", reject);
      resolve(new Connection(socket));
    });
  });
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
