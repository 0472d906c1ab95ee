import assert from "node:assert/strict";
import { test } from "node:test";
import type { LeaseGrant, LeaseRequest } from "../../../src/limits/lease.js";
import {
  createLeaseClient,
  type LeaseClientOptions,
  type Limit,
  type LimitDecision,
  type LimitRule,
} from "../../../src/limits/lease-client.js";

interface Setup {
  readonly limit: Limit;
  readonly clock: { nowMs: number };
  readonly asked: LeaseRequest[];
  readonly warnings: string[];
  readonly store: { isDown: boolean; left: number; expiresAtMs: number };
  readonly size: () => number;
}

/** A store with one window, which grants whatever it is asked for while it lasts. */
function setup(rule: Partial<LimitRule> = {}, options: Partial<LeaseClientOptions> = {}): Setup {
  const full: LimitRule = { id: "l", capacity: 1_000, windowMs: 1_000, onStoreFailure: "local", ...rule };
  const clock = { nowMs: 5_000 };
  const asked: LeaseRequest[] = [];
  const warnings: string[] = [];
  const store = { isDown: false, left: full.capacity, expiresAtMs: 6_000 };
  const ask = async (request: LeaseRequest): Promise<LeaseGrant> => {
    asked.push(request);
    if (store.isDown) throw new Error("gone");
    const tokens = Math.min(store.left, request.needed + request.ahead);
    store.left -= tokens;
    return { tokens, remaining: store.left, expiresAtMs: store.expiresAtMs };
  };
  const warn = (message: string): void => void warnings.push(message);
  const client = createLeaseClient(ask, { now: () => clock.nowMs, maxKeys: 100, workers: 4, warn, ...options });
  return { limit: client.open(full), clock, asked, warnings, store, size: () => client.size };
}

async function outcomes(limit: Limit, count: number, key = "a"): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const { outcome } = await limit.take(key);
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

test("alone, a worker admits exactly the capacity and knows exactly what remains", async () => {
  for (const capacity of [1, 2, 10, 63, 64, 100, 1_000]) {
    const { limit } = setup({ capacity });
    for (let i = 1; i <= capacity; i++) {
      assert.deepEqual(await limit.take("a"), { outcome: "allowed", remaining: capacity - i, resetMs: 1_000 }, `${i} of ${capacity}`);
    }
    assert.deepEqual(await limit.take("a"), { outcome: "limited", remaining: 0, resetMs: 1_000 });
  }
});

test("with a large limit only the first request of a window waits, and messages are few", async () => {
  const { limit, asked } = setup({ capacity: 10_000 });
  assert.ok(limit.take("a") instanceof Promise);
  await outcomes(limit, 1);
  for (let i = 0; i < 5_000; i++) {
    assert.ok(!(limit.take("a") instanceof Promise), `request ${i} waited`);
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
  }
  assert.ok(asked.length < 40, String(asked.length));
});

test("a flood over the limit costs no message until the window ends", async () => {
  const { limit, asked, clock, store } = setup({ capacity: 5 });
  await outcomes(limit, 5);
  const before = asked.length;
  for (let i = 0; i < 1_000; i++) {
    const decision = limit.take("a");
    assert.ok(!(decision instanceof Promise) && decision.outcome === "limited");
  }
  assert.equal(asked.length, before);
  clock.nowMs = 6_000;
  Object.assign(store, { left: 5, expiresAtMs: 7_000 });
  assert.deepEqual(await limit.take("a"), { outcome: "allowed", remaining: 4, resetMs: 1_000 });
});

test("a small limit leaves nothing unspent", async () => {
  const { limit, asked, store } = setup({ capacity: 20 });
  await outcomes(limit, 3);
  assert.equal(store.left, 17);
  assert.ok(asked.every((request) => request.needed === 1 && request.ahead === 0));
});

test("what a worker holds unspent stays within the stated bound", async () => {
  const { limit, store } = setup({ capacity: 3_200 });
  for (let spent = 1; spent < 1_600; spent++) {
    await limit.take("a");
    assert.ok(3_200 - store.left - spent <= 150, `${3_200 - store.left - spent} held after ${spent}`);
  }
});

test("tokens are void when their window ends", async () => {
  const { limit, clock, store, asked } = setup({ capacity: 1_000 });
  await outcomes(limit, 10);
  clock.nowMs = 6_000;
  Object.assign(store, { left: 0, expiresAtMs: 7_000 });
  const before = asked.length;
  assert.equal((await limit.take("a")).outcome, "limited");
  assert.equal(asked.length, before + 1);
});

