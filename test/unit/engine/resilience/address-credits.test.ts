/** The promise of `maxConnectionsPerAddress`: whatever the order of events, all workers together never let in too many. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type AddressPlan, addressPlan, smallestAddressLimit } from "../../../../src/engine/model/address-limit.js";
import {
  type AddressCredits,
  type AddressTable,
  createAddressTable,
  dealCredits,
  spendCredit,
  takeCredits,
  yieldCredits,
} from "../../../../src/engine/resilience/address-credits.js";

const ADDRESSES = ["10.0.0.1", "10.0.0.2"];

test("the shares of all workers and a quarter make up the limit", () => {
  assert.deepEqual(addressPlan(100, 1), { limit: 100, quietAt: 25, share: 75 });
  assert.deepEqual(addressPlan(100, 4), { limit: 100, quietAt: 25, share: 18 });
});

test("a limit too small for its workers is raised to the smallest that gives each of them four", () => {
  for (let workers = 1; workers <= 200; workers++) {
    const smallest = smallestAddressLimit(workers);
    assert.equal(addressPlan(1, workers).limit, smallest);
    assert.ok(addressPlan(smallest, workers).share >= 4, `${workers} workers`);
    const below = smallest - 1;
    assert.ok(Math.floor((below - Math.floor(below / 4)) / workers) < 4, `${workers} workers could do with less`);
  }
});

function spend(table: AddressTable, address: string, times: number): number {
  let admitted = 0;
  for (let i = 0; i < times; i++) if (spendCredit(table, address)) admitted++;
  return admitted;
}

/** One round in which nothing else happens. */
function round(plan: AddressPlan, tables: readonly AddressTable[], open: ReadonlyMap<string, number>): AddressCredits[][] {
  const dealt = dealCredits(plan, tables.map(yieldCredits), open);
  tables.forEach((table, worker) => {
    takeCredits(table, dealt[worker] ?? []);
  });
  return dealt;
}

test("an unknown address has its share, and half of it spent asks for a round", () => {
  const table = createAddressTable(10, []);
  assert.equal(spend(table, "a", 4), 4);
  assert.equal(table.isLow, false);
  assert.equal(spend(table, "a", 1), 1);
  assert.equal(table.isLow, true);
  assert.equal(spend(table, "a", 10), 5);
  assert.equal(spend(table, "b", 1), 1, "others are not affected");
});

test("an address whose connections have closed is forgotten, and has its full share again", () => {
  const plan = addressPlan(20, 2);
  const tables = [createAddressTable(plan.share, []), createAddressTable(plan.share, [])];
  for (let cycle = 0; cycle < 5; cycle++) {
    for (const table of tables) assert.equal(spend(table, "a", 100), plan.share);
    assert.deepEqual(round(plan, tables, new Map()), [[], []]);
    for (const table of tables) assert.equal(table.entries.size, 0);
  }
});

test("one worker can let in all but what others might: rounds bring credits to where they are needed", () => {
  const plan = addressPlan(100, 4);
  const tables = [0, 1, 2, 3].map(() => createAddressTable(plan.share, []));
  let open = 0;
  for (let i = 0; i < 10; i++) {
    open += spend(tables[0] as AddressTable, "a", 100);
    round(plan, tables, new Map([["a", open]]));
  }
  assert.equal(open, 100);
});

test("the last credit moves to the worker that has none", () => {
  const plan = addressPlan(10, 2);
  const tables = [createAddressTable(plan.share, []), createAddressTable(plan.share, [])] as const;
  let open = spend(tables[0], "a", 4) + spend(tables[1], "a", 3);
  for (let i = 0; i < 6; i++) {
    round(plan, tables, new Map([["a", open]]));
    open += spend(tables[0], "a", 1);
  }
  assert.equal(open, 10);
});

test("a worker that starts late lets in nothing of an address that is near the limit", () => {
  const table = createAddressTable(10, ["a"]);
  assert.equal(spend(table, "a", 1), 0);
  assert.equal(spend(table, "b", 1), 1);
});

test("a worker that does not take part is left its share and gets nothing", () => {
  const plan = addressPlan(20, 2);
  const table = createAddressTable(plan.share, []);
  spend(table, "a", plan.share);
  const dealt = dealCredits(plan, [yieldCredits(table), null], new Map([["a", 7]]));
  assert.deepEqual(dealt, [[["a", 20 - 7 - plan.share]], []]);
});

test("an address is not forgotten while a worker holds so much of it that the others' shares would be too much", () => {
  const plan = addressPlan(100, 2);
  const [first] = dealCredits(plan, [[["a", 70]], [["a", 0]]], new Map([["a", 25]]));
  assert.deepEqual(first, [["a", 0]]);
});

test("a flood of addresses asks for a round, and does not fill the memory when none comes", () => {
  const table = createAddressTable(10, []);
  for (let i = 0; i < 4_095; i++) spendCredit(table, `10.0.${i}`);
  assert.equal(table.isLow, false);
  spendCredit(table, "one more");
  assert.equal(table.isLow, true);
  for (let i = 0; i < 100_000; i++) spendCredit(table, `10.1.${i}`);
  assert.equal(table.entries.size, 65_536);
  assert.equal(spendCredit(table, "another"), false);
  assert.equal(spendCredit(table, "one more"), true, "known ones go on");
  takeCredits(table, dealCredits(addressPlan(20, 2), [yieldCredits(table), null], new Map())[0] ?? []);
  assert.equal(table.entries.size, 0);
});

