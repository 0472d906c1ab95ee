import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeHead, statusLine, withField } from "../../../../src/listeners/uws/response-head.js";

test("all fields are joined behind the first, in order, duplicates kept", () => {
  assert.deepEqual(encodeHead(["a", "1", "b", "2", "a", "3"]), { name: "a", text: "1\r\nb: 2\r\na: 3", isLatin1: false });
  assert.deepEqual(encodeHead([]), { name: "", text: "", isLatin1: false });
});

test("fields that the addon or the writer adds are left out, in any case", () => {
  const head = encodeHead([
    "Date",
    "x",
    "content-length",
    "1",
    "a",
    "1",
    "Transfer-Encoding",
    "x",
    "connection",
    "x",
    "CONTENT-LENGTH",
    "2",
  ]);
  assert.deepEqual(head, { name: "a", text: "1", isLatin1: false });
});

test("bytes above 0x7f ask for latin1", () => {
  assert.equal(encodeHead(["a", "caf\xe9"])?.isLatin1, true);
});

test("a field can be added to a head with and without others", () => {
  assert.deepEqual(withField(encodeHead([])!, "a", "1"), { name: "a", text: "1", isLatin1: false });
  assert.deepEqual(withField(encodeHead(["a", "1"])!, "b", "2"), { name: "a", text: "1\r\nb: 2", isLatin1: false });
});

test("a status without a name still makes a valid line", () => {
  assert.equal(statusLine(200), "200 OK");
  assert.equal(statusLine(299), "299 Unknown");
});

test("nothing that could split a response is ever encoded", () => {
  const text = fc.oneof(fc.string({ unit: "binary", maxLength: 20 }), fc.constantFrom("a\r\nb: c", "a\nb", "a\0", "", "x-a"));
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { maxLength: 6 }), (pairs) => {
      const head = encodeHead(pairs.flat());
      const isSendable = pairs.every(
        ([name, value]) => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) && /^[^\0\r\n\u0100-\uffff]*$/.test(value),
      );
      assert.equal(head !== null, isSendable);
      if (head === null || head.name === "") return;
      const lines = `${head.name}: ${head.text}`.split("\r\n");
      assert.ok(lines.length <= pairs.length);
      assert.ok(lines.every((line) => /^[^:\0\r\n]+: [^\0\r\n]*$/.test(line)));
    }),
    { numRuns: 2_000 },
  );
});
