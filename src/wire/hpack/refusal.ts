/** Every reason for which a field block is a COMPRESSION_ERROR (RFC 9113 §4.3), and what a decoder may be asked to bear. */
export type HpackRefusal =
  | "truncated"
  /** RFC 7541 §5.1: beyond 2^31 - 1, or longer than such a number needs to be. */
  | "integer-too-large"
  | "index-zero"
  /** Neither the static nor the dynamic table has it (RFC 7541 §2.3.3). */
  | "index-too-large"
  /** EOS inside, padding of more than seven bits, or padding that is not all ones (RFC 7541 §5.2). */
  | "bad-huffman"
  /** RFC 7541 §4.2: after the first field. */
  | "late-size-update"
  | "too-many-size-updates"
  /** RFC 7541 §6.3: more than we announced. */
  | "size-update-too-large"
  /** RFC 9113 §4.3.1: our reduced limit is acknowledged, and this block does not begin with a size update. */
  | "missing-size-update";

export interface HpackLimits {
  /** SETTINGS_HEADER_TABLE_SIZE that we announce. */
  readonly maxTableBytes: number;
  /** Decoded size of one list (name + value + 32 per field, RFC 9113 §6.5.2). */
  readonly maxListBytes: number;
  readonly maxFields: number;
}
