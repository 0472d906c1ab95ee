/** All examples of RFC 7541 Appendix C, read and, where an encoder has no choice or ours makes the same, written. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HpackEncoder } from "../../../../src/wire/hpack/encoder.js";
import { writeInteger } from "../../../../src/wire/hpack/integer.js";
import { createDecoder, encode, entriesOf, fieldsOf, hex } from "./blocks.js";

interface Step {
  readonly block: string;
  readonly fields: readonly string[];
  /** Newest first. */
  readonly table: readonly string[];
  readonly tableBytes: number;
}

describe("RFC 7541 C.1: integers", () => {
  const examples = [
    { name: "10 in a 5-bit prefix", value: 10, prefixBits: 5, bytes: "0a" },
    { name: "1337 in a 5-bit prefix", value: 1337, prefixBits: 5, bytes: "1f9a0a" },
    { name: "42 in a whole byte", value: 42, prefixBits: 8, bytes: "2a" },
  ];
  for (const { name, value, prefixBits, bytes } of examples) {
    it(`writes ${name}`, () => {
      const out = Buffer.alloc(6);
      assert.equal(out.toString("hex", 0, writeInteger(0, prefixBits, value, out, 0)), bytes);
    });
  }

  it("reads 10 and 1337 as sizes of the table", () => {
    const decoder = createDecoder();
    assert.deepEqual(fieldsOf(decoder, hex("2a 3f9a0a")), []);
  });
});

describe("RFC 7541 C.2: representations", () => {
  const examples = [
    {
      name: "literal with indexing",
      block: "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      fields: ["custom-key", "custom-header"],
      table: ["custom-key: custom-header"],
      neverIndexed: [],
    },
    {
      name: "literal without indexing",
      block: "040c 2f73 616d 706c 652f 7061 7468",
      fields: [":path", "/sample/path"],
      table: [],
      neverIndexed: [],
    },
    {
      name: "literal never indexed",
      block: "1008 7061 7373 776f 7264 0673 6563 7265 74",
      fields: ["password", "secret"],
      table: [],
      neverIndexed: ["password"],
    },
    { name: "indexed field", block: "82", fields: [":method", "GET"], table: [], neverIndexed: [] },
  ];
  for (const { name, block, fields, table, neverIndexed } of examples) {
    it(`reads a ${name}`, () => {
      const decoder = createDecoder();
      assert.deepEqual(fieldsOf(decoder, hex(block)), fields);
      assert.deepEqual(decoder.neverIndexed, neverIndexed);
      assert.deepEqual(entriesOf(decoder), table);
    });
  }
});

const GET = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"];
const REQUESTS = [
  { fields: GET, table: [":authority: www.example.com"], tableBytes: 57 },
  {
    fields: [...GET, "cache-control", "no-cache"],
    table: ["cache-control: no-cache", ":authority: www.example.com"],
    tableBytes: 110,
  },
  {
    fields: [
      ...[":method", "GET", ":scheme", "https", ":path", "/index.html"],
      ...[":authority", "www.example.com", "custom-key", "custom-value"],
    ],
    table: ["custom-key: custom-value", "cache-control: no-cache", ":authority: www.example.com"],
    tableBytes: 164,
  },
];
const PLAIN_REQUESTS = [
  "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
  "8286 84be 5808 6e6f 2d63 6163 6865",
  "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
];
const HUFFMAN_REQUESTS = [
  "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
  "8286 84be 5886 a8eb 1064 9cbf",
  "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
];

const DATE_21 = "Mon, 21 Oct 2013 20:13:21 GMT";
const DATE_22 = "Mon, 21 Oct 2013 20:13:22 GMT";
const HOME = "https://www.example.com";
const COOKIE = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const RESPONSES = [
  {
    fields: [":status", "302", "cache-control", "private", "date", DATE_21, "location", HOME],
    table: [`location: ${HOME}`, `date: ${DATE_21}`, "cache-control: private", ":status: 302"],
    tableBytes: 222,
  },
  {
    fields: [":status", "307", "cache-control", "private", "date", DATE_21, "location", HOME],
    table: [":status: 307", `location: ${HOME}`, `date: ${DATE_21}`, "cache-control: private"],
    tableBytes: 222,
  },
  {
    fields: [
      ...[":status", "200", "cache-control", "private", "date", DATE_22, "location", HOME],
      ...["content-encoding", "gzip", "set-cookie", COOKIE],
    ],
    table: [`set-cookie: ${COOKIE}`, "content-encoding: gzip", `date: ${DATE_22}`],
    tableBytes: 215,
  },
];
const PLAIN_RESPONSES = [
  `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768
   7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
  "4803 3330 37c1 c0bf",
  `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153
   444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
   3d31`,
];
const HUFFMAN_RESPONSES = [
  `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8
   e9ae 82ae 43d3`,
  "4883 640e ffc1 c0bf",
  `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b
   3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
];

function stepsOf(messages: readonly Omit<Step, "block">[], blocks: readonly string[]): Step[] {
  return messages.map((message, index) => ({ ...message, block: blocks[index] as string }));
}

describe("RFC 7541 C.3 to C.6: messages on one connection", () => {
  const runs = [
    { name: "C.3 requests without Huffman coding", maxTableBytes: 4096, steps: stepsOf(REQUESTS, PLAIN_REQUESTS) },
    { name: "C.4 requests with Huffman coding", maxTableBytes: 4096, steps: stepsOf(REQUESTS, HUFFMAN_REQUESTS) },
    { name: "C.5 responses without Huffman coding", maxTableBytes: 256, steps: stepsOf(RESPONSES, PLAIN_RESPONSES) },
    { name: "C.6 responses with Huffman coding", maxTableBytes: 256, steps: stepsOf(RESPONSES, HUFFMAN_RESPONSES) },
  ];
  for (const { name, maxTableBytes, steps } of runs) {
    it(`reads ${name}`, () => {
      const decoder = createDecoder({ maxTableBytes });
      for (const { block, fields, table, tableBytes } of steps) {
        assert.deepEqual(fieldsOf(decoder, hex(block)), fields);
        assert.equal(decoder.tableBytes, tableBytes);
        assert.deepEqual(entriesOf(decoder), table);
      }
    });
  }

  it("writes the requests of C.4 byte by byte", () => {
    const encoder = new HpackEncoder();
    for (const { block, fields, tableBytes } of stepsOf(REQUESTS, HUFFMAN_REQUESTS)) {
      assert.equal(encode(encoder, fields).toString("hex"), hex(block).toString("hex"));
      assert.equal(encoder.tableBytes, tableBytes);
    }
  });

  it("writes the responses of C.6 so that a table of 256 bytes suffices", () => {
    const encoder = new HpackEncoder();
    encoder.setPeerTableBytes(256);
    const decoder = createDecoder({ maxTableBytes: 256 });
    for (const { fields } of RESPONSES) {
      assert.deepEqual(fieldsOf(decoder, encode(encoder, fields)), fields);
      assert.equal(encoder.tableBytes, decoder.tableBytes);
      assert.ok(encoder.tableBytes <= 256);
    }
  });
});
