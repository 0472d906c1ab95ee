/**
 * Requests for a WebSocket on our own codecs: an upgrade of HTTP/1.1 (RFC 6455 §4.2.1), or an extended CONNECT of HTTP/2
 * (RFC 8441 §5). Marks the head, or refuses; everything that is no such request is left alone.
 */
import type { IncomingRequest } from "../../wire/http1/incoming-request.js";
import { isWebSocketKey } from "../../wire/websocket/handshake.js";
import type { HeadVerdict } from "../head-rules.js";

const VERSION = "13";

/** Returns the client's key when it is to have a WebSocket, else "". */
export function judgeUpgrade(verdict: HeadVerdict, request: IncomingRequest): string {
  const { head } = verdict;
  if (!request.upgrades.includes("websocket") || head.method !== "GET" || verdict.code !== null) return "";
  const keys = valuesOf(head.headers, "sec-websocket-key");
  const [key = ""] = keys;
  if (keys.length !== 1 || !isWebSocketKey(key) || head.bodyLength !== 0) verdict.refuse("bad-request", "malformed WebSocket upgrade");
  else if (!checkVersion(verdict)) return "";
  else head.isWebSocket = true;
  return head.isWebSocket ? key : "";
}

/** @param isEnd the stream, which would be the connection, has ended with its head */
export function judgeConnect(verdict: HeadVerdict, protocol: string, isEnd: boolean): void {
  if (isEnd) verdict.refuse("bad-request", "malformed WebSocket request");
  if (protocol !== "websocket") verdict.refuse("method-not-supported", "only WebSockets can be connected to");
  else verdict.head.isWebSocket = verdict.code === null && checkVersion(verdict);
}

function checkVersion(verdict: HeadVerdict): boolean {
  const versions = valuesOf(verdict.head.headers, "sec-websocket-version");
  if (versions.length === 1 && versions[0] === VERSION) return true;
  verdict.refuse("websocket-version", "Sec-WebSocket-Version must be 13");
  return false;
}

function valuesOf(headers: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) values.push(headers[i + 1] as string);
  return values;
}
