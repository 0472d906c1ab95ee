/**
 * DNS messages (RFC 1035, SRV: RFC 2782, EDNS(0): RFC 6891): one question out, records in. Pure. Answers are hostile: every
 * read is bounded, compression pointers must lead backwards.
 */

export type RecordType = "A" | "AAAA" | "SRV";

export interface AddressRecord {
  readonly type: "A" | "AAAA";
  readonly name: string;
  readonly ttlSeconds: number;
  readonly address: string;
}

export interface SrvRecord {
  readonly type: "SRV";
  readonly name: string;
  readonly ttlSeconds: number;
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  /** "" says that the service is decidedly not there. */
  readonly target: string;
}

export interface CnameRecord {
  readonly type: "CNAME";
  readonly name: string;
  readonly ttlSeconds: number;
  readonly target: string;
}

export type DnsRecordData = AddressRecord | SrvRecord | CnameRecord;

export interface DnsResponse {
  readonly id: number;
  /** RCODE: 0 no error, 2 server failure, 3 no such name. */
  readonly code: number;
  readonly isTruncated: boolean;
  readonly question: { readonly name: string; readonly type: number };
  readonly answers: readonly DnsRecordData[];
  readonly additional: readonly DnsRecordData[];
  /** How long "there is none" holds (RFC 2308 §5); null when the answer does not say. */
  readonly negativeTtlSeconds: number | null;
}

export const TYPE_CODES: Readonly<Record<RecordType, number>> = { A: 1, AAAA: 28, SRV: 33 };
const CNAME = 5;
const SOA = 6;
const OPT = 41;
const INTERNET = 1;
/** What fits a path without fragments (DNS Flag Day 2020). */
const UDP_PAYLOAD_BYTES = 1232;
const HEADER_BYTES = 12;
/** RFC 2181 §8: larger values are no lifetimes. */
const MAX_TTL = 0x7fff_ffff;

export class DnsFormatError extends Error {}

export function encodeQuery(id: number, name: string, type: RecordType): Buffer {
  const labels = name.split(".");
  const bytes = Buffer.alloc(HEADER_BYTES + name.length + 2 + 4 + 11);
  bytes.writeUInt16BE(id, 0);
  // Recursion desired; one question, one additional record (OPT).
  bytes.writeUInt16BE(0x0100, 2);
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt16BE(1, 10);
  let at = HEADER_BYTES;
  for (const label of labels) {
    bytes.writeUInt8(label.length, at);
    bytes.write(label, at + 1, "latin1");
    at += label.length + 1;
  }
  at = bytes.writeUInt8(0, at);
  at = bytes.writeUInt16BE(TYPE_CODES[type], at);
  at = bytes.writeUInt16BE(INTERNET, at);
  at = bytes.writeUInt8(0, at);
  at = bytes.writeUInt16BE(OPT, at);
  bytes.writeUInt16BE(UDP_PAYLOAD_BYTES, at);
  return bytes;
}

/** Throws a DnsFormatError for whatever is not a well-formed response. */
export function decodeResponse(bytes: Buffer): DnsResponse {
  try {
    return new ResponseReader(bytes).read();
  } catch (error) {
    if (error instanceof RangeError) throw new DnsFormatError("the answer ends too early");
    throw error;
  }
}

/** Names are at most 255 bytes, so at most 127 labels (RFC 1035 §2.3.4). */
const MAX_LABELS = 127;
const MAX_NAME_BYTES = 255;