// ── Any order of events ──────────────────────────────────────────────────────────────────────────────────────────

type Message =
  | { readonly type: "yield" }
  | { readonly type: "held"; readonly credits: readonly AddressCredits[] }
  | { readonly type: "dealt"; readonly credits: readonly AddressCredits[] };

/** A worker with its open connections and the two directions of its channel, which keep order but take their time. */
interface Worker {
  table: AddressTable;
  readonly open: Map<string, number>;
  toWorker: Message[];
  toPrimary: Message[];
}

class World {
  readonly #plan: AddressPlan;
  readonly #workers: Worker[];
  /** What came back in the round under way; null between rounds. */
  #held: (readonly AddressCredits[] | null)[] | null = null;
  /** Takes part in the round under way. */
  #isIn: boolean[] = [];
  #nearLimit: string[] = [];

  constructor(limit: number, workers: number) {
    this.#plan = addressPlan(limit, workers);
    this.#workers = Array.from({ length: workers }, () => this.#newWorker());
  }

  #newWorker(): Worker {
    return { table: createAddressTable(this.#plan.share, this.#nearLimit), open: new Map(), toWorker: [], toPrimary: [] };
  }

  open(worker: number, address: string, times: number): void {
    const { table, open } = this.#at(worker);
    for (let i = 0; i < times; i++) if (spendCredit(table, address)) open.set(address, (open.get(address) ?? 0) + 1);
    this.#check(address);
  }

  close(worker: number, address: string, times: number): void {
    const { open } = this.#at(worker);
    open.set(address, Math.max(0, (open.get(address) ?? 0) - times));
  }

  /** Its connections end with it; a round under way is given up. */
  crash(worker: number): void {
    this.#workers[worker % this.#workers.length] = this.#newWorker();
    this.#held = null;
  }

  startRound(without: number): void {
    if (this.#held !== null) return;
    this.#held = this.#workers.map(() => null);
    this.#isIn = this.#workers.map((_, worker) => worker !== without);
    this.#workers.forEach((worker, index) => {
      // What is left of a round that was given up never arrives after this.
      worker.toPrimary = [];
      if (this.#isIn[index]) worker.toWorker.push({ type: "yield" });
    });
  }

  deliverToWorker(index: number): void {
    const worker = this.#at(index);
    const message = worker.toWorker.shift();
    if (message?.type === "yield") worker.toPrimary.push({ type: "held", credits: yieldCredits(worker.table) });
    else if (message?.type === "dealt") takeCredits(worker.table, message.credits);
  }

  deliverToPrimary(index: number): void {
    const message = this.#at(index).toPrimary.shift();
    if (message?.type !== "held" || this.#held === null) return;
    this.#held[index % this.#workers.length] = message.credits;
    if (this.#held.every((held, worker) => held !== null || !this.#isIn[worker])) this.#deal(this.#held);
  }

  #deal(held: readonly (readonly AddressCredits[] | null)[]): void {
    const open = new Map(ADDRESSES.map((address) => [address, this.#openOf(address)]));
    const dealt = dealCredits(this.#plan, held, open);
    dealt.forEach((credits, worker) => {
      if (held[worker] !== null) this.#at(worker).toWorker.push({ type: "dealt", credits });
    });
    this.#nearLimit = dealt[held.findIndex((one) => one !== null)]?.map(([address]) => address) ?? [];
    this.#held = null;
  }

  #at(worker: number): Worker {
    return this.#workers[worker % this.#workers.length] as Worker;
  }

  #openOf(address: string): number {
    return this.#workers.reduce((sum, { open }) => sum + (open.get(address) ?? 0), 0);
  }

  #check(address: string): void {
    assert.ok(this.#openOf(address) <= this.#plan.limit, `${this.#openOf(address)} of ${this.#plan.limit}`);
  }
}

const worker = fc.nat(3);
const step: fc.Arbitrary<(world: World) => void> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(worker, fc.constantFrom(...ADDRESSES), fc.integer({ min: 1, max: 30 }))
      .map((args) => (world: World) => world.open(...args)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(worker, fc.constantFrom(...ADDRESSES), fc.integer({ min: 1, max: 30 }))
      .map((args) => (world: World) => world.close(...args)),
  },
  { weight: 2, arbitrary: fc.integer({ min: -8, max: 3 }).map((without) => (world: World) => world.startRound(without)) },
  { weight: 4, arbitrary: worker.map((index) => (world: World) => world.deliverToWorker(index)) },
  { weight: 4, arbitrary: worker.map((index) => (world: World) => world.deliverToPrimary(index)) },
  { weight: 1, arbitrary: worker.map((index) => (world: World) => world.crash(index)) },
);

test("no order of connections, messages and crashes lets in more than the limit", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(1, 10, 25, 100),
      fc.array(step, { minLength: 20, maxLength: 200 }),
      (workers, limit, steps) => {
        const world = new World(limit, workers);
        for (const run of steps) run(world);
      },
    ),
    { numRuns: 2_000 },
  );
});
