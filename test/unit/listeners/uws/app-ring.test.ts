import assert from "node:assert/strict";
import { test } from "node:test";
import type { UwsApp } from "../../../../src/listeners/uws/addon.js";
import { AppRing, type AppSlot } from "../../../../src/listeners/uws/app-ring.js";
import type { Timers } from "../../../../src/proxy/ports.js";

const AGE_MS = 400;
const PERIOD_MS = AGE_MS / 4;

/** A ring of apps that only remember who is registered with the acceptor, and a clock that is moved by hand. */
function bench() {
  const slots: AppSlot[] = [];
  const registered: number[] = [];
  const closed: number[] = [];
  let [nowMs, dueAtMs] = [0, Number.POSITIVE_INFINITY];
  let fire = () => {};
  const timers: Timers = {
    create(onFire) {
      fire = onFire;
      return {
        arm(delayMs) {
          dueAtMs = nowMs + delayMs;
        },
        cancel() {
          dueAtMs = Number.POSITIVE_INFINITY;
        },
      };
    },
  };
  const createApp = (slot: AppSlot): UwsApp => {
    const index = slots.push(slot) - 1;
    const app: Partial<UwsApp> = {
      getDescriptor: () => index,
      addChildAppDescriptor: (descriptor) => void registered.push(descriptor),
      removeChildAppDescriptor: (descriptor) => void registered.splice(registered.indexOf(descriptor), 1),
    };
    return Object.assign(app as UwsApp, { close: () => closed.push(index) });
  };
  const ring = new AppRing(createApp, AGE_MS, timers);
  const pass = (ms: number) => {
    for (const endMs = nowMs + ms; nowMs < endMs; ) {
      nowMs++;
      if (nowMs >= dueAtMs) fire();
    }
  };
  return { ring, slots, registered, closed, pass };
}

test("there is always exactly one app that takes connections, and each has its turn", () => {
  const { ring, registered, pass } = bench();
  ring.start();
  const turns: number[] = [];
  for (let i = 0; i < 14; i++) {
    assert.equal(registered.length, 1);
    turns.push(registered[0] as number);
    pass(PERIOD_MS);
  }
  // 0 is the acceptor itself.
  assert.deepEqual(turns, [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 1, 2]);
});

test("a connection is old between three quarters of the age and the age after it was accepted, and for half of it", () => {
  for (let acceptedAtMs = 1; acceptedAtMs < 3 * AGE_MS; acceptedAtMs += 7) {
    const { ring, slots, registered, pass } = bench();
    ring.start();
    pass(acceptedAtMs);
    const slot = slots[registered[0] as number] as AppSlot;
    const ages: number[] = [];
    for (let ageMs = 0; ageMs < 2 * AGE_MS; ageMs++) {
      if (slot.isOld) ages.push(ageMs);
      pass(1);
    }
    const [first = 0] = ages;
    assert.ok(first >= AGE_MS * 0.75 - 1 && first <= AGE_MS + 1, `old at ${first}`);
    assert.ok(ages.length >= AGE_MS / 2 - 2 && ages.length <= AGE_MS / 2 + 2, `old for ${ages.length}`);
  }
});

test("nothing moves before the start and after the end, and all apps are closed", () => {
  const { ring, registered, closed, pass } = bench();
  pass(10 * AGE_MS);
  assert.deepEqual(registered, [1]);
  ring.start();
  pass(PERIOD_MS + 1);
  assert.deepEqual(registered, [2]);
  ring.stop();
  pass(10 * AGE_MS);
  assert.deepEqual(registered, [2]);
  ring.close();
  assert.deepEqual(closed, [0, 1, 2, 3, 4, 5, 6]);
});
