/** Headers as a sender writes them, right or wrong, and what the parser makes of them. */
import assert from "node:assert/strict";
import type { ProxyHeader, ProxyRefusal } from "../../../../src/wire/proxy-protocol/header.js";
import { ProxyProtocolParser } from "../../../../src/wire/proxy-protocol/parser.js";

export const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

export interface RawHeader {
  /** 0x21: version 2, PROXY. */
  readonly versionAndCommand?: number;
  readonly family?: number;
  /** Addresses and TLVs. */
  readonly content?: Buffer;
  /** Unless it is the content's. */
  readonly length?: number;
}

export function version2({
  versionAndCommand = 0x21,
  family = 0x11,
  content = ipv4Addresses(),
  length = content.length,
}: RawHeader): Buffer {
  return Buffer.concat([SIGNATURE, Buffer.from([versionAndCommand, family, length >> 8, length & 0xff]), content]);
}

/** 192.0.2.1:1025 to 198.51.100.7:443. */
export function ipv4Addresses(): Buffer {
  return Buffer.from("c0000201c63364070401 01bb".replace(" ", ""), "hex");
}

export function extension(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value]);
}

/** Header with a right checksum in front of further extensions. */
export function withChecksum(raw: RawHeader, ...further: readonly Buffer[]): Buffer {
  const addresses = raw.content ?? ipv4Addresses();
  const header = version2({ ...raw, content: Buffer.concat([addresses, extension(3, Buffer.alloc(4)), ...further]) });
  header.writeUInt32BE(crc32c(header), 16 + addresses.length + 3);
  return header;
}

/** Bit by bit, written anew. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const isOdd = ((crc ^ (byte >> bit)) & 1) === 1;
      crc = (crc >>> 1) ^ (isOdd ? 0x82f6_3b78 : 0);
    }
  }
  return ~crc >>> 0;
}

export interface Outcome {
  readonly header: ProxyHeader | null;
  readonly refusal: ProxyRefusal | null;
  /** How many bytes were taken. */
  readonly taken: number;
}

/** @param splits lengths of the slices that come before the rest, each from the middle of a larger array */
export function parse(bytes: Uint8Array, splits: readonly number[] = [], maxBytes?: number): Outcome {
  const parser = new ProxyProtocolParser(maxBytes);
  let at = 0;
  for (const length of [...splits, bytes.length]) {
    const end = Math.min(at + length, bytes.length);
    const next = parser.feed(bytes, at, end);
    assert.ok(next <= end && (next === end || parser.isComplete || parser.refusal !== null));
    at = next;
  }
  assert.equal(parser.isComplete, parser.header !== null);
  assert.ok(parser.header === null || parser.refusal === null);
  return { header: parser.header, refusal: parser.refusal, taken: at };
}
