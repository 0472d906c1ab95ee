/**
 * The byte slices the codec reads. `latin1Slice` exists on every Node Buffer (the ambient types do not list it) and is
 * the fastest way from bytes to a string with one char per byte. The codec imports nothing: whoever feeds it brings Buffers.
 */
export interface Latin1Bytes extends Uint8Array {
  latin1Slice(start: number, end: number): string;
}
