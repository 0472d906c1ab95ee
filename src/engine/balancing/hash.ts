/**
 * 32-bit hashes of keys and endpoints: FNV-1a with the finish of MurmurHash3. The same in every worker and gateway, as
 * consistent hashing needs it; so whoever chooses keys can aim at an endpoint, and `maxLoad` is what limits that.
 */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Of the characters from `start` up to `end`. */
export function hashRange(text: string, start: number, end: number, seed = 0): number {
  let hash = FNV_OFFSET ^ seed;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return mix(hash);
}

export function hashText(text: string, seed = 0): number {
  return hashRange(text, 0, text.length, seed);
}

/** Spreads a number over all 32 bits; unsigned. */
export function mix(number: number): number {
  let hash = number | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
