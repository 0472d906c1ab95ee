/** IP addresses between text and bytes. Read strictly; written as RFC 5952 says. */

const GROUPS = 8;
const DECIMAL_BYTE = /^(?:0|[1-9][0-9]{0,2})$/;
const GROUP = /^[0-9a-fA-F]{1,4}$/;
const MAX_IPV6_TEXT = 45;

/** Four decimal bytes without leading zeros, or null. */
export function parseIpv4(text: string): Uint8Array | null {
  const parts = text.split(".", 5);
  if (parts.length !== 4 || !parts.every((part) => DECIMAL_BYTE.test(part) && Number(part) <= 255)) return null;
  return Uint8Array.from(parts, Number);
}

/** RFC 4291 §2.2 in all its forms, but without a zone. */
export function parseIpv6(text: string): Uint8Array | null {
  if (text.length > MAX_IPV6_TEXT) return null;
  const halves = text.split("::", 3);
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] as string, halves.length === 1);
  const tail = halves.length === 1 ? [] : parseGroups(halves[1] as string, true);
  if (head === null || tail === null) return null;
  const missing = GROUPS - head.length - tail.length;
  // `::` stands for one group at least.
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  return bytesOf([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

/** @param mayEndInIpv4 these groups are the end of the address */
function parseGroups(text: string, mayEndInIpv4: boolean): number[] | null {
  if (text === "") return [];
  const parts = text.split(":", GROUPS + 1);
  const groups: number[] = [];
  for (const [place, part] of parts.entries()) {
    const ipv4 = mayEndInIpv4 && place === parts.length - 1 ? parseIpv4(part) : null;
    if (ipv4 !== null) groups.push(groupAt(ipv4, 0), groupAt(ipv4, 2));
    else if (GROUP.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}

function bytesOf(groups: readonly number[]): Uint8Array {
  return Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff]));
}

function groupAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

export function formatIpv4(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** RFC 5952: lower case, no leading zeros, the longest run of zero groups as `::`, IPv4-mapped addresses with their IPv4 form. */
export function formatIpv6(bytes: Uint8Array, at: number): string {
  const groups = Array.from({ length: GROUPS }, (_, place) => groupAt(bytes, at + 2 * place));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return `::ffff:${formatIpv4(bytes, at + 12)}`;
  const { start, length } = longestZeros(groups);
  const texts = groups.map((group) => group.toString(16));
  if (length < 2) return texts.join(":");
  return `${texts.slice(0, start).join(":")}::${texts.slice(start + length).join(":")}`;
}

/** The first of the longest runs. */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 };
  let length = 0;
  for (const [place, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > longest.length) longest = { start: place + 1 - length, length };
  }
  return longest;
}
