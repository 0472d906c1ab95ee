import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { DnsFormatError, decodeResponse, encodeQuery } from "../../../src/discovery/dns/message.js";

/** A response to the question `app.test A`, from parts in hex. */
function response(counts: string, records: string, flags = "8180"): Buffer {
  return Buffer.from(`002a ${flags} 0001 ${counts} 03617070047465737400 0001 0001 ${records}`.replaceAll(" ", ""), "hex");
}

/** Points at the name of the question. */
const APP = "c00c";

describe("DNS messages", () => {
  it("ask one question with EDNS(0)", () => {
    assert.equal(
      encodeQuery(42, "app.test", "SRV").toString("hex"),
      "002a01000001000000000001036170700474657374000021000100002904d000000000" + "0000",
    );
  });

  it("bring addresses with their lifetimes, types that nobody asked for left out", () => {
    const { id, code, question, answers, isTruncated } = decodeResponse(
      response(
        "0003 0000 0000",
        `${APP} 0001 0001 0000003c 0004 0a000105 ${APP} 001c 0001 00000005 0010 20010db8000000000000000000000001 ${APP} 0010 0001 00000005 0002 0161`,
      ),
    );
    assert.deepEqual({ id, code, question, isTruncated }, { id: 42, code: 0, question: { name: "app.test", type: 1 }, isTruncated: false });
    assert.deepEqual(answers, [
      { type: "A", name: "app.test", ttlSeconds: 60, address: "10.0.1.5" },
      { type: "AAAA", name: "app.test", ttlSeconds: 5, address: "2001:db8::1" },
    ]);
  });

  it("bring services, aliases, and how long there is none", () => {
    const srv = `${APP} 0021 0001 00000001 000b 000a 0005 1f90 027331 c010`;
    const cname = `${APP} 0005 0001 00000002 0002 c010`;
    // Its own lifetime is 9 s, what it says of "there is none" 7 s.
    const soa = `${APP} 0006 0001 00000009 0018 c00c c00c 00000001 00000002 00000003 00000004 00000007`;
    const { answers, negativeTtlSeconds } = decodeResponse(response("0002 0001 0000", `${srv} ${cname} ${soa}`));
    assert.deepEqual(answers, [
      { type: "SRV", name: "app.test", ttlSeconds: 1, priority: 10, weight: 5, port: 8080, target: "s1.test" },
      { type: "CNAME", name: "app.test", ttlSeconds: 2, target: "test" },
    ]);
    assert.equal(negativeTtlSeconds, 7);
  });

  it("that were cut off are not read further", () => {
    assert.deepEqual(decodeResponse(response("0005 0000 0000", "c0", "8380")).isTruncated, true);
  });

  const hostile: readonly (readonly [string, Buffer])[] = [
    ["nothing", Buffer.alloc(0)],
    ["a question", encodeQuery(1, "app.test", "A")],
    ["a record that is missing", response("0001 0000 0000", "")],
    ["a record that ends outside", response("0001 0000 0000", `${APP} 0001 0001 00000001 0400 0a000001`)],
    ["a name that points at itself", response("0001 0000 0000", "c01a 0001 0001 00000001 0004 0a000001")],
    ["a name that points forwards", response("0001 0000 0000", "c0ff 0001 0001 00000001 0004 0a000001")],
    ["an unknown label", response("0001 0000 0000", "4161 0001 0001 00000001 0004 0a000001")],
    ["an address of three bytes", response("0001 0000 0000", `${APP} 0001 0001 00000001 0003 0a0000`)],
    ["a name of 300 bytes", response("0001 0000 0000", `${`3f${"61".repeat(63)}`.repeat(5)}00 0001 0001 00000001 0004 0a000001`)],
  ];
  for (const [name, bytes] of hostile) {
    it(`refuse ${name}`, () => assert.throws(() => decodeResponse(bytes), DnsFormatError));
  }

  it("of any bytes end in an answer or a format error, soon", () => {
    const whole = response(
      "0002 0001 0000",
      `${APP} 0021 0001 00000001 000b 000a 0005 1f90 027331 c010 ${APP} 0005 0001 00000002 0002 c010 ${APP} 0006 0001 00000009 0018 c00c c00c 00000001 00000002 00000003 00000004 00000007`,
    );
    const change = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(change, fc.nat(whole.length), fc.uint8Array({ maxLength: 40 }), (changes, length, tail) => {
        const bytes = Buffer.concat([whole.subarray(0, length), tail]);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        try {
          decodeResponse(bytes);
        } catch (error) {
          assert.ok(error instanceof DnsFormatError, String(error));
        }
      }),
      { numRuns: 5_000 },
    );
  });
});
