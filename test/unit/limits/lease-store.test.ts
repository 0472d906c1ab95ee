import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import type { LeaseRequest } from "../../../src/limits/lease.js";
import { createMemoryLimitStore, OVERFLOW_BUCKETS } from "../../../src/limits/lease-store.js";

beforeEach(() => mock.timers.enable({ apis: ["Date", "setTimeout"], now: 1_000_000 }));
afterEach(() => mock.timers.reset());

function ask(key: string, changes: Partial<LeaseRequest> = {}): LeaseRequest {
  return { limitId: "l", key, capacity: 10, windowMs: 1_000, needed: 1, ahead: 0, ...changes };
}

test("what is needed is granted until the capacity is used up, and again in the next window", async () => {
  const store = createMemoryLimitStore({ maxKeys: 100 });
  assert.deepEqual(await store.lease(ask("a", { needed: 7 })), { tokens: 7, remaining: 3, expiresAtMs: 1_001_000 });
  mock.timers.tick(400);
  assert.deepEqual(await store.lease(ask("a", { needed: 7 })), { tokens: 3, remaining: 0, expiresAtMs: 1_001_000 });
  assert.deepEqual(await store.lease(ask("a")), { tokens: 0, remaining: 0, expiresAtMs: 1_001_000 });
  mock.timers.tick(599);
  assert.equal((await store.lease(ask("a"))).tokens, 0);
  mock.timers.tick(1);
  assert.deepEqual(await store.lease(ask("a")), { tokens: 1, remaining: 9, expiresAtMs: 1_002_000 });
});

test("what is wished for ahead is an eighth of the rest at most", async () => {
  const store = createMemoryLimitStore({ maxKeys: 100 });
  const big = { capacity: 1_000, ahead: 500 };
  assert.equal((await store.lease(ask("a", { ...big, needed: 200 }))).tokens, 300);
  assert.equal((await store.lease(ask("a", { ...big, needed: 0 }))).tokens, 87);
  assert.equal((await store.lease(ask("a", { ...big, needed: 609 }))).tokens, 609);
  assert.deepEqual(await store.lease(ask("a", { ...big, needed: 0 })), { tokens: 0, remaining: 4, expiresAtMs: 1_001_000 });
});

test("leases asked for at once are counted one after the other", async () => {
  const store = createMemoryLimitStore({ maxKeys: 100 });
  const grants = await Promise.all(Array.from({ length: 30 }, () => store.lease(ask("a"))));
  assert.equal(grants.filter((grant) => grant.tokens === 1).length, 10);
});

test("keys, limits and windows are counted apart; a changed capacity is not", async () => {
  const store = createMemoryLimitStore({ maxKeys: 100 });
  await store.lease(ask("a", { needed: 10 }));
  for (const other of [ask("b"), ask("a", { limitId: "m" }), ask("a", { windowMs: 2_000 })]) {
    assert.equal((await store.lease(other)).tokens, 1);
  }
  assert.equal((await store.lease(ask("a", { capacity: 12, needed: 5 }))).tokens, 2);
  assert.equal((await store.lease(ask("a", { capacity: 5 }))).tokens, 0);
});

test("a flood of keys shares buckets: memory is bounded, old keys keep their counts, nobody gets more", async () => {
  const store = createMemoryLimitStore({ maxKeys: 50 });
  await store.lease(ask("early", { needed: 9 }));
  const granted = new Map<string, number>();
  for (let round = 0; round < 12; round++) {
    for (let i = 0; i < 2_000; i++) {
      const { tokens } = await store.lease(ask(`k${i}`));
      granted.set(`k${i}`, (granted.get(`k${i}`) ?? 0) + tokens);
    }
  }
  assert.ok(store.size <= 50 + OVERFLOW_BUCKETS, String(store.size));
  assert.ok([...granted.values()].every((tokens) => tokens <= 10));
  assert.ok([...granted.values()].reduce((sum, tokens) => sum + tokens) <= (50 + OVERFLOW_BUCKETS) * 10);
  assert.deepEqual(await store.lease(ask("early", { needed: 9 })), { tokens: 1, remaining: 0, expiresAtMs: 1_001_000 });
});

test("a key that was counted in a shared bucket gets no count of its own before that window ends", async () => {
  const store = createMemoryLimitStore({ maxKeys: 1 });
  await store.lease(ask("first"));
  mock.timers.tick(500);
  assert.deepEqual(await store.lease(ask("second", { needed: 10 })), { tokens: 10, remaining: 0, expiresAtMs: 1_001_500 });
  mock.timers.tick(600);
  assert.equal((await store.lease(ask("second"))).tokens, 0);
  mock.timers.tick(400);
  assert.equal((await store.lease(ask("second"))).tokens, 1);
});

test("counts disappear after their windows, also those of limits that are no longer used", async () => {
  const store = createMemoryLimitStore({ maxKeys: 1_000 });
  for (let i = 0; i < 100; i++) await store.lease(ask(`k${i}`, { limitId: `gone${i % 3}` }));
  mock.timers.tick(1_000);
  for (let i = 0; i < 4; i++) await store.lease(ask("a"));
  assert.equal(store.size, 1);
});

test("a clock that is set back does not lock anybody out for longer than a window", async () => {
  const store = createMemoryLimitStore({ maxKeys: 100 });
  await store.lease(ask("a", { needed: 10 }));
  mock.timers.reset();
  mock.timers.enable({ apis: ["Date", "setTimeout"], now: 500_000 });
  assert.deepEqual(await store.lease(ask("a")), { tokens: 1, remaining: 9, expiresAtMs: 501_000 });
});
