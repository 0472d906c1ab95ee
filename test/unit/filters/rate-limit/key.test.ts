import assert from "node:assert/strict";
import { test } from "node:test";
import { addressKey, createKeyOf } from "../../../../src/filters/rate-limit/key.js";
import { createContext, type TestRequest } from "../filter-context.js";

function keyOf(keys: string[], request: TestRequest = {}): string {
  return createKeyOf(keys)(createContext(request));
}

function principal(claims: Record<string, unknown>) {
  return { principal: { provider: "main", subject: "", claims } };
}

test("requests are told apart by what the key names and by nothing else", () => {
  const same: [string[], TestRequest, TestRequest][] = [
    [["ip"], { path: "/a" }, { path: "/b" }],
    [["route"], { clientAddress: "192.0.2.1" }, { clientAddress: "192.0.2.2" }],
    [["jwt.sub"], { ...principal({ sub: "a" }), clientAddress: "192.0.2.1" }, { ...principal({ sub: "a" }), clientAddress: "192.0.2.2" }],
    [["header.X-Key"], { headers: ["x-key", "1"] }, { headers: ["x-key", "1", "accept", "*/*"] }],
  ];
  for (const [keys, one, other] of same) assert.equal(keyOf(keys, one), keyOf(keys, other), String(keys));
  const different: [string[], TestRequest, TestRequest][] = [
    [["ip"], { clientAddress: "192.0.2.1" }, { clientAddress: "192.0.2.2" }],
    [["jwt.sub"], principal({ sub: "a" }), principal({ sub: "b" })],
    [["jwt.a.b"], principal({ a: { b: 1 } }), principal({ a: { b: 2 } })],
    [["{request.path}-{client.ip}"], { path: "/a" }, { path: "/b" }],
    [["ip", "header.x-a"], { headers: ["x-a", "1"] }, { headers: ["x-a", "2"] }],
  ];
  for (const [keys, one, other] of different) assert.notEqual(keyOf(keys, one), keyOf(keys, other), String(keys));
});

test("a missing value falls back to the address, which no value can imitate", () => {
  const missing = keyOf(["header.x-key"], { clientAddress: "192.0.2.9" });
  assert.notEqual(missing, keyOf(["header.x-key"], { clientAddress: "192.0.2.8" }));
  for (const forged of [missing, "192.0.2.9", "?192.0.2.9"])
    assert.notEqual(keyOf(["header.x-key"], { headers: ["x-key", forged] }), missing);
  assert.equal(keyOf(["a-{jwt.sub}-{request.path}"], { path: "/1" }), keyOf(["a-{jwt.sub}-{request.path}"], { path: "/2" }));
});

test("the parts of a list cannot be shifted into one another", () => {
  const keys = ["header.a", "header.b"];
  const pairs: [string, string][] = [
    ["x", "yz"],
    ["xy", "z"],
    ["x1:y", ""],
    ["x", "1:y"],
  ];
  const seen = new Set(pairs.map(([a, b]) => keyOf(keys, { headers: ["a", a, "b", b] })));
  assert.equal(seen.size, pairs.length);
});

test("long values do not make long keys, and still differ", () => {
  const one = keyOf(["header.a"], { headers: ["a", `${"x".repeat(10_000)}1`] });
  const other = keyOf(["header.a"], { headers: ["a", `${"x".repeat(10_000)}2`] });
  assert.ok(one.length < 64);
  assert.notEqual(one, other);
});

test("an IPv6 address is counted by its /64, however it is written", () => {
  const cases: [string, string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:0DB8:0001:0002:ffff::1", "2001:db8:1:2"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["2001:db8:1::", "2001:db8:1:0"],
    ["::1", "0:0:0:0"],
    ["::", "0:0:0:0"],
    ["1::2:3:4:5:6:7", "1:0:2:3"],
    ["::2:3:4:5:6:7:8", "0:2:3:4"],
    ["64:ff9b::192.0.2.1", "64:ff9b:0:0"],
  ];
  for (const [address, expected] of cases) assert.equal(addressKey(address), expected, address);
});
