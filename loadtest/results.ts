/** Figures of a benchmark run, and their medians. */
import type { PeerName, Scenario } from "./scenarios.js";

/** One measurement of one contestant under full load. */
export interface LoadSample {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Of all its processes. */
  readonly cpuMicrosPerRequest: number;
  /** Of the process that moves bytes; null when there is only one. */
  readonly workerCpuMicrosPerRequest: number | null;
  /** Share of its core that it used, 0…1: well below 1, the load generator was the limit. */
  readonly coreShare: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly residentBytes: number;
}

/** Latency at a rate that is the same for all contestants. */
export interface RateSample {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** False when it could not keep up. */
  readonly hasKeptRate: boolean;
}

export interface IdleSample {
  readonly connections: number;
  readonly grownBytes: number;
}

export interface ContestantResult {
  readonly name: PeerName;
  readonly label: string;
  readonly routes: number;
  readonly version: string;
  readonly load: LoadSample[];
  readonly rate: RateSample[];
  readonly idle: IdleSample[];
}

export interface ScenarioResult {
  readonly scenario: Scenario;
  readonly contestants: ContestantResult[];
  /** Of the fixed-rate runs; 0: none were made. */
  rate: number;
  /** Why figures are missing or doubtful. */
  readonly remarks: string[];
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** NaN when there are no samples. */
export function medianOf<T>(samples: readonly T[], read: (sample: T) => number): number {
  return median(samples.map(read));
}

/** Largest over smallest sample: how far the rounds disagree. */
export function spreadOf<T>(samples: readonly T[], read: (sample: T) => number): number {
  const values = samples.map(read);
  return Math.max(...values) / Math.min(...values);
}
