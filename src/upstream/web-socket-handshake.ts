/** The client's half of the opening handshake (RFC 6455 §4.1): a key, and whether a 101 may be believed. */
import { createHash, randomBytes } from "node:crypto";
import { type HeaderList, headerValue, removeHeader } from "../engine/model/request.js";
import { acceptSource } from "../wire/websocket/handshake.js";

export function createWebSocketKey(): string {
  return randomBytes(16).toString("base64");
}

/**
 * Why the service's 101 cannot be believed; null when it can. Status, Upgrade and Connection are the parser's business.
 * @param key the one that was sent @param request the fields that were sent @param response the fields of the 101
 */
export function handshakeProblem(key: string, request: readonly string[], response: readonly string[]): string | null {
  const expected = createHash("sha1").update(acceptSource(key)).digest("base64");
  if (onlyValue(response, "sec-websocket-accept") !== expected) return "Sec-WebSocket-Accept does not match the key";
  return negotiationProblem(request, response);
}

/** The part of it that HTTP/2 has, too (RFC 8441 §5). */
export function negotiationProblem(request: readonly string[], response: readonly string[]): string | null {
  // We offer none: compression would be undone and done again here anyway.
  if (headerValue(response, "sec-websocket-extensions") !== undefined) return "an extension that was not offered";
  if (headerValue(response, "sec-websocket-protocol") === undefined) return null;
  const chosen = onlyValue(response, "sec-websocket-protocol") ?? "";
  return offeredProtocols(request).includes(chosen) ? null : "a subprotocol that was not offered";
}

/** Fields that concern this hop only; the subprotocol is handed over by itself. */
export function withoutHandshake(headers: HeaderList): HeaderList {
  removeHeader(headers, "sec-websocket-accept");
  removeHeader(headers, "sec-websocket-protocol");
  return headers;
}

/** Undefined also when the field is repeated. */
function onlyValue(headers: readonly string[], name: string): string | undefined {
  let found: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue;
    if (found !== undefined) return undefined;
    found = headers[i + 1];
  }
  return found;
}

function offeredProtocols(request: readonly string[]): string[] {
  const offered: string[] = [];
  for (let i = 0; i < request.length; i += 2) {
    if (request[i] === "sec-websocket-protocol") offered.push(...(request[i + 1] as string).split(",").map((part) => part.trim()));
  }
  return offered;
}
