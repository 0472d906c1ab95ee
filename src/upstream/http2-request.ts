/** The head of a request as HTTP/2 sends it. The codec does not look at it again, so that it is checked here. */
import type { UpstreamRequest } from "../proxy/ports.js";
import type { Http2RequestHead } from "../wire/http2/events.js";

/** Control bytes, and chars that are no byte: an HTTP/1 server behind the service could read them as the end of a line. */
const FORBIDDEN = /[^\t\x20-\x7e\x80-\xff]/;
const EDGE_BLANK = /^[\t ]|[\t ]$/;
const ONE_WORD = /^[\x21-\x7e\x80-\xff]+$/;

/** Null when a part cannot be sent as it is: the caller has let something unchecked through. */
export function http2RequestHead(request: UpstreamRequest, scheme: "http" | "https"): Http2RequestHead | null {
  const { isWebSocket } = request;
  const { acceptsTrailers, authority, bodyLength, headers, method, target } = request;
  if (!ONE_WORD.test(method) || !ONE_WORD.test(target) || FORBIDDEN.test(authority) || !areSendable(headers)) return null;
  if (isWebSocket) return webSocketHead(request, scheme);
  return { method, scheme, authority, path: target, protocol: "", headers: withoutEdges(headers), bodyLength, acceptsTrailers };
}

/** RFC 8441 §5: the key of HTTP/1.1 has no place here. */
function webSocketHead({ authority, headers, target }: UpstreamRequest, scheme: "http" | "https"): Http2RequestHead {
  const fields = [...withoutEdges(headers), "sec-websocket-version", "13"];
  return {
    ...{ method: "CONNECT", scheme, authority, path: target, protocol: "websocket" },
    ...{ headers: fields, bodyLength: -1, acceptsTrailers: false },
  };
}

export function areSendable(fields: readonly string[]): boolean {
  for (let i = 0; i < fields.length; i++) if (FORBIDDEN.test(fields[i] as string)) return false;
  return true;
}

/** White space around a value is nothing in HTTP/1 and an error in HTTP/2 (RFC 9113 §8.2.1). */
function withoutEdges(headers: readonly string[]): readonly string[] {
  for (let i = 1; i < headers.length; i += 2) {
    if (EDGE_BLANK.test(headers[i] as string)) return headers.map((text) => text.replace(/^[\t ]+|[\t ]+$/g, ""));
  }
  return headers;
}
