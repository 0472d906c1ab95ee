/** What both ends of the opening handshake compute and check (RFC 6455 §4.1, §4.2.2). */

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Base64 of 16 bytes. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

export function isWebSocketKey(text: string): boolean {
  return KEY.test(text);
}

/** Sec-WebSocket-Accept is its SHA-1 in base64. */
export function acceptSource(key: string): string {
  return key + GUID;
}
