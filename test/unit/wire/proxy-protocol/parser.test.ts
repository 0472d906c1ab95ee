import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LOCAL_HEADER, type ProxyHeader } from "../../../../src/wire/proxy-protocol/header.js";
import { ProxyProtocolParser } from "../../../../src/wire/proxy-protocol/parser.js";
import { crc32c, extension, ipv4Addresses, parse, SIGNATURE, version2, withChecksum } from "./raw-header.js";

const BEHIND = Buffer.from("PROXY GET / HTTP/1.1\r\n\r\n");

function line(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

function addresses(sourceAddress: string, sourcePort: number, destinationAddress: string, destinationPort: number): ProxyHeader {
  return { isLocal: false, sourceAddress, sourcePort, destinationAddress, destinationPort };
}

const IPV4 = addresses("192.0.2.1", 1025, "198.51.100.7", 443);
const IPV6_CONTENT = Buffer.from("20010db8000000000000000000000001 00000000000000000000ffffc0000201 ffff 0000".replaceAll(" ", ""), "hex");
const LONGEST = `PROXY TCP6 ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535\r\n`;
const MAX = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
const NOTHING = Buffer.alloc(0);

const ACCEPTED: readonly { readonly name: string; readonly bytes: Buffer; readonly header: ProxyHeader }[] = [
  { name: "TCP4", bytes: line("PROXY TCP4 192.0.2.1 198.51.100.7 1025 443\r\n"), header: IPV4 },
  {
    name: "TCP4 at its ends",
    bytes: line("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n"),
    header: addresses("0.0.0.0", 0, "255.255.255.255", 65_535),
  },
  {
    name: "TCP6",
    bytes: line("PROXY TCP6 2001:DB8:0::1 ::ffff:192.0.2.1 1 2\r\n"),
    header: addresses("2001:db8::1", 1, "::ffff:192.0.2.1", 2),
  },
  { name: "TCP6, shortest", bytes: line("PROXY TCP6 :: ::1 1 2\r\n"), header: addresses("::", 1, "::1", 2) },
  { name: "TCP6, longest", bytes: line(LONGEST), header: addresses(MAX, 65_535, MAX, 65_535) },
  { name: "UNKNOWN", bytes: line("PROXY UNKNOWN\r\n"), header: LOCAL_HEADER },
  { name: "UNKNOWN with anything behind it", bytes: line("PROXY UNKNOWN  \u00ff\u0000 1 2 3\r\n"), header: LOCAL_HEADER },
  { name: "UNKNOWN, longest", bytes: line(`PROXY UNKNOWN ${"x".repeat(91)}\r\n`), header: LOCAL_HEADER },
  { name: "TCP over IPv4", bytes: version2({}), header: IPV4 },
  {
    name: "TCP over IPv6",
    bytes: version2({ family: 0x21, content: IPV6_CONTENT }),
    header: addresses("2001:db8::1", 65_535, "::ffff:192.0.2.1", 0),
  },
  { name: "UDP over IPv4", bytes: version2({ family: 0x12 }), header: LOCAL_HEADER },
  { name: "UDP over IPv6", bytes: version2({ family: 0x22, content: IPV6_CONTENT }), header: LOCAL_HEADER },
  { name: "UNIX streams", bytes: version2({ family: 0x31, content: Buffer.alloc(216, 0x2f) }), header: LOCAL_HEADER },
  { name: "UNIX datagrams", bytes: version2({ family: 0x32, content: Buffer.alloc(216, 0x2f) }), header: LOCAL_HEADER },
  { name: "an unspecified family", bytes: version2({ family: 0, content: NOTHING }), header: LOCAL_HEADER },
  { name: "LOCAL", bytes: version2({ versionAndCommand: 0x20, family: 0, content: NOTHING }), header: LOCAL_HEADER },
  { name: "LOCAL with addresses", bytes: version2({ versionAndCommand: 0x20 }), header: LOCAL_HEADER },
  {
    name: "LOCAL with any family and content",
    bytes: version2({ versionAndCommand: 0x20, family: 0xff, content: Buffer.alloc(9, 3) }),
    header: LOCAL_HEADER,
  },
  {
    name: "TLVs",
    bytes: version2({
      content: Buffer.concat([ipv4Addresses(), extension(4, NOTHING), extension(2, line("host")), extension(0xe0, Buffer.alloc(3000, 3))]),
    }),
    header: IPV4,
  },
  { name: "a TLV behind an unspecified family", bytes: version2({ family: 0, content: extension(4, line("x")) }), header: LOCAL_HEADER },
  { name: "a checksum", bytes: withChecksum({}), header: IPV4 },
  {
    name: "a checksum before other TLVs",
    bytes: withChecksum({}, extension(3 + 1, line("\u0003\u0000\u0004abcd")), extension(5, line("id"))),
    header: IPV4,
  },
  { name: "a checksum behind UNIX addresses", bytes: withChecksum({ family: 0x31, content: Buffer.alloc(216, 3) }), header: LOCAL_HEADER },
  {
    name: "the longest content",
    bytes: version2({ content: Buffer.concat([ipv4Addresses(), extension(4, Buffer.alloc(0xffff - 15))]) }),
    header: IPV4,
  },
];

const REFUSED = [
  { name: "HTTP", bytes: line("GET / HTTP/1.1\r\n"), refusal: "not-proxy-protocol" },
  { name: "TLS", bytes: Buffer.from("16030100", "hex"), refusal: "not-proxy-protocol" },
  { name: "POST", bytes: line("POST / HTTP/1.1\r\n"), refusal: "not-proxy-protocol" },
  { name: "lower case", bytes: line("proxy TCP4 192.0.2.1 198.51.100.7 1025 443\r\n"), refusal: "not-proxy-protocol" },
  {
    name: "a signature that is wrong at its end",
    bytes: Buffer.concat([SIGNATURE.subarray(0, 11), Buffer.from([0x0d])]),
    refusal: "not-proxy-protocol",
  },
  { name: "a line of 108 bytes", bytes: line(`PROXY UNKNOWN ${"x".repeat(92)}\r\n`), refusal: "line-too-long" },
  { name: "a line without an end", bytes: line(`PROXY UNKNOWN ${"x".repeat(200)}`), refusal: "line-too-long" },
  { name: "a bare LF", bytes: line("PROXY TCP4 192.0.2.1 198.51.100.7 1025 443\n"), refusal: "bare-lf" },
  { name: "a bare CR", bytes: line("PROXY TCP4 192.0.2.1 198.51.100.7 1025 443\r\r\n"), refusal: "bare-cr" },
  { name: "a CR within UNKNOWN", bytes: line("PROXY UNKNOWN \rx\r\n"), refusal: "bare-cr" },
  ...[
    "PROXY \r\n",
    "PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n",
    "PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n",
    "PROXY UNKNOWNS\r\n",
    "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
  ].map((text) => ({ name: JSON.stringify(text), bytes: line(text), refusal: "bad-protocol" })),
  ...["TCP4", "TCP4 1.1.1.1 2.2.2.2 1", "TCP4 1.1.1.1 2.2.2.2 1 2 3", "TCP4 1.1.1.1 2.2.2.2 1 2 ", "TCP4 1.1.1.1  2.2.2.2 1 2"].map(
    (text) => ({
      name: JSON.stringify(text),
      bytes: line(`PROXY ${text}\r\n`),
      refusal: "bad-line",
    }),
  ),
  ...[
    "1.1.1",
    "1.1.1.1.1",
    "1.1.1.256",
    "01.1.1.1",
    "1.1.1.-1",
    "1.1.1.+1",
    "0x1.1.1.1",
    "1.1.1.",
    "::1",
    "a",
    "1.1.1.1\t",
    "1.1.1.1000",
  ].map((text) => ({
    name: `the IPv4 address ${JSON.stringify(text)}`,
    bytes: line(`PROXY TCP4 ${text} 2.2.2.2 1 2\r\n`),
    refusal: "bad-address",
  })),
  ...[
    "1.1.1.1",
    ":",
    ":::",
    "::1::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8:9",
    "1::2:3:4:5:6:7:8",
    "12345::",
    "g::",
    "::1%lo",
  ].map((text) => ({ name: `the IPv6 address ${text}`, bytes: line(`PROXY TCP6 ::2 ${text} 1 2\r\n`), refusal: "bad-address" })),
  ...["::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "[::1]", "1:", ":1", "::ffff:01.2.3.4", "1:2:3:4:5:6:7:1.2.3.4"].map((text) => ({
    name: `the IPv6 address ${text}`,
    bytes: line(`PROXY TCP6 ${text} ::2 1 2\r\n`),
    refusal: "bad-address",
  })),
  ...["65536", "00", "01", "-1", "+1", "1e3", "", "99999", "100000", "0x1"].map((text) => ({
    name: `the port ${JSON.stringify(text)}`,
    bytes: line(`PROXY TCP4 1.1.1.1 2.2.2.2 1 ${text}\r\n`),
    refusal: "bad-port",
  })),
  { name: "version 1 in binary", bytes: version2({ versionAndCommand: 0x11 }), refusal: "bad-version" },
  { name: "version 3", bytes: version2({ versionAndCommand: 0x31 }), refusal: "bad-version" },
  { name: "an unknown command", bytes: version2({ versionAndCommand: 0x22 }), refusal: "bad-command" },
  ...[0x01, 0x02, 0x10, 0x13, 0x20, 0x30, 0x33, 0x41, 0xff].map((family) => ({
    name: `the family 0x${family.toString(16)}`,
    bytes: version2({ family, content: Buffer.alloc(216) }),
    refusal: "bad-family",
  })),
  { name: "no room for addresses", bytes: version2({ content: NOTHING }), refusal: "header-too-short" },
  { name: "too little room for IPv4", bytes: version2({ content: Buffer.alloc(11) }), refusal: "header-too-short" },
  { name: "too little room for IPv6", bytes: version2({ family: 0x21, content: Buffer.alloc(35) }), refusal: "header-too-short" },
  { name: "too little room for UNIX", bytes: version2({ family: 0x31, content: Buffer.alloc(215) }), refusal: "header-too-short" },
  ...["00", "0400", "040001", "04000200", "040000 04", "ffffff"].map((tail) => ({
    name: `the TLVs ${tail}`,
    bytes: version2({ content: Buffer.concat([ipv4Addresses(), Buffer.from(tail.replace(" ", ""), "hex")]) }),
    refusal: "bad-extension",
  })),
  ...[0, 3, 5].map((length) => ({
    name: `a checksum of ${length} bytes`,
    bytes: version2({ content: Buffer.concat([ipv4Addresses(), extension(3, Buffer.alloc(length))]) }),
    refusal: "bad-extension",
  })),
  { name: "two checksums", bytes: withChecksum({}, extension(3, Buffer.alloc(4))), refusal: "bad-extension" },
  {
    name: "a wrong checksum",
    bytes: version2({ content: Buffer.concat([ipv4Addresses(), extension(3, line("abcd"))]) }),
    refusal: "bad-checksum",
  },
  {
    name: "a wrong checksum with no addresses",
    bytes: version2({ family: 0, content: extension(3, line("abcd")) }),
    refusal: "bad-checksum",
  },
];

