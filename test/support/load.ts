/**
 * Clients that keep asking while something happens to the gateway, and count what fails. Each kind says how it treats its
 * connections, because that decides what a gateway may cost it.
 */
import { Agent as HttpAgent, request as httpRequest, type RequestOptions } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { eventually } from "./gateway.js";

export type LoadKind =
  /** HTTP/1.1 over connections that are used again until the gateway says close. */
  | "keep-alive"
  /** HTTP/1.1, a connection per request. */
  | "new connections"
  /** HTTP/2 streams over connections that are used until the gateway says GOAWAY. */
  | "http2";

export interface LoadOptions {
  readonly kind: LoadKind;
  readonly port: number;
  /** Over TLS, trusting this. */
  readonly ca?: string;
  readonly clients?: number;
  readonly path?: string;
}

export interface Load {
  readonly done: number;
  /** What went wrong, request by request. */
  readonly failures: readonly string[];
  /** Requests on HTTP/2 connections that ended before they were looked at, and were sent again as HTTP/2 clients do (RFC 9113 §8.7). */
  readonly repeated: number;
  /** Resolves when so many more requests have been answered. */
  more(requests: number): Promise<void>;
  /** Resolves when all clients have their last answer. */
  stop(): Promise<void>;
}

const CLIENTS = 4;
/** The gateway has gone: nobody learns more from further attempts. */
const MAX_FAILURES = 2_000;
const REQUEST_TIMEOUT_MS = 15_000;

export function startLoad(options: LoadOptions): Load {
  const load = { done: 0, failures: [] as string[], repeated: 0, isStopped: false };
  const client = options.kind === "http2" ? http2Client(options) : http1Client(options);
  const clients = Array.from({ length: options.clients ?? CLIENTS }, async () => {
    const ask = client();
    while (!load.isStopped && load.failures.length < MAX_FAILURES) {
      try {
        const status = await ask.request();
        if (status === 200) load.done++;
        else load.failures.push(`status ${status}`);
      } catch (error) {
        if (/REFUSED_STREAM|ERR_HTTP2_GOAWAY_SESSION/.test(String(error))) load.repeated++;
        else load.failures.push(describe(error as NodeJS.ErrnoException));
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    ask.close();
  });
  return {
    get done() {
      return load.done;
    },
    failures: load.failures,
    get repeated() {
      return load.repeated;
    },
    async more(requests) {
      const goal = load.done + requests;
      await eventually(() => load.done >= goal, `${requests} more requests (${options.kind}); failed: ${load.failures.slice(0, 5)}`);
    },
    async stop() {
      load.isStopped = true;
      await Promise.all(clients);
    },
  };
}

interface Client {
  request(): Promise<number>;
  close(): void;
}

function http1Client({ kind, port, ca, path = "/" }: LoadOptions): () => Client {
  return () => {
    const isKept = kind === "keep-alive";
    const agentOptions = { keepAlive: isKept, maxSockets: 1 };
    const agent = ca === undefined ? new HttpAgent(agentOptions) : new HttpsAgent({ ...agentOptions, ca });
    const options: RequestOptions = { host: "127.0.0.1", port, path, agent, timeout: REQUEST_TIMEOUT_MS };
    return {
      request: () =>
        new Promise((resolve, reject) => {
          const start = ca === undefined ? httpRequest : httpsRequest;
          const request = start({ ...options, ...(ca === undefined ? {} : { ca, servername: "localhost" }) }, (response) => {
            response.on("error", reject);
            response.on("end", () => resolve(response.statusCode ?? 0));
            response.resume();
          });
          request.on("timeout", () => request.destroy(new Error("no answer")));
          request.on("error", (error) => reject(Object.assign(error, { isReused: request.reusedSocket })));
          request.end();
        }),
      close: () => agent.destroy(),
    };
  };
}

function http2Client({ port, ca, path = "/" }: LoadOptions): () => Client {
  return () => {
    let session: ClientHttp2Session | null = null;
    const open = (): ClientHttp2Session => {
      const opened = connectHttp2(
        ca === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
        ca === undefined ? {} : { ca },
      );
      const forget = (): void => {
        if (session === opened) session = null;
      };
      opened.on("goaway", forget).on("close", forget).on("error", forget);
      session = opened;
      return opened;
    };
    return {
      request: () => askStream(session === null || session.closed || session.destroyed ? open() : session, path),
      close: () => session?.destroy(),
    };
  };
}

function askStream(session: ClientHttp2Session, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let status = 0;
    session.once("error", reject);
    const stream = session.request({ ":path": path });
    stream.on("response", (headers) => {
      status = Number(headers[":status"]);
    });
    stream.on("error", reject);
    stream.on("end", () => {
      session.off("error", reject);
      // A stream that was reset ends, too.
      if (status === 0 || stream.rstCode !== 0) reject(new Error(`stream ended with code ${stream.rstCode}`));
      else resolve(status);
    });
    stream.setTimeout(REQUEST_TIMEOUT_MS, () => stream.destroy(new Error("no answer")));
    stream.resume();
    stream.end();
  });
}

function describe(error: NodeJS.ErrnoException & { isReused?: boolean }): string {
  return `${error.code ?? ""} ${error.message}${error.isReused === true ? " (on a connection used before)" : ""}`;
}

/** Several at once, as one. */
export function startLoads(all: readonly LoadOptions[]): Load {
  const loads = all.map(startLoad);
  return {
    get done() {
      return loads.reduce((sum, { done }) => sum + done, 0);
    },
    get repeated() {
      return loads.reduce((sum, { repeated }) => sum + repeated, 0);
    },
    get failures() {
      return loads.flatMap(({ failures }, i) => failures.map((failure) => `${all[i]?.kind} on port ${all[i]?.port}: ${failure}`));
    },
    more: async (requests) => void (await Promise.all(loads.map((load) => load.more(requests)))),
    stop: async () => void (await Promise.all(loads.map((load) => load.stop()))),
  };
}
