import assert from "node:assert/strict";
import { test } from "node:test";
import { createAddressRounds } from "../../../src/control/address-rounds.js";
import type { CreditsByListener, PrimaryMessage } from "../../../src/control/protocol.js";
import type { CountedListener, OpenConnections } from "../../../src/control/socket-table.js";
import type { WorkerHandle } from "../../../src/control/supervisor.js";
import { createWorkerAddresses } from "../../../src/control/worker-addresses.js";
import { listenerSpec } from "../../integration/uws-harness.js";
import { eventually } from "../../support/gateway.js";

class FakeWorker implements WorkerHandle {
  readonly id: number;
  readonly pid = 1;
  readonly identity = null;
  isReady = true;
  isDraining = false;
  snapshotVersion = "";
  readonly startedAtMs = 0;
  readonly received: PrimaryMessage[] = [];
  readonly channel = {
    send: (message: PrimaryMessage) => {
      this.received.push(message);
      this.onMessage(message);
    },
    onMessage: () => {},
    onClose: () => {},
  };
  onMessage: (message: PrimaryMessage) => void = () => {};

  constructor(id: number) {
    this.id = id;
  }

  get dealt(): CreditsByListener | undefined {
    const message = this.received.at(-1);
    return message?.type === "dealAddresses" ? message.credits : undefined;
  }
}

/** Two workers that answer with `held`, and a kernel that says `open`. */
function bench(options: { workers?: number; present?: number } = {}) {
  const workers = Array.from({ length: options.present ?? 2 }, (_, i) => new FakeWorker(i + 1));
  const state = {
    workers,
    open: new Map([["a", 30]]) as OpenConnections,
    counts: [] as (readonly CountedListener[])[],
    countedAtMs: [] as number[],
    logged: [] as string[],
    count: async () => new Map([["test", state.open]]),
    held: {} as CreditsByListener,
  };
  const rounds = createAddressRounds({
    listeners: [listenerSpec({ limits: { maxConnectionsPerAddress: 100 } }), { ...listenerSpec(), name: "free" }],
    workerCount: options.workers ?? 2,
    workers: () => state.workers,
    ports: () => ({ test: 8080 }),
    count: (listeners) => {
      state.counts.push(listeners);
      state.countedAtMs.push(performance.now());
      return state.count();
    },
    log: (message) => state.logged.push(message),
  });
  const answer = (message: PrimaryMessage) => {
    if (message.type === "yieldAddresses") setImmediate(() => rounds.answer(message.id, state.held));
  };
  for (const worker of workers) worker.onMessage = answer;
  return { rounds, state };
}

test("a round asks all workers, counts, and deals to all of them what is left", async () => {
  const { rounds, state } = bench();
  assert.deepEqual(rounds.starts(), { test: { share: 37, nearLimit: [] } });
  rounds.want();
  await eventually(() => state.workers.every((worker) => worker.dealt !== undefined), "credits");
  assert.deepEqual(
    state.workers.map((worker) => worker.dealt),
    [{ test: [["a", 0]] }, { test: [["a", 0]] }],
    "30 are open and both may let in 37",
  );
  assert.deepEqual(state.counts, [[{ name: "test", host: "127.0.0.1", port: 8080 }]]);
  assert.deepEqual(rounds.starts().test?.nearLimit, ["a"]);
  rounds.stop();
});

test("many wishes make one round, and the next one waits", async () => {
  const { rounds, state } = bench();
  for (let i = 0; i < 100; i++) rounds.want();
  await eventually(() => state.counts.length === 1, "a count");
  for (let i = 0; i < 100; i++) rounds.want();
  await eventually(() => state.counts.length === 2, "the next");
  const [first = 0, second = 0] = state.countedAtMs;
  assert.ok(second - first >= 95, `after ${second - first} ms`);
  rounds.stop();
});

test("a long count makes for a long pause", async () => {
  const { rounds, state } = bench();
  state.count = () => new Promise((resolve) => setTimeout(() => resolve(new Map()), 50));
  rounds.want();
  await eventually(() => state.workers[0]?.dealt !== undefined, "the first");
  rounds.want();
  await eventually(() => state.counts.length === 2, "the second");
  const [first = 0, second = 0] = state.countedAtMs;
  assert.ok(second - first >= 500, `after ${second - first} ms`);
  rounds.stop();
});

test("a worker that is missing is left its share", async () => {
  const { rounds, state } = bench({ present: 1 });
  state.held = { test: [["a", 0]] };
  rounds.want();
  await eventually(() => state.workers[0]?.dealt, "credits");
  assert.deepEqual(state.workers[0]?.dealt, { test: [["a", 100 - 30 - 37]] });
  rounds.stop();
});

test("a round in which a worker dies is given up", async () => {
  const { rounds, state } = bench();
  const [first] = state.workers;
  state.count = async () => {
    state.workers = state.workers.slice(0, 1);
    return new Map();
  };
  rounds.want();
  await eventually(() => state.counts.length === 1, "the count");
  rounds.want();
  await eventually(() => state.counts.length === 2 && first?.dealt !== undefined, "the next round");
  assert.deepEqual(
    first?.received.map(({ type }) => type),
    ["yieldAddresses", "yieldAddresses", "dealAddresses"],
  );
  rounds.stop();
});

test("a count that fails is reported, and the next round may do better", async () => {
  const { rounds, state } = bench();
  const { count } = state;
  state.count = () => Promise.reject(new Error("no table"));
  rounds.want();
  await eventually(() => state.logged.length === 1, "the report");
  state.count = count;
  rounds.want();
  await eventually(() => state.workers[0]?.dealt !== undefined, "credits");
  rounds.stop();
});

test("after its end there are no rounds", async () => {
  const { rounds, state } = bench();
  rounds.want();
  rounds.stop();
  rounds.want();
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(state.counts, []);
});

test("a worker asks once until the round begins, and exempt addresses cost nothing", () => {
  const sent: string[] = [];
  const addresses = createWorkerAddresses({ test: { share: 4, nearLimit: ["2001:db8:0:1"] } }, (message) => sent.push(message.type));
  assert.equal(
    addresses.guardOf("free", () => false),
    null,
  );
  const mayEnter = addresses.guardOf("test", (address) => address === "10.0.0.9");
  assert.ok(mayEnter !== null);
  for (let i = 0; i < 100; i++) assert.equal(mayEnter("10.0.0.9"), true);
  assert.deepEqual(sent, []);
  assert.deepEqual(
    Array.from({ length: 6 }, () => mayEnter("10.0.0.1")),
    [true, true, true, true, false, false],
  );
  assert.equal(mayEnter("2001:db8:0:1::5"), false, "a /64 counts as one");
  assert.deepEqual(sent, ["countAddresses"]);
  addresses.yield(1);
  addresses.take({ test: [["10.0.0.1", 1]] });
  assert.equal(mayEnter("10.0.0.1"), true);
  assert.equal(mayEnter("10.0.0.1"), false);
  assert.deepEqual(sent, ["countAddresses", "addressesYielded", "countAddresses"]);
});
