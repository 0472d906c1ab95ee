/**
 * The only file that knows what operating systems and TLS libraries call their errors: it turns them into codes of the
 * error table, by the stage of the connection at which they struck.
 */
import type { ErrorCode } from "../engine/model/errors.js";

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
