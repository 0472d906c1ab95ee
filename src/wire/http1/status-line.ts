/** `HTTP/1.x SP 3DIGIT [SP reason]`: the first line of a response (RFC 9112 §4). */
import { decimal } from "./control-fields.js";
import type { StartLine } from "./head-parser.js";
import { uncleanRefusal } from "./head-parser.js";
import type { Refusal } from "./refusal.js";

const PREFIX = "HTTP/";
const ZERO = 48;
const ONE = 49;
const DOT = 46;
const SPACE = 32;
const WITHOUT_REASON = 12;

export class StatusLine implements StartLine {
  readonly role = "response";
  readonly maxBytes: number;
  readonly sizeRefusal = "head-too-large";
  readonly maxEmptyLines = 0;
  status = 0;
  minorVersion = 1;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Whatever speaks another protocol is noticed by its first byte. */
  refuseBeginning(text: string, start: number, end: number): Refusal | null {
    if (text.startsWith(PREFIX, start)) return null;
    return end - start < PREFIX.length && PREFIX.startsWith(text.substring(start, end)) ? null : "bad-status-line";
  }

  /** The space before an empty reason is often left out; accepting that harms nobody. */
  read(text: string, start: number, end: number): Refusal | null {
    const unclean = uncleanRefusal(text, start, end);
    if (unclean !== null) return unclean;
    const afterStatus = start + WITHOUT_REASON;
    const isEnded = end === afterStatus || (end > afterStatus && text.charCodeAt(afterStatus) === SPACE);
    if (!isEnded || text.charCodeAt(start + 6) !== DOT || text.charCodeAt(start + 8) !== SPACE) return "bad-status-line";
    const minor = text.charCodeAt(start + 7);
    if (text.charCodeAt(start + 5) !== ONE || (minor !== ONE && minor !== ZERO)) return "bad-version";
    this.minorVersion = minor - ZERO;
    this.status = decimal(text.substring(start + 9, afterStatus), 3);
    return this.status >= 100 && this.status <= 599 ? null : "bad-status";
  }
}
