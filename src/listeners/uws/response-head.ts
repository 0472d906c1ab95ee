/**
 * Encodes a response head for uWebSockets.js, which checks nothing it is given: a CR or LF in a name or value would
 * split the response. All fields go out in one `writeHeader` call (the addon copies bytes verbatim, so the value may
 * carry the following lines, each checked here), because a native call per field costs more than the field.
 */
import { STATUS_CODES } from "node:http";

/** First field name, and its value with all following fields in it. `name` is "" when there are none. */
export interface EncodedHead {
  readonly name: string;
  readonly text: string;
  /** Some value has bytes above 0x7f: the text must be handed over as latin1 bytes, strings leave as UTF-8. */
  readonly isLatin1: boolean;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const ODD = /[^\t\x20-\x7e]/;
const FORBIDDEN = /[\x00\r\n]|[^\x00-\xff]/;

/** uWebSockets.js or the writer adds these itself; a second one would corrupt framing (or just be wrong, for Date). */
const OWN_FIELDS = new Set(["date", "content-length", "transfer-encoding", "connection"]);

/** Names seen before: true when they may be sent, false when they are ours. Bounded. */
const knownNames = new Map<string, boolean>();
const MAX_KNOWN_NAMES = 1024;

/** Null when a name or value could not be sent safely. */
export function encodeHead(headers: readonly string[]): EncodedHead | null {
  let first = "";
  let text = "";
  let isLatin1 = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    const isSendable = knownNames.get(name) ?? learnName(name);
    if (isSendable === null) return null;
    if (!isSendable) continue;
    if (ODD.test(value)) {
      if (FORBIDDEN.test(value)) return null;
      isLatin1 = true;
    }
    if (first === "") {
      first = name;
      text = value;
    } else text += `\r\n${name}: ${value}`;
  }
  return { name: first, text, isLatin1 };
}

function learnName(name: string): boolean | null {
  if (!TOKEN.test(name)) return null;
  const isSendable = !OWN_FIELDS.has(name.toLowerCase());
  if (knownNames.size < MAX_KNOWN_NAMES) knownNames.set(name, isSendable);
  return isSendable;
}

export function withField(head: EncodedHead, name: string, value: string): EncodedHead {
  if (head.name === "") return { name, text: value, isLatin1: head.isLatin1 };
  return { name: head.name, text: `${head.text}\r\n${name}: ${value}`, isLatin1: head.isLatin1 };
}

/**
 * A stream of server-sent events whose text may be added to: not compressed, and not declared untouchable (RFC 9110
 * §7.7 forbids proxies to transform what says `no-transform`).
 */
export function isOpenEventStream(head: EncodedHead): boolean {
  const lines = `${head.name}: ${head.text}`.toLowerCase().split("\r\n");
  const isEventStream = lines.some((line) => /^content-type: *text\/event-stream *(;|$)/.test(line));
  return isEventStream && !lines.some((line) => /^content-encoding:|^cache-control:.*no-transform/.test(line));
}

const statusLines = new Map<number, string>();

/** `200 OK`; statuses are bounded by being three digits. */
export function statusLine(status: number): string {
  let line = statusLines.get(status);
  if (line === undefined) {
    line = `${status} ${STATUS_CODES[status] ?? "Unknown"}`;
    statusLines.set(status, line);
  }
  return line;
}
