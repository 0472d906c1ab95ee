/**
 * Reads the JSON body of a request within bounds: of bytes, time, values and depth. The bounds on values are kept before anything
 * is parsed: 34 MiB of `[{},{},…` would become a gigabyte of objects.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Answer, problem } from "./answers.js";

export interface BodyLimits {
  readonly maxBytes: number;
  /** From the head to the last byte. */
  readonly timeoutMs: number;
}

export type BodyRead =
  /** `value` is undefined when there is no body. */
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly answer: Answer };

/** A thousand files of a document are two thousand. */
const MAX_VALUES = 10_000;
const MAX_DEPTH = 32;

export async function readJsonBody(request: IncomingMessage, response: ServerResponse, limits: BodyLimits): Promise<BodyRead> {
  const { headers } = request;
  const isEmpty = headers["transfer-encoding"] === undefined && (headers["content-length"] ?? "0") === "0";
  if (isEmpty) return { ok: true, value: undefined };
  const flaw = headFlaw(request, limits.maxBytes);
  if (flaw !== null) return { ok: false, answer: flaw };
  if (/^100-continue$/i.test(headers.expect ?? "")) response.writeContinue();
  const bytes = await readBytes(request, limits);
  if (!Buffer.isBuffer(bytes)) return { ok: false, answer: bytes };
  return parse(bytes);
}

function headFlaw({ headers }: IncomingMessage, maxBytes: number): Answer | null {
  if (!/^application\/json(?:\s*;\s*charset="?utf-8"?)?\s*$/i.test(headers["content-type"] ?? "")) {
    return problem(415, "The body must be JSON", {
      detail: "Send it as content-type: application/json, in UTF-8.",
      headers: { "accept-post": "application/json" },
    });
  }
  if (headers["content-encoding"] !== undefined) return problem(415, "Compressed bodies are not read");
  return Number(headers["content-length"] ?? 0) > maxBytes ? tooLarge(maxBytes) : null;
}

function tooLarge(maxBytes: number): Answer {
  return problem(413, "The body is too large", { detail: `At most ${maxBytes} bytes are read.` });
}

function readBytes(request: IncomingMessage, { maxBytes, timeoutMs }: BodyLimits): Promise<Buffer | Answer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = (result: Buffer | Answer): void => {
      clearTimeout(timer);
      request.off("data", onData).off("end", onEnd).off("close", onClose);
      resolve(result);
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > maxBytes) finish(tooLarge(maxBytes));
      else chunks.push(chunk);
    };
    const onEnd = (): void => finish(Buffer.concat(chunks));
    const onClose = (): void => finish(problem(400, "The body ended early"));
    const timer = setTimeout(() => finish(problem(408, "The body took too long")), timeoutMs);
    request.on("data", onData).on("end", onEnd).on("close", onClose);
  });
}

function parse(bytes: Buffer): BodyRead {
  const flaw = structureFlaw(bytes);
  if (flaw !== null) return { ok: false, answer: problem(400, flaw) };
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch (error) {
    // The message of a syntax error quotes the body, which may hold secrets.
    return { ok: false, answer: problem(400, error instanceof SyntaxError ? "The body is not JSON" : "The body is not UTF-8") };
  }
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
/** `[` and `{`, `]` and `}`: the second is the first with this bit. */
const BRACE_BIT = 0x20;
const [OPENING, CLOSING] = [0x7b, 0x7d];

/** Whatever is no string opens, closes or separates: so much can be said before it is known to be JSON at all. */
export function structureFlaw(bytes: Buffer): string | null {
  let [depth, values] = [0, 1];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) at = endOfString(bytes, at);
    else if ((byte | BRACE_BIT) === OPENING) {
      values++;
      if (++depth > MAX_DEPTH) return `The body is nested more than ${MAX_DEPTH} levels deep`;
    } else if ((byte | BRACE_BIT) === CLOSING) depth--;
    else if (byte === COMMA) values++;
    if (values > MAX_VALUES) return `The body holds more than ${MAX_VALUES} values`;
  }
  return null;
}

/** The quote that ends the string which begins at `start`; the length of the bytes when none does. */
function endOfString(bytes: Buffer, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at;
}
