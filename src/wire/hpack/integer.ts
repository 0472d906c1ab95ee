/** Writing integers (RFC 7541 §5.1); reading them is the decoder's, which keeps its place in the block. */

/** `flags` are the bits above the prefix. Returns the new offset: at most 6 bytes on, for numbers below 2^31. */
export function writeInteger(flags: number, prefixBits: number, value: number, out: Uint8Array, at: number): number {
  const prefixMax = (1 << prefixBits) - 1;
  if (value < prefixMax) {
    out[at] = flags | value;
    return at + 1;
  }
  out[at] = flags | prefixMax;
  let to = at + 1;
  let rest = value - prefixMax;
  for (; rest >= 0x80; rest >>>= 7) out[to++] = (rest & 0x7f) | 0x80;
  out[to++] = rest;
  return to;
}
