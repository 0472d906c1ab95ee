/**
 * Prints how long one route match takes with 10, 1,000 and 10,000 routes: `node dist/loadtest/micro/route-match.js`.
 * Rounds of the sizes alternate and the median counts, so that noise of the machine meets all of them alike.
 */
import type { RequestFacts } from "../../src/engine/model/request.js";
import type { RouteSpec } from "../../src/engine/model/snapshot.js";
import { compileRoutes } from "../../src/engine/routing/compile-routes.js";
import { matchRoute } from "../../src/engine/routing/match-route.js";
import type { RouteTable } from "../../src/engine/routing/route-table.js";

const SIZES = [10, 1_000, 10_000];
const ROUNDS = 15;
const MATCHES_PER_ROUND = 20_000;

interface Scenario {
  readonly name: string;
  readonly route: (index: number) => RouteSpec;
  readonly request: (index: number) => RequestFacts;
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: "one host, a prefix per route",
    route: (index) => createRoute(index, "api.example.com", "PathPrefix", `/service-${index}`),
    request: (index) => createRequest("api.example.com", `/service-${index}/orders/${index % 97}`),
  },
  {
    name: "a host per route",
    route: (index) => createRoute(index, `app-${index}.example.com`, "PathPrefix", "/"),
    request: (index) => createRequest(`app-${index}.example.com`, `/orders/${index % 97}`),
  },
  {
    name: "one wildcard, an exact path per route",
    route: (index) => createRoute(index, "*.example.com", "Exact", `/v1/service-${index}/status`),
    request: (index) => createRequest("api.example.com", `/v1/service-${index}/status`),
  },
];

function createRoute(index: number, hostname: string, type: "Exact" | "PathPrefix", value: string): RouteSpec {
  return {
    name: `route-${index}`,
    listeners: ["public"],
    hostnames: [hostname],
    match: [{ path: { type, value }, methods: [], headers: [], query: [] }],
    filters: [],
    backends: [],
    timeouts: { requestMs: 0, backendRequestMs: 0 },
    retry: {
      attempts: 0,
      on: { connectFailure: false, reset: false, timeout: false, malformed: false, statuses: [] },
      maxReplayBytes: 0,
      budgetPercent: 0,
      budgetMinPerSecond: 0,
    },
  };
}

/** Strings of requests come from sockets: never the same object twice, their hashes not yet known. */
function createRequest(host: string, path: string): RequestFacts {
  return { method: "GET", host: copyOf(host), path: copyOf(path), query: undefined, headers: ["accept", "*/*"] };
}

function copyOf(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}

function measureRound(table: RouteTable, requests: readonly RequestFacts[]): number {
  let matched = 0;
  const start = process.hrtime.bigint();
  for (const request of requests) if (matchRoute(table, request) !== null) matched++;
  const elapsed = Number(process.hrtime.bigint() - start);
  if (matched !== MATCHES_PER_ROUND) throw new Error("a request found no route");
  return elapsed / MATCHES_PER_ROUND;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

function runScenario(scenario: Scenario): void {
  const runs = SIZES.map((size) => {
    const routes = Array.from({ length: size }, (_, index) => scenario.route(index));
    const createRequests = () => Array.from({ length: MATCHES_PER_ROUND }, (_, i) => scenario.request((i * 7_919) % size));
    return { size, table: compileRoutes(routes, "public"), createRequests, rounds: [] as number[] };
  });
  // Every request is used once; the first rounds warm the code up.
  for (let round = -3; round < ROUNDS; round++) {
    for (const run of runs) {
      const perMatch = measureRound(run.table, run.createRequests());
      if (round >= 0) run.rounds.push(perMatch);
    }
  }
  const figures = runs.map(({ size, rounds }) => `${size.toLocaleString("en")} routes ${median(rounds).toFixed(0)} ns`);
  process.stdout.write(`${scenario.name}: ${figures.join(" · ")}\n`);
}

for (const scenario of SCENARIOS) runScenario(scenario);
