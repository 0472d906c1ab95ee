/**
 * The only file that knows what operating systems, TLS libraries and HTTP/2 peers call their errors: it turns them into codes
 * of the error table, by the stage of the connection at which they struck.
 */
import type { ErrorCode } from "../engine/model/errors.js";
import * as http2 from "../wire/http2/error-codes.js";

/** `connect`: until TCP is up; `handshake`: until TLS is up; `open`: afterwards. */
export type ConnectionStage = "connect" | "handshake" | "open";

export function socketErrorCode(error: unknown, stage: ConnectionStage): ErrorCode {
  const code = systemCode(error);
  if (stage === "connect") return code === "ETIMEDOUT" ? "connect-timeout" : "connect-failed";
  if (stage === "handshake") return "upstream-tls-failed";
  // In TLS 1.3 a server refuses our side only after our handshake is over: its alert arrives on an open connection.
  return code.startsWith("ERR_SSL_") || code === "EPROTO" ? "upstream-tls-failed" : "upstream-reset";
}

/** For logs: code and message, which name addresses and certificates but never content. */
export function describeSocketError(error: unknown): string {
  const code = systemCode(error);
  const message = error instanceof Error ? error.message : String(error);
  if (message === "") return code;
  return code === "" || message.includes(code) ? message : `${code}: ${message}`;
}

function systemCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : "";
  return typeof code === "string" ? code : "";
}

/**
 * What an RST_STREAM of the service says about the request.
 * @param hasHead a response had begun: whatever the code is, the request was processed
 */
export function streamErrorCode(errorCode: number, hasHead: boolean): ErrorCode {
  if (errorCode === http2.REFUSED_STREAM && !hasHead) return "upstream-refused";
  return errorCode === http2.PROTOCOL_ERROR || errorCode === http2.HTTP_1_1_REQUIRED ? "upstream-protocol" : "upstream-reset";
}

const STREAM_ERROR_NAMES = new Map<number, string>(Object.entries(http2).map(([name, code]) => [code, name]));

/** The name that RFC 9113 §7 gives the code. */
export function describeStreamError(errorCode: number): string {
  return STREAM_ERROR_NAMES.get(errorCode) ?? `error ${errorCode}`;
}
