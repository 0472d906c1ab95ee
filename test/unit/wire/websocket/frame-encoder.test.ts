import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isSendableCloseCode } from "../../../../src/wire/websocket/close-codes.js";
import { closePayload, frameBytes, writeFrame } from "../../../../src/wire/websocket/frame-encoder.js";
import { applyMask } from "../../../../src/wire/websocket/masking.js";
import { BINARY, CLOSE, PING, TEXT } from "../../../../src/wire/websocket/opcodes.js";
import { codeAndReason, rawFrame } from "./raw-frame.js";
import { latin1, readFrames } from "./read-frames.js";

const LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, 2 ** 20];
const MASKS = [null, 0, 0x1234_5678, -2, 0xff00_00ff];

function payloadOf(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255));
}

function written(opcode: number, payload: Uint8Array, mask: number | null, at = 0): Buffer {
  const into = Buffer.alloc(at + frameBytes(payload.length, mask !== null) + 5, 0xee);
  const end = writeFrame(into, at, opcode, payload, mask);
  assert.equal(end, into.length - 5);
  assert.ok(into.subarray(0, at).every((byte) => byte === 0xee) && into.subarray(end).every((byte) => byte === 0xee));
  return into.subarray(at, end);
}

describe("a written frame", () => {
  for (const length of LENGTHS) {
    test(`with ${length} bytes of payload has the bytes that RFC 6455 says, and is read again`, () => {
      const payload = payloadOf(length);
      for (const mask of MASKS) {
        const bytes = written(BINARY, payload, mask, length % 3);
        assert.ok(bytes.equals(rawFrame({ opcode: BINARY, payload, ...(mask === null ? {} : { mask }) })));
        for (const pieces of [[bytes.length], [1000, 1, 77]]) {
          const reading = readFrames(bytes, { isMasked: mask !== null, pieces });
          assert.equal(reading.refusal, null);
          assert.ok(reading.events[0]?.kind === "binary" && reading.events[0].data === latin1(payload));
        }
      }
    });
  }

  test("leaves the payload as it was", () => {
    const payload = payloadOf(1000);
    written(BINARY, payload, 0x1234_5678);
    assert.deepEqual(payload, payloadOf(1000));
  });

  test("keeps its opcode", () => {
    for (const opcode of [TEXT, BINARY, CLOSE, PING]) assert.equal(written(opcode, new Uint8Array(0), null)[0], 0x80 | opcode);
  });

  test("larger than 4 GiB has its length in both words", () => {
    assert.equal(frameBytes(2 ** 32 + 5, true), 2 ** 32 + 5 + 14);
    const into = new Uint8Array(16);
    // An array of that size would take the memory: only its length is read before the copy.
    const huge = { length: 2 ** 33 + 2 ** 31 + 5 } as Uint8Array;
    into.set = () => {};
    writeFrame(into, 0, BINARY, huge, null);
    assert.equal(Buffer.from(into).readBigUInt64BE(2), 2n ** 33n + 2n ** 31n + 5n);
  });
});

describe("masking", () => {
  const mask = (bytes: Uint8Array, key: number, offset: number) =>
    bytes.map((byte, i) => byte ^ ((key >>> (24 - 8 * ((i + offset) & 3))) & 255));

  test("is the same at every alignment, offset and length", () => {
    const memory = new ArrayBuffer(400);
    for (let start = 0; start < 8; start++) {
      for (let offset = 0; offset < 5; offset++) {
        for (const length of [0, 1, 3, 4, 63, 64, 65, 66, 67, 68, 79, 200]) {
          const whole = new Uint8Array(memory, start & 3, 300).map((_, i) => i * 7);
          const bytes = new Uint8Array(memory, start & 3, 300);
          bytes.set(whole);
          applyMask(bytes, start, start + length, 0x89ab_cdef, offset);
          const expected = Uint8Array.from(whole);
          expected.set(mask(whole.subarray(start, start + length), 0x89ab_cdef, offset), start);
          assert.deepEqual(bytes, expected);
        }
      }
    }
  });

  test("undoes itself, in whatever pieces", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.integer(), fc.nat({ max: 500 }), (bytes, key, cut) => {
        const masked = Uint8Array.from(bytes);
        const middle = Math.min(cut, bytes.length);
        applyMask(masked, 0, middle, key, 0);
        applyMask(masked, middle, bytes.length, key, middle);
        assert.deepEqual(masked, mask(bytes, key, 0));
        applyMask(masked, 0, bytes.length, key, 0);
        assert.deepEqual(masked, bytes);
      }),
    );
  });
});

describe("the payload of a close frame", () => {
  test("is the code and the reason", () => {
    assert.deepEqual(Buffer.from(closePayload(1001, Buffer.from("restart"))), codeAndReason(1001, "restart"));
    assert.deepEqual(Buffer.from(closePayload(4000, new Uint8Array(0))), codeAndReason(4000));
  });

  test("is empty for codes that must not travel", () => {
    for (const code of [1005, 1006, 1015, 0, 70_000]) assert.equal(closePayload(code, Buffer.from("x")).length, 0);
  });

  test("holds no more than 123 bytes of a reason, whole characters only", () => {
    const rows: [string, number][] = [
      ["a".repeat(123), 123],
      ["a".repeat(200), 123],
      [`${"a".repeat(122)}é`, 122],
      [`${"a".repeat(121)}é`, 123],
      [`${"a".repeat(121)}€`, 121],
      [`${"a".repeat(120)}😀`, 120],
      [`${"a".repeat(119)}😀x`, 123],
      ["😀".repeat(40), 120],
    ];
    for (const [reason, length] of rows) {
      const payload = closePayload(1000, Buffer.from(reason));
      assert.equal(payload.length, 2 + length, reason);
      assert.ok(reason.startsWith(Buffer.from(payload.subarray(2)).toString()), reason);
    }
  });

  test("of every code that may be sent is accepted by the parser", () => {
    for (let code = 0; code < 65_536; code++) {
      const bytes = rawFrame({ opcode: CLOSE, payload: codeAndReason(code) });
      assert.equal(readFrames(bytes).refusal === null, isSendableCloseCode(code), `${code}`);
    }
  });
});

test("the sendable close codes are those of RFC 6455 and the IANA registry", () => {
  const sendable = Array.from({ length: 65_536 }, (_, code) => code).filter(isSendableCloseCode);
  const registered = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
  assert.deepEqual(sendable.slice(0, registered.length), registered);
  assert.deepEqual([sendable[registered.length], sendable.at(-1), sendable.length], [3000, 4999, registered.length + 2000]);
});
