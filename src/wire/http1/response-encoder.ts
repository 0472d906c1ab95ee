/**
 * Responses, as a server writes them: heads as one latin1 string, which the caller's socket or buffer takes in one write.
 * Framing and Connection come from the arguments alone, never from the headers.
 */
import type { FieldName } from "./field-names.js";
import { encodeFields, isDangerous } from "./outgoing-fields.js";
import { reasonPhrase } from "./reason-phrases.js";

/** What goes out, and the request it answers. Header values are byte strings: one char per byte. */
export interface OutgoingResponse {
  /** 200–599. */
  readonly status: number;
  /** `[name, value, …]`, names in lower case. Framing and hop-by-hop fields are left out, but Upgrade with 426 (RFC 9110 §15.5.22). */
  readonly headers: readonly string[];
  /** 0: none; n: exact; -1: unknown. For HEAD, the length a GET would have had. */
  readonly bodyLength: number;
  /** Of the request. */
  readonly method: string;
  /** Of the request. */
  readonly minorVersion: 0 | 1;
  /** The connection serves another request afterwards. Ignored when the body runs until the connection ends. */
  readonly canPersist: boolean;
  /** Sent unless `headers` have one (RFC 9110 §6.6.1); "": none. */
  readonly date: string;
}

/**
 * How the body of a response is sent. `none`: not at all, whatever `bodyLength` says. `length`: as it is. `chunked`: each
 * piece behind its `chunkSizeLine` and before CRLF, `encodeLastChunk` at the end. `until-end`: as it is, then close.
 */
export type BodyFraming = "none" | "length" | "chunked" | "until-end";

const UPGRADE_REQUIRED = 426;
/** RFC 9110 §7.8. */
const PROTOCOL = /^[!#$%&'*+\-.^_`|~\w]+(?:\/[!#$%&'*+\-.^_`|~\w]+)?$/;

/** RFC 9112 §6.3; §6.1 for HTTP/1.0, which knows no chunks. */
export function bodyFraming(response: OutgoingResponse): BodyFraming {
  const { status, method } = response;
  if (method === "HEAD" || isBodiless(status) || (method === "CONNECT" && status < 300)) return "none";
  if (response.bodyLength >= 0) return "length";
  return response.minorVersion === 1 ? "chunked" : "until-end";
}

/** Null when a part could be read as more than itself or is no final status: the caller has let something unchecked through. */
export function encodeResponseHead(response: OutgoingResponse): string | null {
  const { status, headers, date } = response;
  if (!Number.isInteger(status) || status < 200 || status > 599 || isDangerous(date)) return null;
  const fields = encodeFields(headers, status === UPGRADE_REQUIRED ? isEndToEndOrUpgrade : isEndToEnd);
  if (fields === null) return null;
  const dateLine = date === "" || hasField(headers, "date") ? "" : `date: ${date}\r\n`;
  const framing = bodyFraming(response);
  return `${statusLine(status)}${fields}${dateLine}${framingLine(response, framing)}${connectionLine(response, framing)}\r\n`;
}

/** 1xx except 101, such as 100 and 103; never for HTTP/1.0 clients (RFC 9110 §15.2). Null as above. */
export function encodeInterimHead(status: number, headers: readonly string[] = []): string | null {
  if (!Number.isInteger(status) || status < 100 || status > 199 || status === 101) return null;
  const fields = encodeFields(headers, isEndToEnd);
  return fields === null ? null : `${statusLine(status)}${fields}\r\n`;
}

/** 101 with `Upgrade: protocol` and the handshake fields among `headers`; never for HTTP/1.0 clients. Null as above. */
export function encodeUpgradeHead(protocol: string, headers: readonly string[]): string | null {
  const fields = encodeFields(headers, isEndToEnd);
  if (fields === null || !PROTOCOL.test(protocol)) return null;
  return `${statusLine(101)}connection: upgrade\r\nupgrade: ${protocol}\r\n${fields}\r\n`;
}

const statusLines = new Map<number, string>();

/** Statuses are bounded by being three digits. */
function statusLine(status: number): string {
  let line = statusLines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n`;
    statusLines.set(status, line);
  }
  return line;
}

function hasField(headers: readonly string[], name: string): boolean {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return true;
  return false;
}

function isBodiless(status: number): boolean {
  return status === 204 || status === 304;
}

/** RFC 9110 §8.6: Content-Length never comes with 204 and with the answer to a CONNECT; 304 could only repeat another response's. */
function framingLine(response: OutgoingResponse, framing: BodyFraming): string {
  if (framing === "chunked") return "transfer-encoding: chunked\r\n";
  if (framing === "until-end" || response.bodyLength < 0) return "";
  const isUnframed = framing === "none" && (response.method !== "HEAD" || isBodiless(response.status));
  return isUnframed ? "" : `content-length: ${response.bodyLength}\r\n`;
}

/** The status line says 1.1 whatever the client speaks, so an end of the connection must be announced to all of them. */
function connectionLine(response: OutgoingResponse, framing: BodyFraming): string {
  if (response.method === "CONNECT" && response.status < 300) return "";
  const isLast = !response.canPersist || framing === "until-end";
  // RFC 9110 §7.8: who sends Upgrade names it.
  if (response.status === UPGRADE_REQUIRED) return isLast ? "connection: close, upgrade\r\n" : "connection: keep-alive, upgrade\r\n";
  if (isLast) return "connection: close\r\n";
  return response.minorVersion === 1 ? "" : "connection: keep-alive\r\n";
}

/** Host and Expect steer requests only. */
function isEndToEnd(field: FieldName): boolean {
  return field.kind === "plain" || field.kind === "host" || field.kind === "expect";
}

function isEndToEndOrUpgrade(field: FieldName): boolean {
  return field.kind === "upgrade" || isEndToEnd(field);
}
