/**
 * Turns an error code into the response the gateway makes itself: the only place where a code becomes bytes. JSON
 * problem details (RFC 9457) or plain text, by Accept; a gRPC status without a message for gRPC. The detail shown to callers is chosen here: what upstream said
 * or did stays in the log.
 */
import { ERRORS, type ErrorCode } from "../engine/model/errors.js";
import { grpcStatusOf } from "../engine/model/grpc-status.js";
import { type HeaderList, headerValue, type RequestHead } from "../engine/model/request.js";
import { isGrpc } from "./grpc.js";

const NO_BODY = Buffer.alloc(0);

export interface LocalReply {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

/**
 * @param extra header list that the refusing filter wants on the response (`www-authenticate`, `retry-after`, …)
 * @param id the request id, so that a caller's complaint finds its log line
 */
export function localReply(head: RequestHead, code: ErrorCode, detail: string, id: string, extra: readonly string[]): LocalReply {
  const error = ERRORS[code];
  const publicDetail = error.origin === "upstream" || code === "internal" ? "" : detail;
  if (isGrpc(head.headers)) return grpcReply(code, publicDetail, id, extra);
  const isJson = wantsJson(headerValue(head.headers, "accept"));
  const body = isJson ? problemJson(code, publicDetail, id) : plainText(code, publicDetail, id);
  const contentType = isJson ? "application/problem+json" : "text/plain; charset=utf-8";
  const headers = ["content-type", contentType, "cache-control", "no-store", "x-request-id", id, ...extra];
  // RFC 6455 §4.4, RFC 9110 §15.5.22.
  if (code === "websocket-version") headers.push("sec-websocket-version", "13", "upgrade", "websocket");
  return { status: error.status, headers, body: Buffer.from(body, "utf8") };
}

/** gRPC over HTTP/2, "Trailers-Only": the status stands in the head, which ends the stream. HTTP itself went well. */
function grpcReply(code: ErrorCode, detail: string, id: string, extra: readonly string[]): LocalReply {
  const { title, status } = ERRORS[code];
  const message = percentEncoded(detail === "" ? title : `${title}: ${detail}`);
  const headers = ["content-type", "application/grpc", "grpc-status", String(grpcStatusOf(status)), "grpc-message", message];
  headers.push("x-request-id", id, ...extra);
  return { status: 200, headers, body: NO_BODY };
}

/** Percent-encoded UTF-8 outside printable ASCII, as `grpc-message` wants it. */
function percentEncoded(text: string): string {
  return text.replace(/[^ -$&-~]+/g, (part) => Buffer.from(part, "utf8").toString("hex").replace(/../g, "%$&").toUpperCase());
}

function problemJson(code: ErrorCode, detail: string, id: string): string {
  const { title, status } = ERRORS[code];
  const problem = { type: "about:blank", title, status, code, ...(detail === "" ? {} : { detail }), id };
  return `${JSON.stringify(problem)}\n`;
}

function plainText(code: ErrorCode, detail: string, id: string): string {
  const { title, status } = ERRORS[code];
  return `${status} ${title}${detail === "" ? "" : `: ${detail}`}\nid: ${id}\n`;
}

/**
 * JSON unless the caller prefers text: programs seldom send Accept, browsers and curl-with-Accept name text types.
 * Only the first of the types that decide is looked at; q-values between the two do not matter enough to parse.
 */
function wantsJson(accept: string | undefined): boolean {
  if (accept === undefined) return true;
  const decisive = /application\/(?:problem\+)?json|text\/(?:plain|html|\*)|application\/\*|\*\/\*/i.exec(accept);
  return decisive === null || !decisive[0].toLowerCase().startsWith("text/");
}
