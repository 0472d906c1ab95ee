/**
 * Requests, as a client writes them: the head as one latin1 string. Framing fields come from the request's length alone,
 * never from its headers.
 */
import { isDangerous, isDangerousName } from "./outgoing-fields.js";

/** What goes out. Header values are byte strings: one char per byte. */
export interface OutgoingRequest {
  readonly method: string;
  /** Origin-form. */
  readonly target: string;
  /** Becomes Host. */
  readonly authority: string;
  /** `[name, value, …]`, without host, framing and hop-by-hop fields. */
  readonly headers: readonly string[];
  /** 0: none; n: exact; -1: chunked. */
  readonly bodyLength: number;
  /** Send `content-length: 0`. */
  readonly hasZeroLength: boolean;
  /** Send `te: trailers`. */
  readonly acceptsTrailers: boolean;
}

/** TE concerns one hop, so Connection names it (RFC 9110 §10.1.4). */
const TRAILERS_ACCEPTED = "te: trailers\r\nconnection: te\r\n";
const WEBSOCKET_UPGRADE = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n";

/**
 * Null when a part could be read as more than itself: the caller has let something unchecked through.
 * @param webSocketKey asks for a switch to WebSocket with this Sec-WebSocket-Key (RFC 6455 §4.1); "": it does not
 */
export function encodeRequestHead(request: OutgoingRequest, webSocketKey = ""): string | null {
  const { authority, headers, method, target } = request;
  if (isDangerous(authority) || !isOneWord(method) || !isOneWord(target)) return null;
  let head = `${method} ${target} HTTP/1.1\r\nhost: ${authority}\r\n`;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    // One by one: on short flat strings this is cheaper than any scan of the whole head.
    if (isDangerousName(name) || isDangerous(value)) return null;
    head += `${name}: ${value}\r\n`;
  }
  if (webSocketKey === "" && request.acceptsTrailers) head += TRAILERS_ACCEPTED;
  return head + (webSocketKey === "" ? framing(request) : `${WEBSOCKET_UPGRADE}sec-websocket-key: ${webSocketKey}\r\n\r\n`);
}

/** A space in the request line would move its borders. */
function isOneWord(text: string): boolean {
  return text !== "" && !text.includes(" ") && !isDangerous(text);
}

function framing(request: OutgoingRequest): string {
  if (request.bodyLength > 0) return `content-length: ${request.bodyLength}\r\n\r\n`;
  if (request.bodyLength < 0) return "transfer-encoding: chunked\r\n\r\n";
  return request.hasZeroLength ? "content-length: 0\r\n\r\n" : "\r\n";
}
