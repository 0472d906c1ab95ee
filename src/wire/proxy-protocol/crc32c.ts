/** CRC-32C (Castagnoli), byte by byte: a header has it once, if at all. */

const POLYNOMIAL = 0x82f6_3b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ POLYNOMIAL;
  return value;
});

/** The state before the first byte. */
export const CRC32C_START = 0xffff_ffff;

export function crc32cStep(state: number, byte: number): number {
  return (state >>> 8) ^ (TABLE[(state ^ byte) & 0xff] as number);
}

export function crc32cEnd(state: number): number {
  return ~state >>> 0;
}
