/** The project's budgets, as far as this benchmark measures them, and the verdict on each: met, missed or not measured. */
import { type ContestantResult, type IdleSample, type LoadSample, medianOf, type RateSample, type ScenarioResult } from "./results.js";
import { FEW_ROUTES, MANY_ROUTES, type PeerName, type ScenarioName } from "./scenarios.js";

export interface Verdict {
  readonly budget: string;
  readonly measured: string;
  readonly verdict: "met" | "MISSED" | "not measured";
}

const MIB = 2 ** 20;
const MAX_IDLE_MIB = 60;

export function judge(results: readonly ScenarioResult[]): Verdict[] {
  return [
    cpuRatio(results, "plain", "nginx", 1.5, "plain HTTP/1.1, metrics on: CPU per request ≤ 1.5 × nginx"),
    cpuRatio(results, "plain", "nginx", 1.2, "the same, later: ≤ 1.2 × nginx"),
    cpuRatio(results, "tls", "nginx", 1.2, "TLS HTTP/1.1, metrics on: CPU per request ≤ 1.2 × nginx"),
    cpuRatio(results, "edge", "haproxy", 0.6, "edge job: CPU per request ≤ 0.6 × HAProxy"),
    cpuRatio(results, "h2", "nginx", 1, "HTTP/2, 8 connections × 32 streams: CPU per request ≤ 1.0 × nginx"),
    cpuRatio(results, "h2-single", "nginx", 1.4, "HTTP/2, 64 connections × 1 stream: ≤ 1.4 × nginx"),
    cpuRatio(results, "tls-h2", "nginx", 1.4, "TLS HTTP/1.1 on an h2 listener: ≤ 1.4 × nginx"),
    throughputRatio(results, "h2-large", "nginx", 0.8, "HTTP/2, 1 MiB bodies: throughput ≥ 0.8 × nginx"),
    latencyRatio(results, "plain", "nginx", 2, "plain, same rate for all: p99 ≤ 2 × nginx"),
    latencyRatio(results, "tls", "nginx", 2, "TLS, same rate for all: p99 ≤ 2 × nginx"),
    idleGrowth(results, "idle", "10,000 idle connections: ≤ 60 MiB more resident memory"),
    idleGrowth(results, "idle-tls", "the same over TLS"),
    idleGrowth(results, "idle-h2", "the same over HTTP/2 (no budget of its own)"),
    routesRatio(results, 1.2, "10,000 routes: CPU per request ≤ 1.2 × that with 10 routes (the budget itself is on matching 1,000 routes)"),
  ];
}

/** Compares medians of CPU per request. NaN when either is missing. */
export function cpuOf(contestant: ContestantResult | undefined): number {
  return contestant === undefined ? Number.NaN : medianOf(contestant.load, (sample: LoadSample) => sample.cpuMicrosPerRequest);
}

function find(results: readonly ScenarioResult[], scenario: ScenarioName, peer: PeerName): ContestantResult | undefined {
  return results.find((result) => result.scenario.name === scenario)?.contestants.find((contestant) => contestant.name === peer);
}

function cpuRatio(results: readonly ScenarioResult[], scenario: ScenarioName, peer: PeerName, most: number, budget: string): Verdict {
  const ours = cpuOf(find(results, scenario, "windrose"));
  const theirs = cpuOf(find(results, scenario, peer));
  return compare(budget, ours / theirs, most, `${(ours / theirs).toFixed(2)} × (${ours.toFixed(1)} : ${theirs.toFixed(1)} µs)`);
}

/** Of what each can do with a core of its own. */
function throughputRatio(
  results: readonly ScenarioResult[],
  scenario: ScenarioName,
  peer: PeerName,
  least: number,
  budget: string,
): Verdict {
  const rateOf = (name: PeerName): number => medianOf(find(results, scenario, name)?.load ?? [], (sample) => sample.requestsPerSecond);
  const [ours, theirs] = [rateOf("windrose"), rateOf(peer)];
  const measured = `${(ours / theirs).toFixed(2)} × (${ours.toFixed(0)} : ${theirs.toFixed(0)} a second)`;
  return compare(budget, theirs / ours, 1 / least, measured);
}

function latencyRatio(results: readonly ScenarioResult[], scenario: ScenarioName, peer: PeerName, most: number, budget: string): Verdict {
  const [ours, theirs] = (["windrose", peer] as const).map((name) => {
    const samples: readonly RateSample[] = find(results, scenario, name)?.rate ?? [];
    return samples.every((sample) => sample.hasKeptRate) ? medianOf(samples, (sample) => sample.p99Ms) : Number.POSITIVE_INFINITY;
  }) as [number, number];
  return compare(budget, ours / theirs, most, `${(ours / theirs).toFixed(2)} × (${ours.toFixed(2)} : ${theirs.toFixed(2)} ms)`);
}

function idleGrowth(results: readonly ScenarioResult[], scenario: ScenarioName, budget: string): Verdict {
  const samples: readonly IdleSample[] = find(results, scenario, "windrose")?.idle ?? [];
  const grown = medianOf(samples, (sample) => sample.grownBytes) / MIB;
  return compare(budget, grown, MAX_IDLE_MIB, `${grown.toFixed(1)} MiB`);
}

function routesRatio(results: readonly ScenarioResult[], most: number, budget: string): Verdict {
  const contestants = results.find((result) => result.scenario.name === "routes")?.contestants ?? [];
  const [few, many] = [FEW_ROUTES, MANY_ROUTES].map((routes) => cpuOf(contestants.find((contestant) => contestant.routes === routes))) as [
    number,
    number,
  ];
  return compare(budget, many / few, most, `${(many / few).toFixed(2)} × (${many.toFixed(1)} : ${few.toFixed(1)} µs)`);
}

function compare(budget: string, value: number, most: number, measured: string): Verdict {
  if (Number.isNaN(value)) return { budget, measured: "", verdict: "not measured" };
  return { budget, measured, verdict: value <= most ? "met" : "MISSED" };
}