function everySplit(bytes: Buffer): number[][] {
  const step = Math.max(1, Math.floor(bytes.length / 300));
  const cuts = Array.from({ length: Math.ceil(bytes.length / step) }, (_, index) => [index * step]);
  return [...cuts, new Array<number>(Math.min(bytes.length, 4000)).fill(1)];
}

describe("the PROXY protocol parser", () => {
  for (const { name, bytes, header } of ACCEPTED) {
    it(`reads ${name}, however it is split, and nothing behind it`, () => {
      const whole = Buffer.concat([bytes, BEHIND]);
      for (const splits of [[], ...everySplit(bytes)]) {
        assert.deepEqual(parse(whole, splits), { header, refusal: null, taken: bytes.length });
        assert.deepEqual(parse(bytes, splits), { header, refusal: null, taken: bytes.length });
      }
    });

    it(`waits for the end of ${name}`, () => {
      for (const [end = 0] of everySplit(bytes))
        assert.deepEqual(parse(bytes.subarray(0, end)), { header: null, refusal: null, taken: end });
    });
  }

  for (const { name, bytes, refusal } of REFUSED) {
    it(`refuses ${name} at the same byte, however it is split`, () => {
      const { taken, ...outcome } = parse(bytes);
      assert.deepEqual(outcome, { header: null, refusal });
      for (const splits of everySplit(bytes)) assert.deepEqual(parse(bytes, splits), { header: null, refusal, taken });
      assert.equal(parse(bytes.subarray(0, taken - 1)).refusal, null);
    });
  }

  it("refuses what cannot become a header at the first byte that shows it", () => {
    assert.equal(parse(line("PROXI")).taken, 5);
    assert.equal(parse(line("G")).refusal, "not-proxy-protocol");
    assert.equal(parse(Buffer.concat([SIGNATURE, Buffer.from([0x10])])).refusal, "bad-version");
    assert.equal(parse(version2({ length: 5 }).subarray(0, 16)).refusal, "header-too-short");
    assert.equal(parse(version2({ content: Buffer.concat([ipv4Addresses(), Buffer.from("04ffff", "hex")]) })).taken, 16 + 12 + 3);
  });

  it("refuses a header above its limit as soon as it is announced", () => {
    const header = version2({ content: Buffer.concat([ipv4Addresses(), extension(4, Buffer.alloc(100))]) });
    assert.deepEqual(parse(header, [], header.length), { header: IPV4, refusal: null, taken: header.length });
    assert.deepEqual(parse(header, [], header.length - 1), { header: null, refusal: "header-too-large", taken: 16 });
    assert.deepEqual(parse(line("PROXY UNKNOWN\r\n"), [], 0).refusal, null);
  });

  it("notices every changed byte of a header with a checksum", () => {
    const header = withChecksum({}, extension(2, line("api.example.com")));
    const checksumTypeAt = 16 + ipv4Addresses().length;
    for (let at = 0; at < header.length; at++) {
      // As another type it is no checksum any more.
      if (at === checksumTypeAt) continue;
      for (const bit of [0x01, 0x80]) {
        const changed = Buffer.from(header);
        changed[at] = (changed[at] as number) ^ bit;
        const isLocal = at === 12 && bit === 0x01;
        assert.equal(parse(changed).header?.isLocal, isLocal ? true : undefined, `byte ${at}`);
      }
    }
  });

  it("agrees with the published value of CRC-32C", () => {
    assert.equal(crc32c(line("123456789")), 0xe306_9283);
  });

  it("takes nothing before, between and after", () => {
    const parser = new ProxyProtocolParser();
    assert.equal(parser.feed(BEHIND, 3, 3), 3);
    assert.deepEqual([parser.isComplete, parser.refusal, parser.header], [false, null, null]);
    const bytes = line("..PROXY UNKNOWN\r\n..");
    assert.equal(parser.feed(bytes, 2, bytes.length), bytes.length - 2);
    assert.equal(parser.feed(bytes, bytes.length - 2, bytes.length), bytes.length - 2);
  });
});
