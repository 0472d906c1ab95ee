/** The promise of the limits: whatever the order of messages, all workers together never exceed a window's capacity. */
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import type { LeaseGrant, LeaseRequest } from "../../../src/limits/lease.js";
import { createLeaseClient, type Limit } from "../../../src/limits/lease-client.js";
import { createMemoryLimitStore } from "../../../src/limits/lease-store.js";

const WINDOW_MS = 1_000;
const KEYS = ["a", "b", "c"];

type Step =
  | { readonly type: "take"; readonly worker: number; readonly key: number; readonly times: number }
  /** Messages, of all that are under way, get to where they go, in the same turn. */
  | { readonly type: "deliver"; readonly which: number; readonly count: number }
  | { readonly type: "wait"; readonly ms: number };

interface Message {
  readonly deliver: () => void;
}

class World {
  readonly #messages: Message[] = [];
  readonly #store;
  readonly #limits: Limit[];
  readonly #capacity: number;
  /** Key → end of window → requests admitted in it. */
  readonly #admitted = new Map<string, number>();
  readonly #violations: string[] = [];
  #waiting = 0;

  constructor(workers: number, capacity: number, maxKeys: number) {
    this.#capacity = capacity;
    this.#store = createMemoryLimitStore({ maxKeys });
    this.#limits = Array.from({ length: workers }, () => this.#worker(workers, maxKeys));
  }

  #worker(workers: number, maxKeys: number): Limit {
    const ask = (request: LeaseRequest): Promise<LeaseGrant> =>
      new Promise((resolve) => {
        const answer = (grant: LeaseGrant): void => void this.#messages.push({ deliver: () => resolve(grant) });
        this.#messages.push({ deliver: () => void this.#store.lease(request).then(answer) });
      });
    const client = createLeaseClient(ask, { now: Date.now, maxKeys, workers, warn: assert.fail });
    return client.open({ id: "l", capacity: this.#capacity, windowMs: WINDOW_MS, onStoreFailure: "closed" });
  }

  async run(step: Step): Promise<void> {
    if (step.type === "wait") mock.timers.tick(step.ms);
    else if (step.type === "deliver") for (let i = 0; i < step.count; i++) this.#deliver(step.which);
    else for (let i = 0; i < step.times; i++) this.#take(step.worker, KEYS[step.key] as string);
    await nextTurn();
  }

  async settle(): Promise<void> {
    while (this.#messages.length > 0) {
      this.#deliver(0);
      await nextTurn();
    }
    assert.equal(this.#waiting, 0, "a request waits for ever");
    assert.deepEqual(this.#violations, []);
  }

  #deliver(which: number): void {
    const [message] = this.#messages.splice(which % Math.max(1, this.#messages.length), 1);
    message?.deliver();
  }

  #take(worker: number, key: string): void {
    const decision = (this.#limits[worker % this.#limits.length] as Limit).take(key);
    this.#waiting++;
    void Promise.resolve(decision).then(({ outcome, resetMs }) => {
      this.#waiting--;
      if (outcome !== "allowed") return;
      const window = `${key} ${Date.now() + resetMs}`;
      const count = (this.#admitted.get(window) ?? 0) + 1;
      this.#admitted.set(window, count);
      if (resetMs <= 0 || resetMs > WINDOW_MS) this.#violations.push(`spent ${resetMs} ms before the window's end`);
      if (count > this.#capacity) this.#violations.push(`${count} admitted of ${this.#capacity}`);
    });
  }

  /** Windows of one key that overlap would let it have two capacities at once. */
  checkWindows(): void {
    for (const key of KEYS) {
      const ends = [...this.#admitted.keys()].filter((window) => window.startsWith(`${key} `)).map((window) => Number(window.slice(2)));
      ends.sort((a, b) => a - b);
      for (let i = 1; i < ends.length; i++)
        assert.ok((ends[i] as number) - (ends[i - 1] as number) >= WINDOW_MS, `windows overlap: ${ends}`);
    }
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("take" as const),
      worker: fc.nat(3),
      key: fc.nat(KEYS.length - 1),
      times: fc.integer({ min: 1, max: 40 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("deliver" as const), which: fc.nat(20), count: fc.integer({ min: 1, max: 4 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("wait" as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 400 }), fc.constantFrom(1, 999, 1_000, 1_001)),
    }),
  },
);

test("no order of messages, waits and requests admits more than a window's capacity", async () => {
  const property = fc.asyncProperty(
    fc.integer({ min: 1, max: 4 }),
    fc.constantFrom(1, 3, 10, 64, 100, 300),
    fc.constantFrom(1, 2, 100),
    fc.array(step, { minLength: 10, maxLength: 80 }),
    async (workers, capacity, maxKeys, steps) => {
      mock.timers.enable({ apis: ["Date", "setTimeout"], now: 1_000_000 });
      try {
        const world = new World(workers, capacity, maxKeys);
        for (const next of steps) await world.run(next);
        await world.settle();
        world.checkWindows();
      } finally {
        mock.timers.reset();
      }
    },
  );
  await fc.assert(property, { numRuns: 300 });
});

test("together, workers use a window's capacity up but for the bounded share they hold", async () => {
  mock.timers.enable({ apis: ["Date", "setTimeout"], now: 1_000_000 });
  try {
    const store = createMemoryLimitStore({ maxKeys: 100 });
    const limits = [1, 2, 3, 4].map(() =>
      createLeaseClient((request) => store.lease(request), { now: Date.now, maxKeys: 100, workers: 4, warn: assert.fail }).open({
        id: "l",
        capacity: 1_000,
        windowMs: WINDOW_MS,
        onStoreFailure: "closed",
      }),
    );
    let admitted = 0;
    const send = async (limit: Limit, times: number): Promise<void> => {
      for (let i = 0; i < times; i++) if ((await limit.take("a")).outcome === "allowed") admitted++;
    };
    // A little to each, then everything to one: the worst case for what the others hold.
    for (const limit of limits) await send(limit, 60);
    await send(limits[0] as Limit, 2_000);
    assert.ok(admitted <= 1_000 && admitted >= 1_000 - 3 * 47, String(admitted));
    for (const limit of limits) await send(limit, 200);
    assert.equal(admitted, 1_000);
  } finally {
    mock.timers.reset();
  }
});
