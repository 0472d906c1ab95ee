import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HpackEncoder } from "../../../../src/wire/hpack/encoder.js";
import { createDecoder, encode, fieldsOf, hex, sizeUpdate } from "./blocks.js";

const FIRST_BYTE_MASKS = { indexed: 0x80, indexing: 0x40, never: 0x10, unindexed: 0x00 };

/** How the encoder writes a field after those before it, by the first byte. */
function representation(encoder: HpackEncoder, name: string, value: string): string {
  const first = encode(encoder, [name, value])[0] as number;
  const [found] = Object.entries(FIRST_BYTE_MASKS).find(([, mask]) => (first & mask) !== 0) ?? ["unindexed"];
  return found;
}

describe("the HPACK encoder", () => {
  it("takes a byte for a field of the static table", () => {
    assert.equal(encode(new HpackEncoder(), [":status", "200", ":method", "GET", ":scheme", "https"]).toString("hex"), "888287");
  });

  it("takes a byte for a field that it wrote before", () => {
    const encoder = new HpackEncoder();
    const fields = ["server", "windrose", "content-type", "application/json", "x-tenant", "acme"];
    assert.ok(encode(encoder, fields).length > 30);
    assert.equal(encode(encoder, fields).length, 3);
  });

  it("marks credentials as never indexed, every time", () => {
    const encoder = new HpackEncoder();
    for (const name of ["authorization", "proxy-authorization", "set-cookie", "x-api-key", "x-csrf-token"]) {
      for (let time = 0; time < 3; time++) assert.equal(representation(encoder, name, "Basic YTpi"), "never", name);
    }
    assert.equal(encoder.tableBytes, 0);
  });

  it("indexes a cookie only if it is too long to be guessed", () => {
    const encoder = new HpackEncoder();
    assert.equal(representation(encoder, "cookie", "x".repeat(19)), "never");
    assert.equal(representation(encoder, "cookie", "x".repeat(20)), "indexing");
  });

  it("does not index paths, lengths and validators", () => {
    const encoder = new HpackEncoder();
    for (const name of [":path", "content-length", "etag", "last-modified", "if-none-match", "location", "age"]) {
      for (let time = 0; time < 3; time++) assert.equal(representation(encoder, name, "12"), "unindexed", name);
    }
    assert.equal(encoder.tableBytes, 0);
  });

  it("gives a name whose values never repeat one entry, and spares the name from then on", () => {
    const encoder = new HpackEncoder();
    assert.equal(representation(encoder, "x-request-id", "id-0"), "indexing");
    for (let id = 1; id < 20; id++) assert.equal(representation(encoder, "x-request-id", `id-${id}`), "unindexed");
    assert.equal(encoder.tableBytes, "x-request-idid-0".length + 32);
    assert.ok(encode(encoder, ["x-request-id", "zzzz"]).length <= 7);
  });

  it("indexes a further value once it comes twice running", () => {
    const encoder = new HpackEncoder();
    const seen = ["12:00:00", "12:00:01", "12:00:01", "12:00:01"].map((value) => representation(encoder, "date", value));
    assert.deepEqual(seen, ["indexing", "unindexed", "indexing", "indexed"]);
  });

  it("indexes a further value at once if the last one was of use", () => {
    const encoder = new HpackEncoder();
    const seen = ["a", "a", "b", "b", "a"].map((value) => representation(encoder, "content-type", value));
    assert.deepEqual(seen, ["indexing", "indexed", "indexing", "indexed", "indexed"]);
  });

  it("does not give half of its table to one field", () => {
    const encoder = new HpackEncoder();
    assert.equal(representation(encoder, "x", "y".repeat(2048 - 33)), "indexing");
    assert.equal(representation(encoder, "z", "y".repeat(2048 - 32)), "unindexed");
  });

  it("keeps to the representation of a field that came as never indexed", () => {
    const encoder = new HpackEncoder();
    for (const [name, value] of [
      ["server", "windrose"],
      ["x-pin", "1234"],
      [":path", "/"],
    ] as const) {
      const out = Buffer.alloc(64);
      const block = out.subarray(0, encoder.neverIndexedField(name, value, out, 0));
      const decoder = createDecoder();
      assert.deepEqual(fieldsOf(decoder, block), [name, value]);
      assert.deepEqual(decoder.neverIndexed, [name]);
    }
    assert.equal(encoder.tableBytes, 0);
  });
});

describe("the encoder's table size", () => {
  const updates = (...sizes: readonly number[]) => Buffer.concat(sizes.map(sizeUpdate)).toString("hex");
  const cases = [
    { name: "says nothing of a larger table", settings: [65_536], block: "" },
    { name: "says nothing of the same size", settings: [4096], block: "" },
    { name: "announces a smaller one once", settings: [1000], block: updates(1000) },
    { name: "announces the last of several", settings: [2000, 1000], block: updates(1000) },
    { name: "announces the smallest and the last", settings: [2000, 100, 1000], block: updates(100, 1000) },
    { name: "announces the smallest even if the last is what it was", settings: [0, 4096], block: updates(0, 4096) },
    { name: "announces what is in force of a smaller and a huge one", settings: [0, 2 ** 32 - 1], block: updates(0, 4096) },
  ];
  for (const { name, settings, block } of cases) {
    it(name, () => {
      const encoder = new HpackEncoder();
      for (const bytes of settings) encoder.setPeerTableBytes(bytes);
      assert.equal(encode(encoder, []).toString("hex"), block);
      assert.equal(encode(encoder, []).toString("hex"), "");
    });
  }

  it("evicts what the smallest size makes the peer evict", () => {
    const encoder = new HpackEncoder();
    const decoder = createDecoder();
    const fields = ["server", "windrose", "x-tenant", "acme"];
    fieldsOf(decoder, encode(encoder, fields));
    encoder.setPeerTableBytes(50);
    encoder.setPeerTableBytes(4096);
    assert.deepEqual(fieldsOf(decoder, encode(encoder, fields)), fields);
    assert.equal(encoder.tableBytes, decoder.tableBytes);
  });

  it("works without a table", () => {
    const encoder = new HpackEncoder();
    encoder.setPeerTableBytes(0);
    const decoder = createDecoder({ maxTableBytes: 0 });
    const fields = [":status", "200", "server", "windrose", "x", ""];
    for (let time = 0; time < 3; time++) assert.deepEqual(fieldsOf(decoder, encode(encoder, fields)), fields);
    assert.equal(encode(encoder, [":status", "200"]).toString("hex"), hex("88").toString("hex"));
  });

  it("does not take an entry for one that was evicted from its place", () => {
    const encoder = new HpackEncoder();
    encoder.setPeerTableBytes(8 * 34);
    const decoder = createDecoder({ maxTableBytes: 8 * 34 });
    // Two entries of a, the first of which the last insertion evicts and replaces in a ring of eight.
    const fields = ["a", "1", "a", "1", "a", "2", ...["b", "c", "d", "e", "f", "g"].flatMap((name) => [name, "3"]), "z", "1"];
    assert.deepEqual(fieldsOf(decoder, encode(encoder, fields)), fields);
    assert.equal(encoder.tableBytes, 8 * 34);
    assert.deepEqual(fieldsOf(decoder, encode(encoder, ["a", "1"])), ["a", "1"]);
  });
});
