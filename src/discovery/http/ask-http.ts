/**
 * One bounded question over HTTP(S) to a server that knows endpoints: no redirects, certificates verified, size and time limited,
 * given up at once when told so. Rejects with a message fit for logs: it never quotes the answer or a credential.
 */
import { type IncomingHttpHeaders, type IncomingMessage, type RequestOptions, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { ServerTlsSpec } from "../../engine/model/endpoint-source.js";
import { MAX_TIMER_MS } from "../../engine/model/units.js";

export interface HttpQuestion {
  /** Without user and password. */
  readonly url: string;
  readonly tls: ServerTlsSpec;
  readonly method: "GET" | "POST";
  /** Lower case. May hold credentials. */
  readonly headers: Readonly<Record<string, string>>;
  /** "" for none. */
  readonly body: string;
  /** Of a whole answer; of a stream: until its head. */
  readonly timeoutMs: number;
  /** Of a whole answer; of a stream: of one line. */
  readonly maxBytes: number;
  /** Answers other than 200 are read, too. Default: false */
  readonly readsRefusals?: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Of a 200; "" of any other that is not to be read. */
  readonly text: string;
}

export async function askHttp(question: HttpQuestion, stop: AbortSignal): Promise<HttpAnswer> {
  const deadline = startDeadline(question.timeoutMs, stop);
  try {
    const response = await send(question, deadline.signal);
    const status = statusOf(response);
    const isRead = status === 200 || question.readsRefusals === true;
    if (!isRead) response.destroy();
    return { status, headers: response.headers, text: isRead ? await readText(response, question.maxBytes) : "" };
  } catch (error) {
    throw deadline.explain(error);
  } finally {
    deadline.end();
  }
}

export interface HttpStream {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Ends with the answer; rejects when it breaks off or a line is too long. To be read, or ended by `stop`. */
  readonly lines: AsyncIterable<string>;
}

/** For answers that go on for as long as there is news, a line at a time. `stop` ends it. */
export async function openHttpStream(question: HttpQuestion, stop: AbortSignal): Promise<HttpStream> {
  const deadline = startDeadline(question.timeoutMs, stop);
  try {
    const response = await send(question, deadline.signal);
    // From here on only `stop` ends it, or the kernel when the other side is gone.
    deadline.keep();
    response.socket.setKeepAlive(true, KEEP_ALIVE_MS);
    return { status: statusOf(response), headers: response.headers, lines: readLines(response, question.maxBytes) };
  } catch (error) {
    deadline.end();
    throw deadline.explain(error);
  }
}

/** Of silence; then come ten questions, a second apart. */
const KEEP_ALIVE_MS = 15_000;

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message would quote the answer.
    throw new Error("answered with something that is not JSON");
  }
}

interface Deadline {
  readonly signal: AbortSignal;
  /** Time does not matter any more, `stop` does. */
  keep(): void;
  end(): void;
  explain(error: unknown): Error;
}

function startDeadline(timeoutMs: number, stop: AbortSignal): Deadline {
  // Not AbortSignal.any and .timeout: Node 20 may collect them as garbage before they fire, and the question hangs for good.
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = setTimeout(abort, Math.min(timeoutMs, MAX_TIMER_MS));
  stop.addEventListener("abort", abort);
  if (stop.aborted) abort();
  return {
    signal: controller.signal,
    keep: () => clearTimeout(timer),
    end() {
      clearTimeout(timer);
      stop.removeEventListener("abort", abort);
    },
    explain(error) {
      if (controller.signal.aborted && !stop.aborted) return new Error(`no complete answer within ${timeoutMs} ms`, { cause: error });
      return error instanceof Error ? error : new Error("unknown error");
    },
  };
}

function send(question: HttpQuestion, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { method, headers, body } = question;
    const url = new URL(question.url);
    const options: RequestOptions = { agent: false, signal, method, headers: { "user-agent": "windrose", ...headers } };
    const request =
      url.protocol === "https:" ? requestHttps(url, { ...options, ...tlsOptionsOf(question.tls) }) : requestHttp(url, options);
    // A 101 ends the connection with neither an answer nor an error.
    request.on("close", () => reject(new Error("closed the connection without an answer")));
    request.on("response", resolve).on("error", reject).end(body);
  });
}

function tlsOptionsOf({ caPem, certPem, keyPem, serverName, isVerified }: ServerTlsSpec): object {
  return {
    ...(caPem === "" ? {} : { ca: caPem }),
    ...(certPem === "" ? {} : { cert: certPem, key: keyPem }),
    ...(serverName === "" ? {} : { servername: serverName }),
    rejectUnauthorized: isVerified,
  };
}

function statusOf({ statusCode }: IncomingMessage): number {
  return statusCode ?? 0;
}

async function readText(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`answered with more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function* readLines(response: IncomingMessage, maxBytes: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let line = "";
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const text = decoder.decode(chunk, { stream: true });
    let from = 0;
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", from)) {
      line += text.slice(from, at);
      if (line !== "") yield line;
      line = "";
      from = at + 1;
    }
    line += text.slice(from);
    if (line.length > maxBytes) throw new Error(`sent a line of more than ${maxBytes} bytes`);
  }
  if (line !== "") yield line;
}
