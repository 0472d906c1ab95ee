import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TokenCache } from "../../../../src/filters/jwt/token-cache.js";

test("what is used stays, what is not used goes first", () => {
  const cache = new TokenCache<number>({ maxEntries: 4, maxBytes: 1_000_000 });
  cache.set("hot", 0);
  for (let i = 1; i <= 20; i++) {
    cache.set(`t${i}`, i);
    assert.equal(cache.get("hot"), 0);
  }
  assert.equal(cache.get("t1"), undefined);
  assert.equal(cache.get("t20"), 20);
});

test("entries and bytes stay within their bounds, and bytes are counted right", () => {
  const keys = fc.oneof(
    fc.string({ minLength: 1, maxLength: 40 }),
    fc.constantFrom("a", "b", "c").map((start) => `${start}.${"e".repeat(40)}`),
  );
  const step = fc.record({ type: fc.constantFrom("set", "get", "delete", "clear"), key: keys });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const cache = new TokenCache<string>({ maxEntries: 10, maxBytes: 2_000 });
      for (const { type, key } of steps) {
        if (type === "set") cache.set(key, key);
        else if (type === "delete") cache.delete(key);
        else if (type === "clear") cache.clear();
        else assert.ok([undefined, key].includes(cache.get(key)));
        assert.ok(cache.size <= 10 && cache.bytes <= 2_000);
      }
      for (const { key } of steps) cache.delete(key);
      assert.equal(cache.bytes, 0);
      assert.equal(cache.size, 0);
    }),
  );
});

test("tokens that end alike are never taken for each other", () => {
  const cache = new TokenCache<string>({ maxEntries: 10, maxBytes: 100_000 });
  const end = "e".repeat(64);
  cache.set(`a.${end}`, "a");
  assert.equal(cache.get(`b.${end}`), undefined);
  cache.set(`b.${end}`, "b");
  assert.equal(cache.get(`b.${end}`), "b");
  assert.equal(cache.get(`a.${end}`), undefined, "one place for both");
  cache.delete(`a.${end}`);
  assert.equal(cache.get(`b.${end}`), "b", "what is not there is not deleted");
});

test("a token larger than the cache is not kept", () => {
  const cache = new TokenCache<number>({ maxEntries: 10, maxBytes: 1_000 });
  cache.set("x".repeat(1_000), 1);
  assert.equal(cache.size, 0);
});
