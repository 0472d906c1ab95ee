/** The framing of chunked bodies (RFC 9112 §7.1), as both roles write them. */
import type { FieldName } from "./field-names.js";
import { encodeFields } from "./outgoing-fields.js";

export const LAST_CHUNK = "0\r\n\r\n";

/** The line before a chunk's data; the data is followed by CRLF. `bytes` > 0: a size of zero would end the body. */
export function chunkSizeLine(bytes: number): string {
  return `${bytes.toString(16)}\r\n`;
}

/**
 * The last chunk with a trailer section. Fields that mean nothing after the content (RFC 9110 §6.5.1) are left out. Null
 * when a part could be read as more than itself.
 */
export function encodeLastChunk(trailers: readonly string[] | null): string | null {
  if (trailers === null || trailers.length === 0) return LAST_CHUNK;
  const lines = encodeFields(trailers, isTrailer);
  return lines === null ? null : `0\r\n${lines}\r\n`;
}

function isTrailer(field: FieldName): boolean {
  return field.isTrailer;
}
