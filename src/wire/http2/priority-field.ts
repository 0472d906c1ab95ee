/** The value of a Priority field (RFC 9218 §4, §5): a dictionary of structured fields (RFC 8941 §3.2) with two members that are known. */

export interface Priority {
  /** 0 to 7; 0 comes first. */
  readonly urgency: number;
  /** Of use in parts: takes turns with others of its urgency. Else they come whole, one after the other. */
  readonly isIncremental: boolean;
}

export const DEFAULT_URGENCY = 3;
export const URGENCIES = 8;
/** Browsers send 10. Whatever is longer is not read. */
const MAX_CHARS = 256;

const KEY = String.raw`[a-z*][a-z0-9_\-.*]*`;
const NUMBER = String.raw`-?(?:\d{1,12}\.\d{1,3}|\d{1,15})(?![\d.])`;
const TEXT = String.raw`"(?:[ !#-[\]-~]|\\["\\])*"`;
const TOKEN = String.raw`[A-Za-z*][!#$%&'*+\-.^_|~\x600-9A-Za-z:/]*`;
const BARE_ITEM = String.raw`(?:${NUMBER}|${TEXT}|${TOKEN}|:[A-Za-z0-9+/=]*:|\?[01])`;
const PARAMETERS = `(?:; *${KEY}(?:=${BARE_ITEM})?)*`;
const INNER_LIST = String.raw`\( *(?:${BARE_ITEM}${PARAMETERS}(?: +${BARE_ITEM}${PARAMETERS})*)? *\)`;
const MEMBER = new RegExp(`(${KEY})(?:=(${BARE_ITEM}|${INNER_LIST}))?${PARAMETERS}`, "y");
const SEPARATOR = /[ \t]*,[ \t]*(?!$)/y;
const SPACE_AROUND = /^ +| +$/g;
const URGENCY = /^0*[0-7]$/;

/** Null: malformed. A known member with a value that it cannot have counts as absent (RFC 9218 §4). */
export function parsePriority(value: string): Priority | null {
  if (value.length > MAX_CHARS) return null;
  const text = value.replace(SPACE_AROUND, "");
  let urgency = DEFAULT_URGENCY;
  let isIncremental = false;
  for (let at = 0; at < text.length; ) {
    MEMBER.lastIndex = at;
    const member = MEMBER.exec(text);
    if (member === null) return null;
    const [, key, item] = member;
    if (key === "u") urgency = item !== undefined && URGENCY.test(item) ? Number(item) : DEFAULT_URGENCY;
    else if (key === "i") isIncremental = item === undefined || item === "?1";
    at = MEMBER.lastIndex;
    if (at === text.length) break;
    SEPARATOR.lastIndex = at;
    if (!SEPARATOR.test(text)) return null;
    at = SEPARATOR.lastIndex;
  }
  return { urgency, isIncremental };
}
