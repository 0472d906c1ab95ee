/**
 * Base64 in pieces (RFC 4648 §4), as gRPC-Web's text mode sends it: padding may also stand in the middle, where one encoded
 * message ends and the next begins.
 */

const GROUP_CHARS = 4;
const NOTHING = Buffer.alloc(0);
/** Whole groups, each of which may be padded. */
const WELL_FORMED = /^(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)*$/;
const PADDED_GROUP = /=+/g;

/** Each piece is encoded by itself: a reader that decodes group by group needs no more. */
export function encodeBase64(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
  return Buffer.from(text, "latin1");
}

export class Base64Decoder {
  /** Less than a group. */
  #rest = "";

  /** Null when it is malformed, or ends within a group. */
  decode(chunk: Uint8Array, isLast: boolean): Uint8Array | null {
    const text = this.#rest + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("latin1");
    const end = text.length - (text.length % GROUP_CHARS);
    this.#rest = text.slice(end);
    const whole = text.slice(0, end);
    if ((isLast && this.#rest !== "") || !WELL_FORMED.test(whole)) return null;
    return whole.includes("=") ? decodeParts(whole) : Buffer.from(whole, "base64");
  }
}

/** Node stops at the first padding. */
function decodeParts(text: string): Uint8Array {
  const parts: Buffer[] = [];
  let start = 0;
  for (const padding of text.matchAll(PADDED_GROUP)) {
    const end = padding.index + padding[0].length;
    parts.push(Buffer.from(text.slice(start, end), "base64"));
    start = end;
  }
  parts.push(start < text.length ? Buffer.from(text.slice(start), "base64") : NOTHING);
  return Buffer.concat(parts);
}