test("requests that wait at the same time share leases", async () => {
  const { limit, asked } = setup({ capacity: 50 });
  const decisions = await Promise.all(Array.from({ length: 60 }, () => limit.take("a")));
  assert.equal(decisions.filter((decision) => decision.outcome === "allowed").length, 50);
  assert.ok(asked.length <= 4, String(asked.length));
});

test("counts held are bounded: the oldest is forgotten", async () => {
  const { limit, size } = setup({ capacity: 1_000_000 }, { maxKeys: 10 });
  for (let i = 0; i < 500; i++) await limit.take(`k${i}`);
  assert.ok(size() <= 10, String(size()));
});

test("counts whose windows have ended make room", async () => {
  const { limit, size, clock, store } = setup({}, { maxKeys: 10_000 });
  for (let i = 0; i < 100; i++) await limit.take(`k${i}`);
  clock.nowMs = 6_000;
  Object.assign(store, { left: 1_000, expiresAtMs: 7_000 });
  for (let i = 0; i < 100; i++) await limit.take(`m${i}`);
  assert.ok(size() <= 101, String(size()));
});

test("rules with the same id share what they hold, as a route before and after a reload", async () => {
  const asked: LeaseRequest[] = [];
  const ask = async (request: LeaseRequest): Promise<LeaseGrant> => {
    asked.push(request);
    return { tokens: 100, remaining: 0, expiresAtMs: 6_000 };
  };
  const client = createLeaseClient(ask, { now: () => 5_000, maxKeys: 10, workers: 1, warn: () => {} });
  const rule: LimitRule = { id: "l", capacity: 100, windowMs: 1_000, onStoreFailure: "local" };
  const first = client.open(rule);
  await first.take("a");
  assert.deepEqual(client.open({ ...rule }).take("a"), { outcome: "allowed", remaining: 98, resetMs: 1_000 });
  assert.equal(asked.length, 1);
});

test("a store that is gone: open lets through, closed refuses, local divides; one warning", async () => {
  const cases: [LimitRule["onStoreFailure"], Record<string, number>][] = [
    ["open", { allowed: 50 }],
    ["closed", { unavailable: 50 }],
    ["local", { allowed: 10, limited: 40 }],
  ];
  for (const [onStoreFailure, expected] of cases) {
    const { limit, store, warnings, asked } = setup({ capacity: 40, onStoreFailure });
    store.isDown = true;
    assert.deepEqual(await outcomes(limit, 50), expected, onStoreFailure);
    assert.equal(warnings.length, 1);
    assert.equal(asked.length, 1);
  }
});

test("when the store fails in mid-window, what was spent counts towards the local share", async () => {
  const { limit, store, clock } = setup({ capacity: 40 });
  assert.deepEqual(await outcomes(limit, 8), { allowed: 8 });
  store.isDown = true;
  assert.deepEqual(await outcomes(limit, 10), { allowed: 2, limited: 8 });
  clock.nowMs = 6_000;
  assert.deepEqual(await outcomes(limit, 50), { allowed: 10, limited: 40 });
});

test("tokens that are held are spent while the store is gone", async () => {
  const { limit, store } = setup({ capacity: 1_000, onStoreFailure: "closed" });
  await outcomes(limit, 20);
  const held = 1_000 - store.left - 20;
  assert.ok(held > 0);
  store.isDown = true;
  assert.deepEqual(await outcomes(limit, held + 5), { allowed: held, unavailable: 5 });
});

test("the store is tried again after a pause, without making anyone wait, and used when it answers", async () => {
  const { limit, store, clock, warnings, asked } = setup({ capacity: 40, onStoreFailure: "open" });
  store.isDown = true;
  await outcomes(limit, 3);
  assert.equal(asked.length, 1);
  clock.nowMs += 1_000;
  store.expiresAtMs = 7_000;
  await outcomes(limit, 3);
  assert.equal(asked.length, 2);
  store.isDown = false;
  clock.nowMs += 1_000;
  store.expiresAtMs = 8_000;
  const decision = limit.take("a") as LimitDecision;
  assert.deepEqual(decision, { outcome: "allowed", remaining: -1, resetMs: 1_000 });
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(await outcomes(limit, 45), { allowed: 40, limited: 5 });
  assert.equal(warnings.length, 2);
  assert.match(warnings[1] ?? "", /answers again/);
});

test("grants that arrive after their window's end do not make a request wait for ever", async () => {
  const { limit, asked } = setup({ capacity: 10, onStoreFailure: "closed" }, { now: () => 10_000 });
  assert.equal((await limit.take("a")).outcome, "unavailable");
  assert.ok(asked.length <= 5);
});