class ResponseReader {
  readonly #bytes: Buffer;
  #at = HEADER_BYTES;
  #negativeTtlSeconds: number | null = null;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  read(): DnsResponse {
    const bytes = this.#bytes;
    const flags = bytes.readUInt16BE(2);
    if ((flags & 0x8000) === 0 || (flags & 0x7800) !== 0) throw new DnsFormatError("it is not an answer");
    if (bytes.readUInt16BE(4) !== 1) throw new DnsFormatError("it does not repeat the question");
    const question = { name: this.#name(), type: this.#uint16() };
    this.#at += 2;
    const head = { id: bytes.readUInt16BE(0), code: flags & 0xf, question };
    // What did not fit may be cut off anywhere; it is asked for again.
    if ((flags & 0x0200) !== 0) return { ...head, isTruncated: true, answers: [], additional: [], negativeTtlSeconds: null };
    const answers = this.#records(bytes.readUInt16BE(6));
    this.#records(bytes.readUInt16BE(8));
    const additional = this.#records(bytes.readUInt16BE(10));
    return { ...head, isTruncated: false, answers, additional, negativeTtlSeconds: this.#negativeTtlSeconds };
  }

  #records(count: number): DnsRecordData[] {
    const records: DnsRecordData[] = [];
    for (let i = 0; i < count; i++) {
      const record = this.#record();
      if (record !== null) records.push(record);
    }
    return records;
  }

  /** Null for types that nobody asked for. */
  #record(): DnsRecordData | null {
    const name = this.#name();
    const type = this.#uint16();
    const recordClass = this.#uint16();
    const ttl = this.#bytes.readUInt32BE(this.#at);
    const ttlSeconds = ttl > MAX_TTL ? 0 : ttl;
    this.#at += 4;
    const length = this.#uint16();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new DnsFormatError("a record ends outside the answer");
    const record = recordClass === INTERNET ? this.#data(type, { name, ttlSeconds }, length) : null;
    this.#at = end;
    return record;
  }

  #data(type: number, base: { readonly name: string; readonly ttlSeconds: number }, length: number): DnsRecordData | null {
    const start = this.#at;
    switch (type) {
      case TYPE_CODES.A:
        return { type: "A", ...base, address: this.#ipv4(length) };
      case TYPE_CODES.AAAA:
        return { type: "AAAA", ...base, address: this.#ipv6(length) };
      case TYPE_CODES.SRV: {
        const [priority, weight, port] = [this.#uint16(), this.#uint16(), this.#uint16()];
        return { type: "SRV", ...base, priority, weight, port, target: this.#name() };
      }
      case CNAME:
        return { type: "CNAME", ...base, target: this.#name() };
      case SOA:
        // The last of its fields, after two names and four numbers: the lifetime of "there is none".
        this.#negativeTtlSeconds = Math.min(base.ttlSeconds, this.#bytes.readUInt32BE(start + length - 4));
        return null;
      default:
        return null;
    }
  }

  #ipv4(length: number): string {
    if (length !== 4) throw new DnsFormatError("an A record is not four bytes long");
    return Array.from(this.#bytes.subarray(this.#at, this.#at + 4)).join(".");
  }

  #ipv6(length: number): string {
    if (length !== 16) throw new DnsFormatError("an AAAA record is not sixteen bytes long");
    const groups = Array.from({ length: 8 }, (_, i) => this.#bytes.readUInt16BE(this.#at + 2 * i).toString(16));
    // The URL parser writes the shortest form (RFC 5952).
    return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
  }

  #uint16(): number {
    const value = this.#bytes.readUInt16BE(this.#at);
    this.#at += 2;
    return value;
  }

  /** Lower case, without the dot at its end. */
  #name(): string {
    const labels: string[] = [];
    let at = this.#at;
    let end = -1;
    let length = 1;
    for (;;) {
      const size = this.#bytes.readUInt8(at);
      if (size >= 0xc0) {
        const target = ((size & 0x3f) << 8) | this.#bytes.readUInt8(at + 1);
        if (end < 0) end = at + 2;
        if (target >= at) throw new DnsFormatError("a name points forwards");
        at = target;
        continue;
      }
      if (size > 63) throw new DnsFormatError("a label has an unknown form");
      at++;
      if (size === 0) break;
      length += size + 1;
      if (labels.length >= MAX_LABELS || length > MAX_NAME_BYTES) throw new DnsFormatError("a name is too long");
      if (at + size > this.#bytes.length) throw new DnsFormatError("the answer ends too early");
      labels.push(this.#bytes.toString("latin1", at, at + size).toLowerCase());
      at += size;
    }
    this.#at = end < 0 ? at : end;
    return labels.join(".");
  }
}
