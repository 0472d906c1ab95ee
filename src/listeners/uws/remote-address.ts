/** Turns a peer address in network byte order into its canonical text (RFC 5952); IPv4-mapped IPv6 is unwrapped. */

/** Callers come back: a short memory avoids building the same text for every request. */
const MAX_REMEMBERED = 1024;
const remembered = new Map<number, string>();

export function textOfAddress(address: ArrayBuffer): string {
  const bytes = new Uint8Array(address);
  if (bytes.length === 4) return textOfIpv4(bytes, 0);
  if (bytes.length !== 16) return "";
  return isMapped(bytes) ? textOfIpv4(bytes, 12) : textOfIpv6(bytes);
}

function textOfIpv4(bytes: Uint8Array, at: number): string {
  const [a, b, c, d] = [bytes[at] as number, bytes[at + 1] as number, bytes[at + 2] as number, bytes[at + 3] as number];
  const key = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  let text = remembered.get(key);
  if (text === undefined) {
    text = `${a}.${b}.${c}.${d}`;
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(key, text);
  }
  return text;
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

function textOfIpv6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] as number) << 8) | (bytes[i + 1] as number));
  const gap = longestZeroRun(groups);
  if (gap.length < 2) return hex(groups);
  return `${hex(groups.slice(0, gap.start))}::${hex(groups.slice(gap.start + gap.length))}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

function hex(groups: readonly number[]): string {
  return groups.map((group) => group.toString(16)).join(":");
}
