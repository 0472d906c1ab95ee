/** Reads, once a second, what the gateway's processes hold: resident memory and open file descriptors; and judges growth. */
import { existsSync, readdirSync } from "node:fs";
import { residentBytes } from "../processes.js";

export interface Sample {
  readonly atSeconds: number;
  readonly primaryBytes: number;
  readonly workerBytes: number;
  /** Of all workers together. */
  readonly descriptors: number;
}

export interface Growth {
  readonly name: string;
  readonly earlyBytes: number;
  readonly lateBytes: number;
  readonly isTooMuch: boolean;
}

/** Of a run of 20 minutes: minutes 3 to 5, and the last two. */
const EARLY = { from: 0.15, to: 0.25 };
const LATE = { from: 0.9, to: 1 };
const MAX_GROWTH = 0.2;
const MAX_GROWTH_BYTES = 30 * 1024 * 1024;

export function takeSample(primaryPid: number, workerPids: readonly number[], atSeconds: number): Sample {
  return {
    atSeconds,
    primaryBytes: residentBytes([primaryPid]),
    workerBytes: residentBytes(workerPids),
    descriptors: workerPids.reduce((sum, pid) => sum + openDescriptors(pid), 0),
  };
}

/** 0 when the process is gone. */
export function openDescriptors(pid: number): number {
  const path = `/proc/${pid}/fd`;
  return existsSync(path) ? readdirSync(path).length : 0;
}

export function growthOf(samples: readonly Sample[], seconds: number): Growth[] {
  return [
    compare("primary", samples, seconds, (sample) => sample.primaryBytes),
    compare("workers", samples, seconds, (sample) => sample.workerBytes),
  ];
}

function compare(name: string, samples: readonly Sample[], seconds: number, read: (sample: Sample) => number): Growth {
  const within = ({ from, to }: typeof EARLY): number =>
    median(samples.filter(({ atSeconds }) => atSeconds >= from * seconds && atSeconds <= to * seconds).map(read));
  const earlyBytes = within(EARLY);
  const lateBytes = within(LATE);
  const grownBytes = lateBytes - earlyBytes;
  return { name, earlyBytes, lateBytes, isTooMuch: grownBytes > MAX_GROWTH_BYTES || grownBytes > earlyBytes * MAX_GROWTH };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
