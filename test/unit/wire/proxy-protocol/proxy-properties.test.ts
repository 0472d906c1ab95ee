import assert from "node:assert/strict";
import { isIPv6, SocketAddress } from "node:net";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatIpv6, parseIpv4, parseIpv6 } from "../../../../src/wire/proxy-protocol/ip-text.js";
import { extension, parse, SIGNATURE, version2, withChecksum } from "./raw-header.js";

/** With many zeros, so that `::` has work. */
const ipv6Bytes = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0), fc.constant(0xffff), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff])));
const port = fc.nat(65_535);
const splits = fc.array(fc.nat(20), { maxLength: 8 });
const extensions = fc.array(fc.tuple(fc.constantFrom(1, 2, 4, 5, 0x20, 0x30, 0xee), fc.uint8Array({ maxLength: 50 })), { maxLength: 4 });

/** node's own form, which prints deprecated IPv4-compatible addresses with dots: RFC 5952 does not. */
function nodeForm(text: string): string {
  const address = new SocketAddress({ address: text, family: "ipv6" }).address;
  return address.startsWith("::ffff:") ? address : new URL(`http://[${address}]`).hostname.slice(1, -1);
}

function fullForm(bytes: Uint8Array): string {
  return Array.from({ length: 8 }, (_, place) =>
    Buffer.from(bytes)
      .readUInt16BE(2 * place)
      .toString(16)
      .padStart(4, "0"),
  ).join(":");
}

describe("IPv6 addresses", () => {
  it("are written as node and URLs write them", () => {
    fc.assert(
      fc.property(ipv6Bytes, (bytes) => {
        const text = formatIpv6(bytes, 0);
        assert.equal(text, nodeForm(fullForm(bytes)));
        assert.deepEqual(parseIpv6(text), new Uint8Array(bytes));
        assert.deepEqual(parseIpv6(fullForm(bytes).toUpperCase()), new Uint8Array(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  it("are refused where node refuses them", () => {
    const almostAddress = fc.array(fc.constantFrom(":", "::", "0", "1", "ff", "abcd", "12345", ".", "1.2.3.4", "g"), { maxLength: 17 });
    fc.assert(
      fc.property(almostAddress, (parts) => assert.equal(parseIpv6(parts.join("")) !== null, isIPv6(parts.join("")))),
      { numRuns: 20_000 },
    );
  });
});

describe("any PROXY header", () => {
  it("of version 1 comes back", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), port, port, splits, (source, destination, sourcePort, destinationPort, cuts) => {
        const bytes = Buffer.from(`PROXY TCP4 ${source} ${destination} ${sourcePort} ${destinationPort}\r\n`);
        const header = { isLocal: false, sourceAddress: source, sourcePort, destinationAddress: destination, destinationPort };
        assert.notEqual(parseIpv4(source), null);
        assert.deepEqual(parse(bytes, cuts), { header, refusal: null, taken: bytes.length });
      }),
    );
  });

  it("of version 2 comes back, with any TLVs and a checksum", () => {
    fc.assert(
      fc.property(ipv6Bytes, ipv6Bytes, port, port, extensions, splits, (source, destination, sourcePort, destinationPort, tlvs, cuts) => {
        const ports = Buffer.from([sourcePort >> 8, sourcePort & 0xff, destinationPort >> 8, destinationPort & 0xff]);
        const content = Buffer.concat([source, destination, ports]);
        const bytes = withChecksum({ family: 0x21, content }, ...tlvs.map(([type, value]) => extension(type, Buffer.from(value))));
        const header = {
          ...{ isLocal: false, sourceAddress: nodeForm(fullForm(source)), sourcePort },
          ...{ destinationAddress: nodeForm(fullForm(destination)), destinationPort },
        };
        assert.deepEqual(parse(bytes, cuts), { header, refusal: null, taken: bytes.length });
      }),
      { numRuns: 500 },
    );
  });
});

describe("hostile bytes", () => {
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.concat([SIGNATURE, bytes])),
    fc.uint8Array({ maxLength: 120 }).map((bytes) => Buffer.concat([Buffer.from("PROXY "), bytes])),
    fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 80 })).map(([family, bytes]) => version2({ family, content: Buffer.from(bytes) })),
    fc.uint8Array({ maxLength: 80 }).map((bytes) => version2({ content: Buffer.concat([Buffer.alloc(12), bytes]) })),
    fc
      .string({ unit: fc.constantFrom("TCP4", "TCP6", " ", "1", ".", ":", "\r", "\n"), maxLength: 30 })
      .map((text) => Buffer.from(`PROXY ${text}`)),
  );

  it("never throw, and come to the same in any split", () => {
    fc.assert(
      fc.property(hostile, splits, (bytes, cuts) => {
        const whole = parse(bytes);
        assert.deepEqual(parse(bytes, cuts), whole);
        assert.ok(whole.taken === bytes.length || whole.header !== null || whole.refusal !== null);
      }),
      { numRuns: 5000 },
    );
  });
});
