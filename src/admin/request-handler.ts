/**
 * The life of a request: find the endpoint, judge who asks, read what was sent, answer, write it into the audit log. The order
 * matters: nothing is read from callers who may not ask, and nobody learns which paths exist without a token.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { z } from "zod";
import type { Caller, Door, Judge } from "./access.js";
import { type Answer, problem, send } from "./answers.js";
import type { AuditTrail } from "./audit.js";
import type { Endpoint } from "./endpoint.js";
import { type BodyLimits, readJsonBody } from "./request-body.js";
import type { Found, Router } from "./router.js";

export interface HandlerParts {
  readonly router: Router;
  /** As of now: tokens change while the server runs. */
  readonly judge: () => Judge;
  readonly audit: AuditTrail;
  readonly servedVersion: () => string;
  readonly onError: (error: unknown) => void;
}

export type RequestHandler = (request: IncomingMessage, response: ServerResponse, door: Door) => Promise<void>;

const SMALL_BODY: BodyLimits = { maxBytes: 64 * 1024, timeoutMs: 10_000 };
/** A document has at most 32 MiB per file. */
const LARGE_BODY: BodyLimits = { maxBytes: 34 * 1024 * 1024, timeoutMs: 50_000 };
const MAX_LARGE_BODIES = 2;
/** For what a refused caller still sends; ending at once could lose it the answer. */
const DISCARD_MS = 3_000;
const MAX_SHOWN_PATH = 200;

interface Outcome {
  readonly answer: Answer;
  readonly caller: Caller | null;
  readonly note: string;
}

export function createRequestHandler(parts: HandlerParts): RequestHandler {
  let largeBodies = 0;

  async function decide(
    request: IncomingMessage,
    response: ServerResponse,
    { found, door }: { found: Found; door: Door },
  ): Promise<Outcome> {
    const need = found.kind === "endpoint" ? found.endpoint.access : "read";
    const verdict = parts.judge()({ door, method: request.method ?? "", headers: request.headers }, need);
    const { caller } = verdict;
    if (!verdict.ok) return { answer: verdict.answer, caller, note: "" };
    if (found.kind === "none") return { answer: problem(404, "No such endpoint"), caller, note: "" };
    if (found.kind === "method") return { answer: methodProblem(found.allow), caller, note: "" };
    const { endpoint, parameters } = found;
    const query = readQuery(endpoint, request);
    if (!query.ok) return { answer: query.answer, caller, note: "" };
    const body = await readBody(endpoint, request, response);
    if (!body.ok) return { answer: body.answer, caller, note: "" };
    const call = { body: body.value as never, query: query.value as never, parameters, author: verdict.caller.name };
    return { answer: await guarded(endpoint, call), caller, note: noteOf(body.value) };
  }

  async function guarded(endpoint: Endpoint, call: Parameters<Endpoint["answer"]>[0]): Promise<Answer> {
    try {
      return await endpoint.answer(call);
    } catch (error) {
      parts.onError(error);
      return problem(500, "The view failed", { outcome: "error" });
    }
  }

  async function readBody(endpoint: Endpoint, request: IncomingMessage, response: ServerResponse): Promise<Read> {
    if (endpoint.body === null) return { ok: true, value: undefined };
    if (!endpoint.isLarge) return check(endpoint.body, await readJsonBody(request, response, SMALL_BODY), "body");
    if (largeBodies >= MAX_LARGE_BODIES) return { ok: false, answer: problem(429, "Too many large requests at once", RETRY_SOON) };
    largeBodies++;
    try {
      return check(endpoint.body, await readJsonBody(request, response, LARGE_BODY), "body");
    } finally {
      largeBodies--;
    }
  }

  return async (request, response, door) => {
    const startedMs = performance.now();
    const [path = "", ...rest] = (request.url ?? "").split("?");
    const found = parts.router(request.method ?? "", path);
    const versionBefore = parts.servedVersion();
    // Of a caller who has left meanwhile it is not known any more.
    const remote = door === "socket" ? "" : (request.socket.remoteAddress ?? "");
    const { answer, caller, note } = await decide(request, response, { found, door });
    if (found.kind === "endpoint" && found.endpoint.access === "write") {
      parts.audit.record({
        at: new Date().toISOString(),
        caller: caller?.name ?? "",
        remote,
        method: request.method ?? "",
        path: [path, ...rest].join("?").slice(0, MAX_SHOWN_PATH),
        operation: found.endpoint.id,
        note,
        outcome: answer.outcome,
        status: answer.status,
        versionBefore,
        versionAfter: parts.servedVersion(),
        durationMs: Math.round(performance.now() - startedMs),
      });
    }
    send(request, response, answer);
    discardRest(request);
  };
}

const RETRY_SOON = { headers: { "retry-after": "5" } };

type Read = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly answer: Answer };

function readQuery({ query, path }: Endpoint, request: IncomingMessage): Read {
  const text = (request.url ?? "").split("?").slice(1).join("?");
  if (query !== null) return check(query, { ok: true, value: Object.fromEntries(new URLSearchParams(text)) }, "query");
  const isIgnored = text === "" || !path.startsWith("/v1/");
  return isIgnored ? { ok: true, value: undefined } : { ok: false, answer: problem(400, "This endpoint takes no query") };
}

const MAX_SHOWN_ISSUES = 5;
const MAX_SHOWN_MESSAGE = 200;

function check(schema: z.ZodType, read: Read, what: string): Read {
  if (!read.ok) return read;
  const parsed = schema.safeParse(read.value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const issues = parsed.error.issues.slice(0, MAX_SHOWN_ISSUES).map(describeIssue);
  return { ok: false, answer: problem(400, `The ${what} is not what this endpoint takes`, { detail: issues.join("; ") }) };
}

function describeIssue({ path, message }: z.core.$ZodIssue): string {
  const place = path.map(String).join(".");
  return (place === "" ? message : `${place}: ${message}`).slice(0, MAX_SHOWN_MESSAGE);
}

function methodProblem(allow: readonly string[]): Answer {
  return problem(405, `Only ${allow.join(" and ")}`, { headers: { allow: allow.join(", ") } });
}

function noteOf(body: unknown): string {
  const note = (body as { readonly note?: unknown } | undefined)?.note;
  return typeof note === "string" ? note : "";
}

function discardRest(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  request.resume();
  const timer = setTimeout(() => request.socket.destroy(), DISCARD_MS).unref();
  request.once("close", () => clearTimeout(timer));
}
