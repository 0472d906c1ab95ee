/** The head of one attempt, derived from the exchange's request after its filters have run. */
import type { RequestHead } from "../engine/model/request.js";
import type { UpstreamRequest } from "./ports.js";

/** Methods for which an absent body is better said aloud (RFC 9110 §8.6). */
const EXPECTS_BODY: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

export function upstreamRequest(head: RequestHead, isFresh: boolean): UpstreamRequest {
  return {
    method: head.method,
    target: head.query === undefined ? head.path : `${head.path}?${head.query}`,
    authority: head.authority,
    headers: head.headers,
    bodyLength: head.bodyLength,
    hasZeroLength: head.bodyLength === 0 && (head.hasZeroLength || EXPECTS_BODY.has(head.method)),
    acceptsTrailers: head.acceptsTrailers,
    isWebSocket: head.isWebSocket,
    isFresh,
  };
}
