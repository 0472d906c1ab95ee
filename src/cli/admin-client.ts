/**
 * Speaks to the admin API of a running gateway: the only file that does. An answer is a value, whatever became of the request;
 * what could not be had comes with a sentence for the user and the exit code that says it to scripts.
 */
import { type IncomingMessage, type RequestOptions, request } from "node:http";
import { getSystemErrorMap } from "node:util";
import { type AdminFlags, type AdminTarget, type Chosen, chooseTarget, type Environment } from "./admin-target.js";
import { EXIT } from "./exit-codes.js";

export { ADMIN_FLAGS, ADMIN_FLAGS_HELP, type AdminFlags } from "./admin-target.js";

export interface AdminClient {
  /** As the user named it, for messages. */
  readonly name: string;
  /** @param path from `/v1/`, with its query */
  get(path: string): Promise<AdminAnswer>;
  put(path: string, body: unknown): Promise<AdminAnswer>;
  delete(path: string): Promise<AdminAnswer>;
  post(path: string, body: unknown, options?: { readonly timeoutMs?: number }): Promise<AdminAnswer>;
}

export type AdminAnswer =
  /** 2xx. The body is what the OpenAPI document promises for the endpoint. */
  { readonly ok: true; readonly status: number; readonly body: unknown } | AdminRefusal;

export interface AdminRefusal {
  readonly ok: false;
  /** 0 when there was no answer, or none of a Windrose admin API. */
  readonly status: number;
  /** For a person, without a newline. */
  readonly message: string;
  /** For the process. */
  readonly code: number;
  /** The problem (RFC 9457) as it came, for `--json` and for its members `result` and `problems`; null without an answer. */
  readonly problem: Readonly<Record<string, unknown>> | null;
}

const READ_TIMEOUT_MS = 15_000;
/** Replacing workers takes their drain time, one after the other. */
const CHANGE_TIMEOUT_MS = 600_000;
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Every answer of the admin API bears it. */
const SIGN = "windrose-admin";

export function createAdminClient(flags: AdminFlags, env: Environment = process.env): Chosen<AdminClient> {
  const target = chooseTarget(flags, env);
  if (!target.ok) return target;
  const client: AdminClient = {
    name: target.value.name,
    get: (path) => ask(target.value, { method: "GET", path, body: null, timeoutMs: READ_TIMEOUT_MS }),
    put: (path, body) => ask(target.value, { method: "PUT", path, body: JSON.stringify(body), timeoutMs: READ_TIMEOUT_MS }),
    delete: (path) => ask(target.value, { method: "DELETE", path, body: null, timeoutMs: READ_TIMEOUT_MS }),
    post: (path, body, { timeoutMs = CHANGE_TIMEOUT_MS } = {}) =>
      ask(target.value, { method: "POST", path, body: JSON.stringify(body), timeoutMs }),
  };
  return { ok: true, value: client };
}

interface Question {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly body: string | null;
  readonly timeoutMs: number;
}

/** What came back, or the sentence that says why nothing did. */
type Received = { readonly response: IncomingMessage; readonly text: string } | string;

async function ask(target: AdminTarget, question: Question): Promise<AdminAnswer> {
  const received = await exchange(target, question);
  if (typeof received === "string") return { ok: false, status: 0, message: received, code: EXIT.unavailable, problem: null };
  const { response, text } = received;
  const status = response.statusCode ?? 0;
  const body = response.headers[SIGN] === undefined ? undefined : parseJson(text);
  if (body === undefined) return foreign(target);
  return status >= 200 && status < 300 ? { ok: true, status, body } : refusal(status, body, target);
}

function exchange(target: AdminTarget, question: Question): Promise<Received> {
  const deadline = AbortSignal.timeout(question.timeoutMs);
  return new Promise((resolve) => {
    const sent = request(requestOptions(target, question, deadline), (response) => {
      // A gateway that refuses early ends the upload; its answer is what counts.
      sent.off("error", fail).on("error", () => undefined);
      readAnswer(response).then(
        (text) => resolve(text === null ? `${target.name} answers without end` : { response, text }),
        (error: unknown) => resolve(describeFailure(error, target, deadline.aborted)),
      );
    });
    const fail = (error: unknown): void => resolve(describeFailure(error, target, deadline.aborted));
    sent.on("error", fail);
    limitConnecting(sent, () => resolve(`cannot reach ${target.name}: no connection within ${CONNECT_TIMEOUT_MS / 1000} s`));
    sent.end(question.body ?? undefined);
  });
}

function requestOptions(target: AdminTarget, { method, path, body }: Question, signal: AbortSignal): RequestOptions {
  const headers: Record<string, string | number> = { host: target.authority, accept: "application/json", connection: "close" };
  if (target.token !== "") headers["authorization"] = `Bearer ${target.token}`;
  if (body !== null) {
    headers["content-type"] = "application/json";
    headers["content-length"] = Buffer.byteLength(body);
  }
  return { ...target.connection, method, path, headers, signal, agent: false };
}

function limitConnecting(sent: ReturnType<typeof request>, onLate: () => void): void {
  const timer = setTimeout(() => {
    onLate();
    sent.destroy();
  }, CONNECT_TIMEOUT_MS);
  sent.once("close", () => clearTimeout(timer));
  sent.once("socket", (socket) => {
    if (socket.connecting) socket.once("connect", () => clearTimeout(timer));
    else clearTimeout(timer);
  });
}

/** Null when it is too large. */
async function readAnswer(response: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function describeFailure(error: unknown, target: AdminTarget, isLate: boolean): string {
  if (isLate) return `${target.name} did not answer in time`;
  // A name with several addresses fails once for each.
  const cause = error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException) : (error as NodeJS.ErrnoException);
  if (cause.code === "ENOENT") return `cannot reach ${target.name}: there is no such socket; is the gateway running?`;
  if (cause.syscall === "connect") return `cannot reach ${target.name}: ${systemReason(cause)}; is the gateway running?`;
  if (cause.code?.startsWith("HPE_") === true) return `${target.name} does not speak HTTP`;
  return `no answer from ${target.name}: ${systemReason(cause)}`;
}

function systemReason({ errno, code, message }: NodeJS.ErrnoException): string {
  return (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ?? code ?? message;
}

/** Undefined when it is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function foreign({ name }: AdminTarget): AdminRefusal {
  const message = `${name} answers, but is not the admin API of a Windrose gateway (or of an older one)`;
  return { ok: false, status: 0, message, code: EXIT.unavailable, problem: null };
}

function refusal(status: number, body: unknown, target: AdminTarget): AdminRefusal {
  const problem = typeof body === "object" && body !== null ? (body as Readonly<Record<string, unknown>>) : {};
  const words = [problem["title"], problem["detail"]].filter((part) => typeof part === "string" && part !== "");
  const message = `${target.name} refused with ${status}${words.length === 0 ? "" : `: ${words.join(": ")}`}`;
  return { ok: false, status, message: message + hintFor(status, target), code: codeFor(status, problem["result"]), problem };
}

function hintFor(status: number, { token }: AdminTarget): string {
  if (status !== 401) return "";
  return token === "" ? " (give --token-file FILE or WINDROSE_ADMIN_TOKEN)" : " (the token given is not one of its tokens)";
}

function codeFor(status: number, result: unknown): number {
  if (status === 401 || status === 403) return EXIT.notPermitted;
  return result === "rejected" ? EXIT.configuration : EXIT.failure;
}
