/**
 * The one table of everything that can go wrong with an exchange: code → HTTP status, two-letter flag for logs and
 * metrics, whose fault it is, and whether another attempt may help. Nothing here knows operating-system errors
 * (upstream/socket-errors.ts does) or bytes (proxy/local-reply.ts does).
 */

export type ErrorOrigin = "downstream" | "gateway" | "upstream";

export interface ErrorFacts {
  /** HTTP status of the local reply (RFC 9110 §15; 499 is never sent, it only appears in logs). */
  readonly status: number;
  /** Two letters, as operators know them from Envoy where Envoy has the case. */
  readonly flag: string;
  readonly origin: ErrorOrigin;
  /** Another attempt, to another endpoint, may succeed. Whether one is made also depends on method and body. */
  readonly isRetryable: boolean;
  /** Short human title; the local reply's `title` (RFC 9457). */
  readonly title: string;
}

function facts(status: number, flag: string, origin: ErrorOrigin, title: string, isRetryable = false): ErrorFacts {
  return Object.freeze({ status, flag, origin, isRetryable, title });
}

export const ERRORS = Object.freeze({
  // Downstream: the caller sent something that cannot be accepted, or went away.
  "bad-request": facts(400, "DP", "downstream", "Malformed request"),
  "request-timeout": facts(408, "DT", "downstream", "The request took too long to arrive"),
  /** It held a connection to a service that others waited for. An answer that is under way is broken off. */
  "slow-client": facts(408, "DT", "downstream", "The client was too slow while others waited"),
  "body-too-large": facts(413, "DL", "downstream", "Request body too large"),
  "headers-too-large": facts(431, "DL", "downstream", "Request header fields too large"),
  "expectation-failed": facts(417, "DP", "downstream", "Expectation cannot be met"),
  /** RFC 6455 §4.4; the reply names the version that is spoken. */
  "websocket-version": facts(426, "DP", "downstream", "WebSocket version not supported"),
  "method-not-supported": facts(501, "DP", "downstream", "Method not supported"),
  "target-too-long": facts(414, "DL", "downstream", "Request target too long"),
  "version-not-supported": facts(505, "DP", "downstream", "HTTP version not supported"),
  "coding-not-supported": facts(501, "DP", "downstream", "Transfer coding not supported"),
  "host-misdirected": facts(421, "NR", "downstream", "Host is not served here"),
  "downstream-abort": facts(499, "DC", "downstream", "Client closed the connection"),

  // Gateway: our own decision.
  "route-not-found": facts(404, "NR", "gateway", "No route matches"),
  unauthorized: facts(401, "UA", "gateway", "Authentication required"),
  forbidden: facts(403, "UA", "gateway", "Not allowed"),
  "key-set-unavailable": facts(503, "UA", "gateway", "Token verification keys are unavailable"),
  "rate-limited": facts(429, "RL", "gateway", "Rate limit exceeded"),
  "limit-store-unavailable": facts(503, "RL", "gateway", "Rate limit store is unavailable"),
  "loop-detected": facts(508, "LD", "gateway", "Request loop detected"),
  overloaded: facts(503, "OM", "gateway", "Gateway is overloaded"),
  /** The gateway stops: no new upgrades, and WebSockets are closed with 1001. */
  draining: facts(503, "SD", "gateway", "Gateway is stopping"),
  /** The gateway stopped and this exchange did not end in time; it only appears in logs. */
  "drain-timeout": facts(503, "SD", "gateway", "Gateway is stopping"),
  internal: facts(500, "IE", "gateway", "Internal gateway error"),

  // Upstream: the service did not answer as it should.
  "no-healthy-endpoint": facts(503, "UH", "upstream", "No healthy endpoint"),
  "upstream-overflow": facts(503, "UO", "upstream", "Too many requests wait for this service"),
  /** The service was not asked, because too many of the last requests failed. */
  "circuit-open": facts(503, "UO", "gateway", "Too many requests to this service failed"),
  "connect-failed": facts(503, "UF", "upstream", "Could not connect to the service", true),
  "connect-timeout": facts(504, "UF", "upstream", "Connecting to the service took too long", true),
  "upstream-tls-failed": facts(502, "UF", "upstream", "TLS to the service failed", true),
  "upstream-timeout": facts(504, "UT", "upstream", "The service took too long to answer", true),
  /** A pooled connection died before the first byte of an answer: safe to repeat when the request is. */
  "upstream-stale": facts(502, "UC", "upstream", "The service closed the connection", true),
  /** It speaks HTTP/2, but not RFC 8441. */
  "upgrade-not-supported": facts(501, "UP", "gateway", "The service cannot be reached by WebSocket"),
  /** The service has not looked at the request (RFC 9113 §8.7): safe to repeat whatever it is. */
  "upstream-refused": facts(503, "UR", "upstream", "The service refused the request", true),
  "upstream-reset": facts(502, "UR", "upstream", "The service reset the connection", true),
  "upstream-closed": facts(502, "UC", "upstream", "The service closed the connection early", true),
  "upstream-protocol": facts(502, "UP", "upstream", "The service sent a malformed answer", true),
} satisfies Record<string, ErrorFacts>);

export type ErrorCode = keyof typeof ERRORS;
