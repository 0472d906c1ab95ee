/**
 * Prints how long the choice of an endpoint takes, per algorithm and number of endpoints, and what a change of the set costs:
 * `node dist/loadtest/micro/pick.js`. Random numbers and keys are drawn beforehand; rounds alternate and the median counts.
 */
import { createPicker } from "../../src/engine/balancing/picker.js";
import { Endpoint, EndpointSet, type EndpointTraits, type Picker, PickRequest } from "../../src/engine/model/endpoint.js";
import type { BalanceAlgorithm, BalanceSpec } from "../../src/engine/model/snapshot.js";

const ROUNDS = 15;
const WARM_UPS = 5;
const PICKS_PER_ROUND = 100_000;
const SIZES = [3, 10, 100, 1_000];

interface Scenario {
  readonly name: string;
  readonly balance: Partial<BalanceSpec> & { readonly algorithm: BalanceAlgorithm };
  readonly traits?: (index: number) => Partial<EndpointTraits>;
  readonly zone?: string;
  readonly isBusy?: boolean;
  readonly isDegraded?: boolean;
}

const weights = (index: number) => ({ weight: 1 + (index % 5) });

const SCENARIOS: readonly Scenario[] = [
  { name: "roundRobin", balance: { algorithm: "roundRobin" } },
  { name: "roundRobin, weights", balance: { algorithm: "roundRobin" }, traits: weights },
  { name: "random", balance: { algorithm: "random" } },
  { name: "random, weights", balance: { algorithm: "random" }, traits: weights },
  { name: "leastRequest", balance: { algorithm: "leastRequest" }, traits: weights },
  { name: "ewma", balance: { algorithm: "ewma" }, isBusy: true },
  { name: "ewma, weights", balance: { algorithm: "ewma" }, traits: weights, isBusy: true },
  { name: "ringHash", balance: { algorithm: "ringHash" } },
  { name: "ringHash, weights, maxLoad", balance: { algorithm: "ringHash", maxLoadPercent: 125 }, traits: weights, isBusy: true },
  { name: "ringHash, a third unhealthy", balance: { algorithm: "ringHash" }, isDegraded: true },
  { name: "maglev", balance: { algorithm: "maglev" } },
  { name: "maglev, weights, maxLoad", balance: { algorithm: "maglev", maxLoadPercent: 125 }, traits: weights, isBusy: true },
  { name: "maglev, a third unhealthy", balance: { algorithm: "maglev" }, isDegraded: true },
  {
    name: "ewma, 3 zones, 2 priorities, a third unhealthy",
    balance: { algorithm: "ewma" },
    traits: (index) => ({ zone: "abc"[index % 3] as string, priority: index % 2 }),
    zone: "a",
    isBusy: true,
    isDegraded: true,
  },
];

const BALANCE: Omit<BalanceSpec, "algorithm"> = {
  hashOn: null,
  maxLoadPercent: 0,
  prefersLocalZone: true,
  slowStartMs: 0,
  panicThresholdPercent: 50,
  retryAfter: { on: [503], maxMs: 30_000 },
};

const randoms = Float64Array.from({ length: PICKS_PER_ROUND }, () => Math.random());
const hashes = Uint32Array.from(randoms, () => Math.floor(Math.random() * 2 ** 32));

function createSet({ traits, isBusy, isDegraded }: Scenario, size: number): EndpointSet {
  const set = new EndpointSet();
  const target = {
    key: "",
    host: "",
    port: 80,
    version: "http1",
    http2: { maxConcurrentStreams: 1, streamWindowBytes: 1, maxStreamWindowBytes: 1, pingMs: 0 },
    tls: null,
    connectTimeoutMs: 0,
    keepAliveMs: 0,
    connectionAgeMs: 0,
    maxConnections: 1,
    maxPendingRequests: 0,
    maxSlowClientPercent: 1,
    maxWebSockets: 0,
  } as const;
  const endpoints = Array.from({ length: size }, (_, index) => {
    const given = { weight: 1, zone: "", priority: 0, labels: {}, ...traits?.(index) };
    return new Endpoint(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:8080`, target, given, set);
  });
  endpoints.forEach((endpoint, index) => {
    endpoint.inFlight = isBusy === true ? index % 7 : 0;
    set.inFlight += endpoint.inFlight;
    endpoint.isHealthy = isDegraded !== true || index % 3 !== 2;
    endpoint.latency = isBusy === true ? 1 + (index % 11) : 0;
  });
  set.latency = isBusy === true ? 5.5 : 0;
  set.replace(endpoints);
  return set;
}

function create({ balance, zone }: Scenario, set: EndpointSet): Picker {
  return createPicker(set, { balance: { ...BALANCE, ...balance }, subset: null, zone: zone ?? "" });
}

const request = new PickRequest();

function measurePicks(picker: Picker): number {
  let picked = 0;
  const start = process.hrtime.bigint();
  for (let i = 0; i < PICKS_PER_ROUND; i++) {
    request.now = 1_000 + i / 100;
    request.random = randoms[i] as number;
    request.hash = hashes[i] as number;
    if (picker.pick(request) !== null) picked++;
  }
  const elapsed = Number(process.hrtime.bigint() - start);
  if (picked !== PICKS_PER_ROUND) throw new Error("nothing was picked");
  return elapsed / PICKS_PER_ROUND;
}

/** Milliseconds until the first pick after all is new, and after the health of one endpoint has changed. */
function measureChanges(scenario: Scenario, set: EndpointSet): readonly [layout: number, health: number] {
  request.now += 1;
  const begun = process.hrtime.bigint();
  const picker = create(scenario, set);
  picker.pick(request);
  const built = process.hrtime.bigint();
  set.touch();
  picker.pick(request);
  return [Number(built - begun) / 1e6, Number(process.hrtime.bigint() - built) / 1e6];
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

function allocatedPerPick(picker: Picker): number {
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  measurePicks(picker);
  return Math.max(0, process.memoryUsage().heapUsed - before) / PICKS_PER_ROUND;
}

process.stdout.write(
  `ns per pick at ${SIZES.join(" / ")} endpoints; at ${SIZES.at(-1)}: ms to build, ms after a change of health, bytes per pick\n`,
);
const runs = SCENARIOS.map((scenario) => ({
  scenario,
  sized: SIZES.map((size) => {
    const set = createSet(scenario, size);
    return { set, picker: create(scenario, set), rounds: [] as number[] };
  }),
}));
// All algorithms take turns in one process, as they would in a gateway: call sites have met all of them.
for (let round = -WARM_UPS; round < ROUNDS; round++) {
  for (const { sized } of runs) {
    for (const { picker, rounds } of sized) {
      const nanoseconds = measurePicks(picker);
      if (round >= 0) rounds.push(nanoseconds);
    }
  }
}
for (const { scenario, sized } of runs) {
  const largest = sized.at(-1) as (typeof sized)[number];
  const changes = Array.from({ length: 7 }, () => measureChanges(scenario, largest.set));
  const figures = sized.map(({ rounds }) => median(rounds).toFixed(0)).join(" / ");
  const [build, health] = [0, 1].map((which) => median(changes.map((change) => change[which] as number)).toFixed(2));
  process.stdout.write(`${scenario.name}: ${figures} ns · ${build} ms · ${health} ms · ${allocatedPerPick(largest.picker).toFixed(1)} B\n`);
}
