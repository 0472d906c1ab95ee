/**
 * Version 2: binary. Bytes are judged as they come and only the fixed part and the addresses are kept, so a header costs the
 * same few bytes whatever it announces.
 */
import { CRC32C_START, crc32cEnd, crc32cStep } from "./crc32c.js";
import { LOCAL_HEADER, type ProxyHeader, type ProxyRefusal, type VersionReader } from "./header.js";
import { formatIpv4, formatIpv6 } from "./ip-text.js";

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
/** Signature, version and command, family, length. */
const FIXED_BYTES = 16;
const VERSION_AND_COMMAND_AT = 12;
const FAMILY_AT = 13;
const VERSION = 2;
const LOCAL = 0;
const PROXY = 1;

const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;
const IPV4_ADDRESSES_BYTES = 12;
const IPV6_ADDRESSES_BYTES = 36;
const UNIX_ADDRESSES_BYTES = 216;

/** Family and transport → bytes of the addresses. The specification has those refused that are not here. */
const ADDRESSES_BYTES: ReadonlyMap<number, number> = new Map([
  [0x00, 0],
  [TCP_OVER_IPV4, IPV4_ADDRESSES_BYTES],
  [0x12, IPV4_ADDRESSES_BYTES],
  [TCP_OVER_IPV6, IPV6_ADDRESSES_BYTES],
  [0x22, IPV6_ADDRESSES_BYTES],
  [0x31, UNIX_ADDRESSES_BYTES],
  [0x32, UNIX_ADDRESSES_BYTES],
]);

const EXTENSION_HEADER_BYTES = 3;
const CHECKSUM_TYPE = 0x03;
const CHECKSUM_BYTES = 4;

export class Version2Reader implements VersionReader {
  readonly #maxBytes: number;
  readonly #kept = new Uint8Array(FIXED_BYTES + IPV6_ADDRESSES_BYTES);
  /** Bytes taken. */
  #at = 0;
  /** Where the header ends, and where the extensions (TLVs) in it begin, once the fixed part is there. */
  #end = FIXED_BYTES;
  #extensionsAt = FIXED_BYTES;

  // The extension at hand.
  #type = 0;
  #valueBytes = 0;
  /** Where it began. */
  #extensionAt = 0;

  #crc = CRC32C_START;
  #hasChecksum = false;
  #checksum = 0;

  header: ProxyHeader | null = null;
  refusal: ProxyRefusal | null = null;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  feed(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && this.header === null && this.refusal === null) this.#take(bytes[at++] as number);
    return at;
  }

  #take(byte: number): void {
    const at = this.#at++;
    if (at < this.#kept.length) this.#kept[at] = byte;
    // The checksum is made of the header with zeros in its own place.
    this.#crc = crc32cStep(this.#crc, this.#isInChecksum(at) ? 0 : byte);
    if (at < FIXED_BYTES) this.#judgeFixed(at, byte);
    else if (at >= this.#extensionsAt) this.#takeExtension(at, byte);
    if (this.#at === this.#end && this.refusal === null) this.#finish();
  }

  #judgeFixed(at: number, byte: number): void {
    if (at < SIGNATURE.length) this.#refuseUnless(byte === SIGNATURE[at], "not-proxy-protocol");
    else if (at === VERSION_AND_COMMAND_AT) {
      this.#refuseUnless(byte >>> 4 === VERSION, "bad-version");
      this.#refuseUnless((byte & 0x0f) <= PROXY, "bad-command");
    } else if (at === FAMILY_AT) this.#refuseUnless(this.#isLocal() || ADDRESSES_BYTES.has(byte), "bad-family");
    else if (at === FIXED_BYTES - 1) this.#judgeLength();
  }

  #judgeLength(): void {
    const length = this.#numberAt(FIXED_BYTES - 2);
    // With LOCAL the receiver discards everything, the family included.
    const addressesBytes = this.#isLocal() ? length : (ADDRESSES_BYTES.get(this.#kept[FAMILY_AT] as number) as number);
    this.#refuseUnless(FIXED_BYTES + length <= this.#maxBytes, "header-too-large");
    this.#refuseUnless(addressesBytes <= length, "header-too-short");
    this.#end = FIXED_BYTES + length;
    this.#extensionsAt = FIXED_BYTES + addressesBytes;
    this.#extensionAt = this.#extensionsAt;
  }

  #takeExtension(at: number, byte: number): void {
    const offset = at - this.#extensionAt;
    if (offset === 0) this.#beginExtension(at, byte);
    else if (offset === 1) this.#valueBytes = byte << 8;
    else if (offset === 2) this.#judgeExtension(at, this.#valueBytes | byte);
    else if (this.#type === CHECKSUM_TYPE) this.#checksum = ((this.#checksum << 8) | byte) >>> 0;
    if (offset >= 2 && offset === EXTENSION_HEADER_BYTES + this.#valueBytes - 1) this.#extensionAt = at + 1;
  }

  #beginExtension(at: number, type: number): void {
    this.#type = type;
    this.#refuseUnless(at + EXTENSION_HEADER_BYTES <= this.#end, "bad-extension");
  }

  #judgeExtension(at: number, valueBytes: number): void {
    this.#valueBytes = valueBytes;
    this.#refuseUnless(at + 1 + valueBytes <= this.#end, "bad-extension");
    if (this.#type !== CHECKSUM_TYPE) return;
    this.#refuseUnless(valueBytes === CHECKSUM_BYTES && !this.#hasChecksum, "bad-extension");
    this.#hasChecksum = true;
  }

  #isInChecksum(at: number): boolean {
    return at >= this.#extensionsAt && this.#type === CHECKSUM_TYPE && at >= this.#extensionAt + EXTENSION_HEADER_BYTES;
  }

  #finish(): void {
    if (this.#hasChecksum && crc32cEnd(this.#crc) !== this.#checksum) this.refusal = "bad-checksum";
    else this.header = this.#read();
  }

  #read(): ProxyHeader {
    const family = this.#kept[FAMILY_AT];
    if (this.#isLocal()) return LOCAL_HEADER;
    if (family === TCP_OVER_IPV4) return this.#readAddresses(formatIpv4, IPV4_ADDRESSES_BYTES);
    if (family === TCP_OVER_IPV6) return this.#readAddresses(formatIpv6, IPV6_ADDRESSES_BYTES);
    return LOCAL_HEADER;
  }

  /** Both addresses, then both ports. */
  #readAddresses(format: (bytes: Uint8Array, at: number) => string, bytes: number): ProxyHeader {
    const addressBytes = (bytes - 4) / 2;
    return {
      isLocal: false,
      sourceAddress: format(this.#kept, FIXED_BYTES),
      sourcePort: this.#numberAt(FIXED_BYTES + bytes - 4),
      destinationAddress: format(this.#kept, FIXED_BYTES + addressBytes),
      destinationPort: this.#numberAt(FIXED_BYTES + bytes - 2),
    };
  }

  #isLocal(): boolean {
    return ((this.#kept[VERSION_AND_COMMAND_AT] as number) & 0x0f) === LOCAL;
  }

  #numberAt(at: number): number {
    return ((this.#kept[at] as number) << 8) | (this.#kept[at + 1] as number);
  }

  /** The first reason counts. */
  #refuseUnless(isFine: boolean, refusal: ProxyRefusal): void {
    if (!isFine) this.refusal ??= refusal;
  }
}
