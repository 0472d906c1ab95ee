import assert from "node:assert/strict";
import { isIPv6 } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { textOfAddress } from "../../../../src/listeners/uws/remote-address.js";

const text = (...bytes: number[]) => textOfAddress(new Uint8Array(bytes).buffer);
const groups = (...values: number[]) => text(...values.flatMap((value) => [value >> 8, value & 255]));

test("IPv4 is dotted, and mapped IPv6 is unwrapped", () => {
  assert.equal(text(127, 0, 0, 1), "127.0.0.1");
  assert.equal(text(255, 255, 255, 255), "255.255.255.255");
  assert.equal(groups(0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201), "192.0.2.1");
});

test("IPv6 is written in its canonical form", () => {
  assert.equal(groups(0, 0, 0, 0, 0, 0, 0, 0), "::");
  assert.equal(groups(0, 0, 0, 0, 0, 0, 0, 1), "::1");
  assert.equal(groups(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), "2001:db8::");
  assert.equal(groups(0x2001, 0xdb8, 0, 1, 1, 1, 1, 1), "2001:db8:0:1:1:1:1:1");
  assert.equal(groups(0x2001, 0, 0, 1, 0, 0, 0, 1), "2001:0:0:1::1");
  assert.equal(groups(0x2001, 0, 0, 1, 0, 0, 1, 1), "2001::1:0:0:1:1");
});

test("an unknown form is empty", () => {
  assert.equal(text(), "");
});

test("every IPv6 address is a valid one", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const result = textOfAddress(bytes.slice().buffer);
      assert.ok(isIPv6(result) || /^[0-9.]+$/.test(result), result);
    }),
  );
});

test("more clients than are remembered still get their own address", () => {
  for (let i = 0; i < 3_000; i++) assert.equal(text(10, 0, i >> 8, i & 255), `10.0.${i >> 8}.${i & 255}`);
});
