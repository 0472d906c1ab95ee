/** What an answer looks like: JSON, or a problem (RFC 9457), never cached, and signed so that clients know whom they reached. */
import type { IncomingMessage, ServerResponse } from "node:http";

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** One word for the audit log. */
  readonly outcome: string;
}

/** What became of an order, as views say it, and how HTTP says it. */
const RESULTS: Readonly<Record<string, { readonly status: number; readonly title: string }>> = {
  applied: { status: 200, title: "" },
  unchanged: { status: 200, title: "" },
  planned: { status: 200, title: "" },
  good: { status: 200, title: "" },
  compared: { status: 200, title: "" },
  explained: { status: 200, title: "" },
  started: { status: 202, title: "" },
  notFound: { status: 404, title: "There is no such version" },
  busy: { status: 409, title: "Another change is under way" },
  rejected: { status: 422, title: "The configuration has problems" },
  invalid: { status: 422, title: "The request cannot be explained" },
  unsupported: { status: 501, title: "Not possible as this gateway was started" },
  failed: { status: 503, title: "The change could not be put into service" },
};

/** A view's value: as it is when it went well, else as a problem with the members of the value. */
export function resultAnswer(value: { readonly result: string; readonly message?: string }): Answer {
  const { status, title } = RESULTS[value.result] ?? { status: 500, title: "The view failed" };
  if (status < 300) return { ...json(status, value), outcome: value.result };
  const { message: detail, ...members } = value;
  return problem(status, title, { members: { ...(detail === undefined ? {} : { detail }), ...members }, outcome: value.result });
}

export interface ProblemOptions {
  readonly detail?: string;
  readonly members?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly outcome?: string;
}

export function problem(status: number, title: string, options: ProblemOptions = {}): Answer {
  const { detail, members = {}, headers = {}, outcome = "refused" } = options;
  const body = { title, status, ...(detail === undefined ? {} : { detail }), ...members };
  return { status, contentType: "application/problem+json", body: `${JSON.stringify(body, null, 2)}\n`, headers, outcome };
}

export function json(status: number, value: unknown): Answer {
  return { status, contentType: "application/json", body: `${JSON.stringify(value, null, 2)}\n`, outcome: "ok" };
}

/** For readers that take nothing: a large configuration must not be kept for them for ever. */
const SEND_TIMEOUT_MS = 60_000;

export function send(request: IncomingMessage, response: ServerResponse, answer: Answer, timeoutMs = SEND_TIMEOUT_MS): void {
  const { status, contentType, body, headers } = answer;
  if (response.destroyed) return;
  const timer = setTimeout(() => response.destroy(), timeoutMs).unref();
  response.once("close", () => clearTimeout(timer));
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": bytes.length,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "windrose-admin": "v1",
    ...headers,
  });
  response.end(request.method === "HEAD" ? undefined : bytes);
}
