/** Status codes of close frames. */

/** Stands for a close frame without a code; it never travels (RFC 6455 §7.4.1). */
export const NO_CLOSE_CODE = 1005;

/** May be sent in a close frame: 1000-1003, 1007-1014, 3000-4999 (RFC 6455 §7.4 and the IANA registry). */
export function isSendableCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}
